//! Answers that go on: server-sent events (WHATWG HTML, 9.2), and files that are written while they are sent.
//!
//! A stream is as good as the credential that opened it: twice a second it is asked as anew whether that still comes in
//! and may, and with the first no the stream ends. It ends with the server too. How many are open at once is bounded
//! (`places`). The call's row is written when it begins, as every call's; how it ended is an event of its own.

mod places;

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use parking_lot::Mutex;
use poem::http::{HeaderValue, header};
use poem::{Body, Request, RequestBody, Response};
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};
use tokio::sync::mpsc;

use self::places::{Open, Part};
use super::authenticate::{self, Presented};
use super::credential::exchange;
use super::exchange::Exchange;
use super::fault::Fault;
use super::listener::Shutdown;
use crate::domain::error::{Error, Result};
use crate::domain::time::monotonic;
use crate::service::app::App;
use crate::service::audit::StreamEnd;
use crate::service::caller::Caller;

/// How often the credential is looked at.
const WATCH: Duration = Duration::from_millis(500);
/// After so much silence something is said, so that nobody on the way takes the connection for dead.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// Pieces that wait for a client that is slower than what makes them.
const WAITING: usize = 4;

/// What all streams of a server share.
#[derive(Clone)]
pub struct Streams(Arc<Shared>);

struct Shared {
    app: App,
    shutdown: Shutdown,
    open: Mutex<Open>,
}

impl Streams {
    /// None is open.
    pub fn new(app: App, shutdown: Shutdown) -> Self {
        Self(Arc::new(Shared { app, shutdown, open: Mutex::default() }))
    }

    fn enter(&self, parts: [Part; 3]) -> Result<Place> {
        self.0.open.lock().enter(&parts)?;
        Ok(Place { streams: self.clone(), parts })
    }
}

/// One of the streams that may be open.
struct Place {
    streams: Streams,
    parts: [Part; 3],
}

impl Drop for Place {
    fn drop(&mut self) {
        self.streams.0.open.lock().leave(&self.parts);
    }
}

/// What a handler makes a stream with: the request's credential, to be looked at again.
pub struct Streaming {
    streams: Streams,
    exchange: Arc<Exchange>,
    presented: Presented,
    /// `Last-Event-ID`, where the client goes on.
    pub last_event_id: Option<String>,
}

impl<'a> ApiExtractor<'a> for Streaming {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::PoemExtractor];

    type ParamType = ();
    type ParamRawType = ();

    async fn from_request(
        request: &'a Request,
        _body: &mut RequestBody,
        _options: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        let streams = request.extensions().get::<Streams>().cloned();
        let streams = streams.ok_or_else(|| Fault(Error::internal("a request without streams")))?;
        let presented = authenticate::presented(request.headers(), None).map_err(Fault::from)?;
        let last_event_id = request.header("last-event-id").map(str::to_owned);
        Ok(Self { streams, exchange: exchange(request)?.clone(), presented, last_event_id })
    }
}

/// One event.
#[derive(Debug, Clone, Default)]
pub struct Event {
    /// What a client that comes back says it has had.
    pub id: Option<String>,
    /// Its type; by default `message`.
    pub name: Option<&'static str>,
    /// A line of text, JSON for instance.
    pub data: String,
}

impl Event {
    fn write(&self, out: &mut String) {
        let mut field = |name: &str, value: &str| {
            // A break would begin another field: data goes on in lines of its own, elsewhere there is none.
            for line in value.split(['\n', '\r']) {
                out.push_str(name);
                out.push_str(": ");
                out.push_str(line);
                out.push('\n');
            }
        };
        if let Some(id) = &self.id {
            field("id", id);
        }
        if let Some(name) = self.name {
            field("event", name);
        }
        field("data", &self.data);
        out.push('\n');
    }
}

impl Streaming {
    /// Answers with events until `source` ends, or `seconds` have passed, or the caller may not have them any more.
    ///
    /// # Errors
    /// `TooManyOpen` for one stream too many.
    pub fn events<S>(self, seconds: Option<u32>, source: S) -> Result<Response>
    where
        S: Stream<Item = Result<Vec<Event>>> + Send + 'static,
    {
        let longest = seconds.map(|seconds| Duration::from_secs(seconds.into()));
        let watch = self.begin(longest)?;
        let (sender, receiver) = mpsc::channel(WAITING);
        tokio::spawn(watch.tell(sender, source));
        let mut response = Response::builder()
            .header(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"))
            // What stands between must not wait for more.
            .header("x-accel-buffering", HeaderValue::from_static("no"))
            .body(body(receiver));
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Ok(response)
    }

    /// Answers with a file of this media type that is written while it is sent. An error on the way cuts the answer off:
    /// its last chunk is missing, which every client of HTTP/1.1 tells from an end.
    ///
    /// # Errors
    /// `TooManyOpen` for one stream too many.
    pub fn file<S>(self, content_type: &'static str, name: &str, source: S) -> Result<Response>
    where
        S: Stream<Item = Result<Bytes>> + Send + 'static,
    {
        let watch = self.begin(None)?;
        let (sender, receiver) = mpsc::channel(WAITING);
        tokio::spawn(watch.send(sender, source));
        Ok(Response::builder()
            .header(header::CONTENT_TYPE, HeaderValue::from_static(content_type))
            .header(header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\""))
            .body(body(receiver)))
    }

    fn begin(self, longest: Option<Duration>) -> Result<Watch> {
        let Self { streams, exchange, presented, .. } = self;
        let place = {
            let identity = exchange.caller()?.identity();
            let (owner, holder) = (identity.window_owner().unwrap_or(0), &identity.holder);
            streams.enter([Part::Caller(owner), Part::User(holder.user), Part::Org(holder.org)])?
        };
        Ok(Watch { place, exchange, presented, longest, begun: monotonic(), pieces: 0, bytes: 0, end: "client" })
    }
}

type Piece = std::result::Result<Bytes, std::io::Error>;

fn body(receiver: mpsc::Receiver<Piece>) -> Body {
    Body::from_bytes_stream(futures_util::stream::unfold(receiver, |mut receiver| async move {
        receiver.recv().await.map(|piece| (piece, receiver))
    }))
}

/// A stream while it is open. When it goes, however that comes, an event says so.
struct Watch {
    place: Place,
    exchange: Arc<Exchange>,
    presented: Presented,
    longest: Option<Duration>,
    begun: Duration,
    pieces: u64,
    bytes: u64,
    end: &'static str,
}

impl Watch {
    fn app(&self) -> &App {
        &self.place.streams.0.app
    }

    /// Whether a request with this credential from this address would come in now and might do this.
    fn still(&self) -> Result<()> {
        let (app, exchange) = (self.app(), &self.exchange);
        let now = app.clock.now();
        let identity = authenticate::identify(app, &self.presented, now)?;
        app.admit_identity(&identity, exchange.is_known.then_some(exchange.address))?;
        let needs = exchange.operation.get().map(|operation| operation.needs);
        needs.map_or(Ok(()), |needs| Caller::without_request(identity, now).require_needs(needs))
    }

    /// Sends events.
    async fn tell<S: Stream<Item = Result<Vec<Event>>> + Send>(mut self, to: mpsc::Sender<Piece>, source: S) {
        let mut source = pin!(source);
        let mut text = ": here is the stream\n\n".to_owned();
        let last = loop {
            if self.give(&to, std::mem::take(&mut text)).await.is_err() {
                return;
            }
            match self.next(source.as_mut(), &to, Some(HEARTBEAT)).await {
                Next::Item(events) => events.iter().for_each(|event| event.write(&mut text)),
                Next::Silence => text.push_str(": still here\n\n"),
                Next::Over(end) => break end,
                Next::Failed(error) => break self.failed(&error),
                Next::Refused(error) => break error.code().as_str(),
            }
        };
        self.end = last;
        if last != "client" {
            Event { id: None, name: Some("end"), data: format!("{{\"reason\":\"{last}\"}}") }.write(&mut text);
            let _ = self.give(&to, text).await;
        }
    }

    /// Sends a file.
    async fn send<S: Stream<Item = Result<Bytes>> + Send>(mut self, to: mpsc::Sender<Piece>, source: S) {
        let mut source = pin!(source);
        loop {
            self.end = match self.next(source.as_mut(), &to, None).await {
                Next::Item(piece) => {
                    self.bytes += piece.len() as u64;
                    self.pieces += 1;
                    match to.send(Ok(piece)).await {
                        Ok(()) => continue,
                        Err(_) => "client",
                    }
                }
                Next::Over("complete") => {
                    self.end = "complete";
                    return;
                }
                Next::Silence => continue,
                Next::Over(end) => end,
                Next::Failed(error) => self.failed(&error),
                Next::Refused(error) => error.code().as_str(),
            };
            let _ = to.send(Err(std::io::Error::other(self.end))).await;
            return;
        }
    }

    fn failed(&self, error: &Error) -> &'static str {
        if let Some(cause) = error.cause() {
            tracing::error!(request_id = %self.exchange.request, %cause, "a stream failed");
        }
        error.code().as_str()
    }

    async fn give(&mut self, to: &mpsc::Sender<Piece>, text: String) -> std::result::Result<(), ()> {
        self.pieces += 1;
        self.bytes += text.len() as u64;
        to.send(Ok(text.into())).await.map_err(|_| ())
    }

    /// What comes next, whatever it is.
    async fn next<T, S: Stream<Item = Result<T>>>(
        &self,
        mut source: Pin<&mut S>,
        to: &mpsc::Sender<Piece>,
        silence: Option<Duration>,
    ) -> Next<T> {
        let mut shutdown = self.place.streams.0.shutdown.clone();
        let silent = async {
            match silence {
                Some(span) => tokio::time::sleep(span).await,
                None => std::future::pending().await,
            }
        };
        let over = async {
            match self.longest {
                Some(longest) => {
                    tokio::time::sleep(longest.saturating_sub(monotonic().saturating_sub(self.begun))).await;
                }
                None => std::future::pending().await,
            }
        };
        let refused = async {
            loop {
                if let Err(error) = self.still() {
                    return error;
                }
                tokio::time::sleep(WATCH).await;
            }
        };
        tokio::select! {
            biased;
            () = shutdown.begun() => Next::Over("shutdown"),
            () = to.closed() => Next::Over("client"),
            error = refused => Next::Refused(error),
            () = over => Next::Over("complete"),
            item = source.next() => match item {
                None => Next::Over("complete"),
                Some(Ok(item)) => Next::Item(item),
                Some(Err(error)) => Next::Failed(error),
            },
            () = silent => Next::Silence,
        }
    }
}

/// What comes next in a stream.
enum Next<T> {
    Item(T),
    Silence,
    Over(&'static str),
    Failed(Error),
    Refused(Error),
}

impl Drop for Watch {
    fn drop(&mut self) {
        let Ok(caller) = self.exchange.caller() else { return };
        self.app().note_stream_end(
            caller,
            &StreamEnd {
                request: self.exchange.request,
                operation: self.exchange.operation.get().map_or("none", |operation| operation.id),
                reason: self.end,
                bytes: self.bytes,
                millis: monotonic().saturating_sub(self.begun).as_millis(),
            },
        );
    }
}
