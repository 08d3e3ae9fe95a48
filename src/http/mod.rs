//! The HTTP side of the house: connections, the edge, the three faces, and what is embedded for browsers.

mod accept;
pub mod api;
pub mod api_v1;
pub mod assets;
mod authenticate;
mod body;
mod client;
mod credential;
pub mod document;
pub mod edge;
mod exchange;
pub mod face;
mod fault;
mod limit_headers;
pub mod listener;
mod multipart;
pub mod operations;
mod pages;
mod params;
mod record;
mod reply;
pub mod routes;
pub mod settings;
mod upload;
pub mod v1;
mod wire;

use std::sync::Arc;

use self::listener::{Listener, Server, Shutdown};
use self::settings::HttpSettings;
use crate::service::app::App;

/// Serves until the shutdown begins and running requests have had their grace.
///
/// # Errors
/// When operations and faces do not fit together: a defect that the first start shows.
pub async fn serve(app: App, settings: HttpSettings, listener: Listener, shutdown: Shutdown) -> Result<(), String> {
    let limits = settings.limits.clone();
    let edge = edge::Edge::new(app, settings)?;
    let (told, mut ends) = (edge.clone(), shutdown.clone());
    // Whoever balances load hears of the end on the connections that are still there.
    tokio::spawn(async move {
        ends.begun().await;
        told.drain();
    });
    Arc::new(Server::new(edge, limits, shutdown)).run(listener).await;
    Ok(())
}

/// A server that is not listening yet: tests serve single streams with it.
///
/// # Errors
/// As [`serve`].
pub fn server(app: App, settings: HttpSettings, shutdown: Shutdown) -> Result<Arc<Server<edge::Edge>>, String> {
    let limits = settings.limits.clone();
    Ok(Arc::new(Server::new(edge::Edge::new(app, settings)?, limits, shutdown)))
}
