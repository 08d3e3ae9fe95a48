//! The HTTP side of the house: connections, the edge, the three faces, and what is embedded for browsers.

mod accept;
pub mod api;
pub mod api_v1;
pub mod assets;
mod audit;
mod authenticate;
mod body;
mod client;
mod compress;
mod conditional;
pub mod cors;
mod credential;
pub mod document;
mod download;
pub mod edge;
mod error_pages;
mod exchange;
mod explain;
pub mod face;
mod fault;
mod head;
mod headroom;
mod incoming;
mod limit_headers;
mod list_query;
pub mod listener;
pub mod metrics;
mod multipart;
mod new_source;
mod once;
pub mod operations;
mod pages;
mod params;
mod query_reply;
mod range;
mod record;
mod redoc;
mod reference;
mod refusal;
mod reply;
pub mod routes;
mod samples;
pub mod settings;
mod stream;
mod upload;
mod usage_query;
pub mod v1;
pub(crate) mod wire;

use std::sync::Arc;

use self::edge::Edge;
use self::listener::{Server, Shutdown};
use self::settings::HttpSettings;
use crate::service::app::App;

/// A server of the API that is not listening yet, and its edge.
///
/// # Errors
/// When operations and faces do not fit together: a defect that the first start shows.
pub fn server(app: App, settings: HttpSettings, shutdown: Shutdown) -> Result<(Arc<Server<Edge>>, Edge), String> {
    let limits = settings.limits.clone();
    let edge = Edge::new(app, settings, shutdown.clone())?;
    let server = Server::new(edge.clone(), limits, shutdown);
    edge.shared().metrics.count_connections(server.counters());
    Ok((Arc::new(server), edge))
}

/// A server of metrics and health alone.
pub fn metrics_server(edge: Edge, shutdown: Shutdown) -> Arc<Server<metrics::Scraped>> {
    let limits = edge.shared().settings.limits.clone();
    Arc::new(Server::new(metrics::Scraped::new(edge), limits, shutdown))
}
