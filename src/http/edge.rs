//! The one edge: every request that hyper could read passes here, and nothing else answers (`ARCHITECTURE.md`, the life
//! of a request). It makes the exchange, refuses odd paths, authenticates, admits, runs the handler to its end, renders
//! errors, stamps headers, and appends the call's row, whose commit the response waits for.

mod answer;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures_util::FutureExt;
use hyper::body::Incoming;
use poem::Response;
use poem::http::{HeaderMap, Method, header};

pub(super) use self::answer::drop_body;
use self::answer::{options, panicked, stamp};
use super::authenticate::{self, Presented};
use super::compress::{self, Coding};
use super::conditional::{self, Asked};
use super::exchange::{BodyRules, Exchange};
use super::face::Face;
use super::incoming::{check_coding, check_length, checked_query, plain_path, poem_request};
use super::listener::{Answered, Gone, Peer, Serve, Shutdown};
use super::metrics::{self, Metrics};
use super::operations::{Found, Route, RouteId, Routes};
use super::range::AskedRange;
use super::reference::{Document, Documents};
use super::refusal::Shape;
use super::settings::HttpSettings;
use super::stream::Streams;
use super::{client, head, once, pages, record, routes};
use crate::domain::audit::entry;
use crate::domain::code::Code;
use crate::domain::error::{Error, Result};
use crate::domain::id::RequestId;
use crate::domain::operation::Needs;
use crate::domain::time::monotonic;
use crate::service::app::App;
use crate::service::caller::{Caller, Identity};
use crate::service::limits::shared::{Mode, Shared as SharedWindows};

/// The edge. Clones share it.
#[derive(Clone)]
pub struct Edge(Arc<Shared>);

pub(super) struct Shared {
    pub(super) app: App,
    pub(super) settings: HttpSettings,
    pub(super) documents: Documents,
    pub(super) metrics: Arc<Metrics>,
    routes: Arc<[Routes; 3]>,
    streams: Streams,
    shutdown: Shutdown,
}

impl Serve for Edge {
    type Body = http_body_util::combinators::BoxBody<bytes::Bytes, std::io::Error>;

    async fn serve(&self, request: hyper::Request<Incoming>, peer: Peer) -> Answered<Self::Body> {
        self.answer(request, &peer).await.map(Into::into)
    }
}

impl Edge {
    /// Joins the faces with the table of operations.
    ///
    /// # Errors
    /// When they do not fit together.
    pub fn new(app: App, settings: HttpSettings, shutdown: Shutdown) -> Result<Self, String> {
        let documents = Documents::new()?;
        let routes = routes::join(&app)?.into();
        let metrics = Metrics::new(app.clone());
        let streams = Streams::new(app.clone(), shutdown.clone());
        Ok(Self(Arc::new(Shared { app, settings, documents, metrics, routes, streams, shutdown })))
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.0
    }

    /// Whether more requests should come. Whoever balances load hears of a shutdown on the connections that are left.
    pub(super) fn is_ready(&self) -> bool {
        !self.0.shutdown.has_begun() && self.0.app.store.appender().is_some_and(|appender| appender.ready().is_ok())
    }

    async fn answer(&self, request: hyper::Request<Incoming>, peer: &Peer) -> Result<Response, Gone> {
        let head_only = request.method() == Method::HEAD;
        let cross_origin = self.0.settings.origins.look(request.method(), request.headers());
        let mut response = match Face::of_path(request.uri().path()) {
            None => self.outside(request, peer).await?,
            Some(face) => match self.0.documents.find(request.uri().path()) {
                Some(document) => self.document(face, document, request, peer).await?,
                None => self.call(face, request, peer).await?,
            },
        };
        if let Some(cross_origin) = cross_origin {
            cross_origin.stamp(response.status(), response.headers_mut());
        }
        if head_only {
            drop_body(&mut response);
        }
        Ok(response)
    }

    /// Pages, reference and health, which are no calls; anything else here is a call that finds nothing.
    async fn outside(&self, request: hyper::Request<Incoming>, peer: &Peer) -> Result<Response, Gone> {
        if let Some(answer) = pages::health(self, request.method(), request.uri().path()) {
            return Ok(answer.unwrap_or_else(|error| self.no_call(Face::V1, request.headers(), None, &error)));
        }
        let (client, verdict) = client::client(peer.address.ip(), request.headers(), request.uri(), &self.0.settings);
        if verdict.is_ok() && request.uri().path() == "/metrics" && self.0.settings.metrics_token.is_some() {
            let refused = metrics::refused(self, request.headers());
            let answer = refused.map_or_else(|| self.0.metrics.answer(request.method()), Ok);
            let origin = Some(client.origin.as_str());
            return Ok(answer.unwrap_or_else(|error| self.no_call(Face::V1, request.headers(), origin, &error)));
        }
        if verdict.is_ok()
            && let Some(answer) = pages::page(self, &client, &request).await
        {
            let origin = Some(client.origin.as_str());
            return Ok(answer.unwrap_or_else(|error| self.no_call(Face::V1, request.headers(), origin, &error)));
        }
        self.call(Face::V1, request, peer).await
    }

    async fn document(
        &self,
        face: Face,
        document: &Document,
        request: hyper::Request<Incoming>,
        peer: &Peer,
    ) -> Result<Response, Gone> {
        let (client, verdict) = client::client(peer.address.ip(), request.headers(), request.uri(), &self.0.settings);
        let answer = match verdict {
            Ok(()) => pages::document(self, document, &request, &client.origin).await,
            // Over the wrong transport or for another host it is a call that is refused, with the row that says so.
            Err(_) => return self.call(face, request, peer).await,
        };
        let origin = Some(client.origin.as_str());
        Ok(answer.unwrap_or_else(|error| self.no_call(face, request.headers(), origin, &error)))
    }

    /// An error where nothing was called: it has a request id, and no row.
    pub(super) fn no_call(&self, face: Face, headers: &HeaderMap, origin: Option<&str>, error: &Error) -> Response {
        let id = RequestId(self.0.app.entropy.uuid(self.0.app.clock.now()));
        let mut response = Shape::asked(face, headers, origin).answer(error, id);
        stamp(&mut response, id);
        response
    }

    /// One call: always exactly one row in the chain.
    async fn call(&self, face: Face, request: hyper::Request<Incoming>, peer: &Peer) -> Result<Response, Gone> {
        let (client, transport) = client::client(peer.address.ip(), request.headers(), request.uri(), &self.0.settings);
        let shape = Shape::asked(face, request.headers(), transport.is_ok().then_some(&client.origin));
        let exchange = Arc::new(self.exchange(face, shape, &request, &client));
        let ready = match self.0.app.store.appender() {
            Some(appender) => appender.ready(),
            None => Err(Error::AuditUnavailable),
        };
        if let Err(error) = ready {
            // What cannot be written down is not done: this answer alone has no row.
            return Ok(self.finished(&exchange, exchange.shape.answer(&error, exchange.request)));
        }
        let call = record::Pending::new(self, exchange.clone(), &request);
        let is_safe = request.method().is_safe();
        let aim = catch_unwind(AssertUnwindSafe(|| self.aim(transport, &exchange, &request)));
        let aim = aim.unwrap_or_else(|_| Err(Error::internal("looking for the operation panicked")));
        let ends_with_client = exchange.operation.get().is_some_and(|operation| operation.ends_with_client());
        let work = self.clone().handle(aim, exchange.clone(), request);
        if !is_safe && !ends_with_client {
            // The client may leave: an effect and the row that tells of it are finished without it.
            let (edge, watched) = (self.clone(), exchange.clone());
            let task = tokio::spawn(async move {
                let handled = AssertUnwindSafe(work).catch_unwind().await.map_err(|_| ());
                edge.conclude(call, &watched, handled).await
            });
            return Ok(task.await.unwrap_or_else(|_| self.finished(&exchange, panicked(&exchange))));
        }
        let handled = tokio::select! {
            // The work first, so that the row of a call that is left says whose it was.
            biased;
            handled = AssertUnwindSafe(work).catch_unwind() => handled.map_err(|_| ()),
            // The row is written by what is dropped here.
            () = peer.departure.left(), if ends_with_client => return Err(Gone),
        };
        Ok(self.conclude(call, &exchange, handled).await)
    }

    /// Renders, stamps, writes the row, waits for its commit.
    async fn conclude(&self, call: record::Pending, exchange: &Arc<Exchange>, handled: Handled) -> Response {
        let (response, code) = match handled {
            Ok(Ok(response)) => (response, None),
            Ok(Err(error)) => {
                if let Some(cause) = error.cause() {
                    tracing::error!(request_id = %exchange.request, operation = operation_id(exchange), %cause, "a call failed");
                }
                (exchange.shape.answer(&error, exchange.request), Some(error.code()))
            }
            Err(()) => {
                tracing::error!(request_id = %exchange.request, operation = operation_id(exchange), "a handler panicked");
                (panicked(exchange), Some(Code::Internal))
            }
        };
        let mut response = self.finished(exchange, response);
        let length = compress::length(&mut response);
        tracing::debug!(
            request_id = %exchange.request,
            operation = operation_id(exchange),
            status = response.status().as_u16(),
            code = code.map(Code::as_str),
            org = exchange.caller.get().map(|caller| caller.org().raw()),
            "a call"
        );
        match call.commit(response.status().as_u16(), code, length).await {
            Ok(()) => response,
            // The effect, if there was one, has its own record and is adopted later: the answer stays true.
            Err(_) if exchange.actor().is_some_and(Caller::has_changed) => response,
            Err(error) => self.finished(exchange, exchange.shape.answer(&error, exchange.request)),
        }
    }

    fn exchange(
        &self,
        face: Face,
        shape: Shape,
        request: &hyper::Request<Incoming>,
        client: &client::Client,
    ) -> Exchange {
        let (app, settings) = (&self.0.app, &self.0.settings);
        let at = app.clock.now();
        Exchange {
            started: monotonic(),
            address: client.address,
            is_known: client.is_known,
            user_agent: request
                .headers()
                .get(header::USER_AGENT)
                .and_then(|value| value.to_str().ok())
                .map(entry::user_agent),
            shape,
            origin: client.origin.clone().into(),
            path: request.uri().path_and_query().map_or_else(String::new, |path| path.as_str().to_owned()),
            asked: Asked::of(request.headers()),
            // A part is asked for by GET alone (RFC 9110, 14.2).
            range: if *request.method() == Method::GET {
                AskedRange::of(request.headers())
            } else {
                AskedRange::default()
            },
            body: BodyRules {
                json_limit: settings.json_limit,
                upload_limit: settings.upload_limit,
                pause: settings.body_timeout,
                rate: settings.body_minimum_rate,
            },
            ..Exchange::begun(face, self.0.routes.clone(), RequestId(app.entropy.uuid(at)), at)
        }
    }

    /// What a request asks for: the first checks, of transport, path and method.
    fn aim(&self, transport: Result<()>, exchange: &Exchange, request: &hyper::Request<Incoming>) -> Result<Aim> {
        transport.inspect_err(|error| self.note_keys_in_clear(error, exchange, request))?;
        head::check(request)?;
        let path = plain_path(request.uri().path())?;
        let routes = &self.0.routes[exchange.face as usize];
        if request.method() == Method::OPTIONS {
            return Ok(Aim::Options(routes.allowed(path).ok_or(Error::NoSuchPath)?.to_owned()));
        }
        match routes.find(request.method(), path) {
            Found::Route(id, captures) => {
                let _ = exchange.operation.set(routes.route(id).operation);
                let _ = exchange.captures.set(captures);
                Ok(Aim::Route(id))
            }
            Found::OtherMethods(allow) => Err(Error::MethodNotAllowed(allow.to_owned())),
            Found::Nothing => Err(Error::NoSuchPath),
        }
    }

    /// The checks that follow, in this order: number of credentials, credential, address, plan, windows; then the handler.
    async fn handle(
        self,
        aim: Result<Aim>,
        exchange: Arc<Exchange>,
        request: hyper::Request<Incoming>,
    ) -> Result<Response> {
        let route = match aim? {
            Aim::Route(id) => self.0.routes[exchange.face as usize].route(id),
            Aim::Options(allow) => return Ok(options(&allow)),
        };
        if !route.operation.sets_up() {
            self.0.app.require_set_up()?;
        }
        if let Some(identity) = self.come_in(&exchange, route, &request)? {
            match self.0.app.shared_windows() {
                None => exchange.admit(self.0.app.admit(&identity, route.operation.class, exchange.face.surface()))?,
                // In a box, so that a server without them carries nothing of it.
                Some(shared) => Box::pin(self.ask_shared(shared, &exchange, route, &identity)).await?,
            }
        }
        let query = checked_query(route, request.uri().query())?;
        check_length(&request, exchange.body_limit())?;
        check_coding(route.operation, &request)?;
        let (coding, is_safe) = (Coding::preferred(request.headers()), request.method().is_safe());
        let mut request = poem_request(request, exchange.clone(), query);
        request.extensions_mut().insert(self.0.streams.clone());
        let answer = once::call(&self.0.app, &exchange, route, request).await?;
        // What a handler cannot say in its own words is told as every other failure is.
        if answer.status().is_server_error() {
            return Err(Error::internal("an answer could not be made"));
        }
        let answer = if is_safe { conditional::answered(&exchange.asked, answer)? } else { answer };
        if route.operation.shows_secret() { Ok(answer) } else { compress::apply(answer, coding).await }
    }

    /// What was refused for its transport may have shown a key to others.
    fn note_keys_in_clear(&self, error: &Error, exchange: &Exchange, request: &hyper::Request<Incoming>) {
        if matches!(error, Error::HttpsRequired) {
            for key in authenticate::shown_keys(request.uri(), request.headers()) {
                self.0.app.note_key_in_clear(&key, exchange.request, exchange.address, exchange.at);
            }
        }
    }

    /// Who asks, from where, by which plan; the windows come after. Nobody where none is needed.
    fn come_in(
        &self,
        exchange: &Exchange,
        route: &Route,
        request: &hyper::Request<Incoming>,
    ) -> Result<Option<Arc<Identity>>> {
        let operation = route.operation;
        let presented = authenticate::presented(request.headers(), request.uri().query());
        if operation.needs == Needs::Nothing {
            // A key in the URL is in somebody's log now, whatever was asked.
            return if matches!(presented, Err(Error::KeyInUrl)) { Err(Error::KeyInUrl) } else { Ok(None) };
        }
        let presented = presented?;
        if let Presented::Key(text) = &presented {
            let mut public = [0; 8];
            public.copy_from_slice(text.public().as_bytes());
            let _ = exchange.key_prefix.set(public);
        }
        let app = &self.0.app;
        let identity = authenticate::identify(app, &presented, exchange.at)?;
        let _ = exchange.caller.set(Caller::of_request(identity.clone(), exchange.at, exchange.request));
        app.admit_identity(&identity, exchange.is_known.then_some(exchange.address))?;
        Ok(Some(identity))
    }

    /// Asks the windows that other servers ask too.
    async fn ask_shared(
        &self,
        shared: &SharedWindows,
        exchange: &Exchange,
        route: &Route,
        identity: &Identity,
    ) -> Result<()> {
        let (class, surface) = (route.operation.class, exchange.face.surface());
        let (admission, verdict, mode) = self.0.app.admit_shared(shared, identity, exchange.at, class, surface).await;
        exchange.is_degraded.store(mode == Mode::Degraded, Ordering::Relaxed);
        exchange.admit((admission, verdict))
    }
}

/// What a request asks for.
enum Aim {
    /// An operation.
    Route(RouteId),
    /// Which methods its path has, as `Allow` lists them.
    Options(String),
}

type Handled = std::result::Result<Result<Response>, ()>;

fn operation_id(exchange: &Exchange) -> &'static str {
    exchange.operation.get().map_or("none", |operation| operation.id)
}
