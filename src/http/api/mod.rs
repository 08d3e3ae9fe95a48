//! Comes with the faces.

use crate::service::app::App;

/// The face's operations.
pub type Api = ();

/// The face over an app.
pub fn all(_app: &App) -> Api {}
