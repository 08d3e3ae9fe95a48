//! What both faces that show the audit log have in common: its streams, and what documents say of them.

use bytes::Bytes;
use futures_util::StreamExt;
use poem::{IntoResponse, Response};
use poem_openapi::registry::{MetaMediaType, MetaResponse, MetaResponses, MetaSchema, MetaSchemaRef, Registry};
use poem_openapi::{ApiResponse, Enum};

use super::fault::Reply;
use super::stream::{Event, Streaming};
use super::wire::Spelling;
use super::wire::audit::{csv_heading, csv_line, json_line};
use crate::domain::audit::filter::AuditFilter;
use crate::domain::error::{Error, Result};
use crate::service::app::App;
use crate::service::audit::{Patience, Record};
use crate::service::caller::Caller;

/// The longest that a client may ask a stream to be.
const LONGEST: u32 = 86_400;

/// The form of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "lowercase")]
pub enum ExportFormat {
    /// A line of JSON for each entry.
    Ndjson,
    /// RFC 4180, with a heading.
    Csv,
}

/// Entries as they come.
pub fn follow<I: Spelling>(
    app: &App,
    caller: &Caller,
    filter: &AuditFilter,
    seconds: Option<u32>,
    streaming: Streaming,
) -> Reply<EventsReply> {
    if seconds.is_some_and(|seconds| seconds > LONGEST) {
        return Err(Error::parameter("seconds", format!("must be 0 to {LONGEST}.")).into());
    }
    let after = streaming.last_event_id()?;
    let patience = if seconds == Some(0) { Patience::UntilRead } else { Patience::ForMore };
    let parts = app.follow_audit(caller, filter, after, patience)?;
    let events = parts.map(|part| Ok(part?.into_iter().map(event::<I>).collect()));
    Ok(EventsReply(streaming.events(seconds.filter(|seconds| *seconds > 0), events)?))
}

fn event<I: Spelling>(record: Record) -> Event {
    let id = Some(record.seq.to_string());
    Event { id, name: Some("entry"), data: json_line::<I>(record).trim_end().to_owned() }
}

/// All entries.
pub fn export<I: Spelling>(
    app: &App,
    caller: &Caller,
    filter: &AuditFilter,
    format: Option<ExportFormat>,
    streaming: Streaming,
) -> Reply<ExportReply> {
    let parts = app.export_audit(caller, filter)?;
    let (content_type, name, heading, line): (_, _, _, fn(Record) -> String) = match format {
        None | Some(ExportFormat::Ndjson) => ("application/x-ndjson", "audit.ndjson", String::new(), json_line::<I>),
        Some(ExportFormat::Csv) => ("text/csv; charset=utf-8", "audit.csv", csv_heading(), csv_line::<I>),
    };
    let lines = parts.map(move |part| Ok(Bytes::from(part?.into_iter().map(line).collect::<String>())));
    let pieces = futures_util::stream::once(async move { Ok(Bytes::from(heading)) }).chain(lines);
    let pieces = pieces.filter(|piece| std::future::ready(!matches!(piece, Ok(piece) if piece.is_empty())));
    Ok(ExportReply(streaming.file(content_type, name, pieces)?))
}

impl Streaming {
    /// The number of the entry that the client had last.
    ///
    /// # Errors
    /// When it is no number.
    fn last_event_id(&self) -> Result<Option<i64>> {
        let read = |text: &String| {
            let wrong = || {
                Error::InvalidRequest(
                    "`Last-Event-ID` must be the number of an entry: the `id` of an event.".to_owned(),
                )
            };
            text.trim().parse::<i64>().ok().filter(|number| *number >= 0).ok_or_else(wrong)
        };
        self.last_event_id.as_ref().map(read).transpose()
    }
}

macro_rules! streamed {
    ($($(#[$doc:meta])* $name:ident $($media:literal)+;)*) => {$(
        $(#[$doc])*
        pub struct $name(pub Response);

        impl IntoResponse for $name {
            fn into_response(self) -> Response {
                self.0
            }
        }

        impl ApiResponse for $name {
            fn meta() -> MetaResponses {
                let text = || MetaSchemaRef::Inline(Box::new(MetaSchema::new("string")));
                let content = vec![$(MetaMediaType { content_type: $media, schema: text() }),+];
                MetaResponses {
                    responses: vec![MetaResponse {
                        description: "",
                        status: Some(200),
                        status_range: None,
                        content,
                        headers: vec![],
                    }],
                }
            }

            fn register(_registry: &mut Registry) {}
        }
    )*};
}

streamed! {
    /// Server-sent events.
    EventsReply "text/event-stream";
    /// A file that is written while it is sent.
    ExportReply "application/x-ndjson" "text/csv";
}
