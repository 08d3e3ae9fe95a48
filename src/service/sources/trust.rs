//! The certificates that database servers' own are checked by, in a file that workers read: there are hundreds, and they
//! are the same for all.

use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::domain::error::{Error, Result};
use crate::service::app::App;

/// What the file holds, of what this process has written.
#[derive(Default)]
pub struct Trusted(Mutex<Option<Arc<str>>>);

impl App {
    /// The file, as new as what the guard knows. The disk is waited for elsewhere.
    pub(super) async fn trusted_file(&self) -> Result<PathBuf> {
        let app = self.clone();
        let found = tokio::task::spawn_blocking(move || {
            let mut written = app.trusted.0.lock();
            let (pem, path) = (app.settings.outbound.guard.trusted_pem(), app.data.trusted());
            let is_written = written.as_ref().is_some_and(|written| Arc::ptr_eq(written, &pem)) && path.is_file();
            if !is_written {
                app.data.keep_trusted(&pem)?;
                *written = Some(pem);
            }
            Ok::<_, std::io::Error>(path)
        });
        found.await.map_err(Error::internal)?.map_err(Error::internal)
    }
}
