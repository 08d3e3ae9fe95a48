//! What keys have left, as it changes: the stream that both faces with usage have.

use futures_util::StreamExt;

use super::audit::EventsReply;
use super::fault::Reply;
use super::stream::{Event, Streaming};
use super::wire::Spelling;
use super::wire::limits::KeyHeadroom;
use crate::domain::error::{Error, Result};
use crate::domain::id::{IdRef, Key};
use crate::service::app::App;
use crate::service::caller::Caller;
use crate::service::usage;

/// The longest that a client may ask a stream to be.
const LONGEST: u32 = 86_400;

/// Headroom as it changes; for no second, what it is now.
pub fn follow<I: Spelling>(
    app: &App,
    caller: &Caller,
    key: Option<(IdRef<Key>, String)>,
    seconds: Option<u32>,
    streaming: Streaming,
) -> Reply<EventsReply> {
    if seconds.is_some_and(|seconds| seconds > LONGEST) {
        return Err(Error::parameter("seconds", format!("must be 0 to {LONGEST}.")).into());
    }
    let looks = if seconds == Some(0) { 1 } else { usize::MAX };
    let news = app.watch_headrooms(caller, key)?.take(looks);
    let events = news.map(|news| news?.into_iter().map(event::<I>).collect());
    Ok(EventsReply(streaming.events(seconds.filter(|seconds| *seconds > 0), events)?))
}

fn event<I: Spelling>(headroom: usage::KeyHeadroom) -> Result<Event> {
    let data = serde_json::to_string(&KeyHeadroom::<I>::from(headroom)).map_err(Error::internal)?;
    Ok(Event { id: None, name: Some("headroom"), data })
}
