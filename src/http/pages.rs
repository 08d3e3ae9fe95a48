//! What is no call: health, the page at `/`, the reference and its documents. None of it is audited or limited.

use poem::Response;
use poem::http::header;
use poem::http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde::Serialize;

use super::assets::{self, policy};
use super::client::Client;
use super::compress::{self, Coding};
use super::conditional::{self, Asked};
use super::edge::Edge;
use super::error_pages;
use super::reference::Document;
use crate::domain::dashboard::{Dashboard, Position, Widget};
use crate::domain::error::{Error, Result};
use crate::domain::result::{Cell, Column, WidgetData};
use crate::domain::time::Timestamp;
use crate::service::caller::Caller;

/// What these paths and the server as a whole can be asked.
const ALLOW: &str = "GET, HEAD, OPTIONS";

/// Liveness and readiness, over whatever transport; and `OPTIONS *`, by which a client may ask whether anybody is there.
///
/// # Errors
/// `MethodNotAllowed` for all but reading.
pub(super) fn health(edge: &Edge, method: &Method, path: &str) -> Option<Result<Response>> {
    let healthy = match path {
        "/livez" => true,
        "/readyz" => edge.is_ready(),
        "*" if *method == Method::OPTIONS => return other_method(method),
        _ => return None,
    };
    if let Some(answer) = other_method(method) {
        return Some(answer);
    }
    let (status, text) =
        if healthy { (StatusCode::OK, "ok\n") } else { (StatusCode::SERVICE_UNAVAILABLE, "not ready\n") };
    let mut response = Response::builder().status(status).content_type("text/plain; charset=utf-8").body(text);
    if !healthy {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    Some(Ok(with_headers(response)))
}

/// The answer to a method that does not read: which methods do, or that this one does not.
pub(super) fn other_method(method: &Method) -> Option<Result<Response>> {
    match *method {
        Method::GET | Method::HEAD => None,
        Method::OPTIONS => {
            let allowed = Response::builder().status(StatusCode::NO_CONTENT).header(header::ALLOW, ALLOW);
            Some(Ok(with_headers(allowed.finish())))
        }
        _ => Some(Err(Error::MethodNotAllowed(ALLOW.to_owned()))),
    }
}

/// A face's document, with the server's own address.
///
/// # Errors
/// `NoSuchPath` where the reference is not public, `MethodNotAllowed` for all but reading.
pub(super) async fn document<B>(
    edge: &Edge,
    document: &Document,
    request: &poem::http::Request<B>,
    origin: &str,
) -> Result<Response> {
    if !edge.shared().settings.public_reference {
        return Err(Error::NoSuchPath);
    }
    if let Some(answer) = other_method(request.method()) {
        return answer;
    }
    let served = document.at(origin);
    let response = Response::builder()
        .header(header::ETAG, &served.etag)
        .header(header::CACHE_CONTROL, "no-cache")
        .content_type(served.content_type)
        .body(served.text);
    Ok(with_headers(settled(request.headers(), response).await?))
}

/// An answer by the conditions of a head, and in the coding that it prefers.
async fn settled(asked: &HeaderMap, response: Response) -> Result<Response> {
    let response = conditional::answered(&Asked::of(asked), response)?;
    compress::apply(response, Coding::preferred(asked)).await
}

/// A page or one of its files.
///
/// # Errors
/// `MethodNotAllowed` for all but reading.
pub(super) async fn page<B>(
    edge: &Edge,
    client: &Client,
    request: &poem::http::Request<B>,
) -> Option<Result<Response>> {
    let path = request.uri().path();
    if path == "/page.json" {
        return Some(match other_method(request.method()) {
            Some(answer) => answer,
            None => Ok(page_facts(edge, client).await),
        });
    }
    // Once there is an organisation, nothing is there.
    if path == assets::SETUP && edge.shared().app.is_set_up().unwrap_or(true) {
        return None;
    }
    if path.starts_with("/docs") && !edge.shared().settings.public_reference {
        return None;
    }
    let is_moved = matches!(path, "/docs" | "/docs/errors");
    let found = match error_pages::find(path, &client.origin) {
        _ if is_moved => None,
        None => Some((StatusCode::OK, assets::find(path)?)),
        Some(Ok(found)) => Some(found),
        Some(Err(error)) => return Some(Err(Error::internal(error))),
    };
    if let Some(answer) = other_method(request.method()) {
        return Some(answer);
    }
    let Some((status, asset)) = found else {
        let moved = Response::builder().status(StatusCode::PERMANENT_REDIRECT);
        return Some(Ok(with_headers(moved.header(header::LOCATION, format!("{path}/")).finish())));
    };
    let is_readable = asset.encoding.is_none() || Coding::Gzip.is_accepted(request.headers());
    let asset = if is_readable { asset } else { asset.decoded().ok()? };
    let mut builder = Response::builder()
        .status(status)
        .header(header::ETAG, asset.etag.as_str())
        .header(header::CACHE_CONTROL, asset.cache.header())
        .header(header::CONTENT_SECURITY_POLICY, asset.policy);
    if let Some(encoding) = asset.encoding {
        builder = builder.header(header::CONTENT_ENCODING, encoding).header(header::VARY, compress::VARY);
    }
    let response = builder.content_type(asset.content_type).body(asset.bytes.into_owned());
    Some(settled(request.headers(), response).await.map(with_headers))
}

pub(super) fn with_headers(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(policy::DATA));
    response
}

/// What the page at `/` draws.
#[derive(Serialize)]
struct PageFacts {
    version: &'static str,
    sandbox: Option<SandboxFacts>,
}

#[derive(Serialize)]
struct SandboxFacts {
    organization: String,
    curl: String,
    dashboards: Vec<DashboardFacts>,
}

#[derive(Serialize)]
struct DashboardFacts {
    name: String,
    id: String,
    refreshed_at: Option<Timestamp>,
    widgets: Vec<WidgetFacts>,
}

#[derive(Serialize)]
struct WidgetFacts {
    #[serde(rename = "type")]
    kind: &'static str,
    title: String,
    display: Option<String>,
    target: Option<f64>,
    target_display: Option<String>,
    value: Option<f64>,
    svg: Option<String>,
    columns: Option<Vec<Column>>,
    rows: Option<Vec<Vec<Cell>>>,
    position: Option<Position>,
    error: Option<String>,
}

async fn page_facts(edge: &Edge, _client: &Client) -> Response {
    let shared = edge.shared();
    let sandbox = match &shared.settings.sandbox {
        None => None,
        Some(page) => match sandbox_facts(edge, page.user, &page.curl) {
            Ok(facts) => Some(facts),
            Err(error) => {
                tracing::error!(%error, "the sandbox's page cannot be drawn");
                None
            }
        },
    };
    let facts = PageFacts { version: env!("CARGO_PKG_VERSION"), sandbox };
    let body = serde_json::to_vec(&facts).unwrap_or_default();
    with_headers(Response::builder().content_type("application/json").body(body))
}

fn sandbox_facts(edge: &Edge, user: crate::domain::id::UserId, curl: &str) -> Result<SandboxFacts> {
    let app = &edge.shared().app;
    let caller = Caller::without_request(app.identity_of_user(user)?, app.clock.now());
    let dashboards = app.showcase(&caller)?.into_iter().map(dashboard_facts).collect();
    Ok(SandboxFacts { organization: caller.identity().holder.org_name.clone(), curl: curl.to_owned(), dashboards })
}

fn dashboard_facts(dashboard: Dashboard) -> DashboardFacts {
    DashboardFacts {
        name: dashboard.name,
        id: dashboard.id.prefixed(),
        refreshed_at: dashboard.refreshed_at,
        widgets: dashboard.widgets.into_iter().map(widget_facts).collect(),
    }
}

fn widget_facts(widget: Widget) -> WidgetFacts {
    let data = widget.data.as_ref().and_then(|json| serde_json::from_str::<WidgetData>(json.get()).ok());
    let (value, display) = match &data {
        Some(WidgetData::Kpi { value }) => match value.number() {
            Some(number) => (Some(number), Some(widget.format.apply(number))),
            None if *value == Cell::Null => (None, None),
            None => (None, Some(value.display())),
        },
        _ => (None, None),
    };
    let (columns, rows) = match data {
        Some(WidgetData::Table(table)) => (Some(table.columns), Some(table.rows)),
        _ => (None, None),
    };
    WidgetFacts {
        kind: widget.kind.as_str(),
        title: widget.title,
        display,
        target: widget.target,
        target_display: widget.target.map(|target| widget.format.apply(target)),
        value,
        svg: widget.svg,
        columns,
        rows,
        position: widget.position,
        error: widget.error.map(|error| error.message),
    }
}
