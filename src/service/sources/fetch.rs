//! Brings the data of a source here: by its kind into scratch space, from there through a worker to an extract.

use std::path::PathBuf;

use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::files::Progress;
use super::syncs::Lease;
use crate::domain::connection::{Connection, Credentials, Mode, WebFile};
use crate::domain::error::{Error, Result};
use crate::domain::import::ImportOptions;
use crate::domain::source::{Source, SourceTable, table_names};
use crate::outbound::client::{self, Failure, Fetched, Request, Validators};
use crate::service::app::App;
use crate::store::main::syncs::Ending;
use crate::worker::protocol::ImportFile;

/// How much of the progress of a file that is elsewhere its way here is.
const FETCHING: f64 = 0.5;

/// What a sync brought.
#[derive(Debug)]
pub(super) struct Brought {
    /// From where.
    pub from: Option<Connection>,
    /// What opened it there, which of a URL is a part of where that is.
    pub opened_by: Credentials,
    /// How files were read.
    pub read_as: ImportOptions,
    /// What is new.
    pub news: News,
    /// What the connector wants to know the next time, as JSON.
    pub state: Option<String>,
}

/// What is new of a source.
#[derive(Debug)]
pub(super) enum News {
    /// Nothing: what is here is what there is.
    Nothing,
    /// A new extract with its tables.
    Extract(Uuid, Vec<SourceTable>),
    /// The tables of a live source.
    Tables(Vec<SourceTable>),
}

impl Brought {
    /// How the sync ended with it.
    pub fn ending(&self, source: &Source) -> Ending {
        match &self.news {
            News::Nothing => Ending::of_same(&source.tables),
            News::Extract(_, tables) | News::Tables(tables) => Ending::of_new(tables),
        }
    }
}

impl App {
    /// Brings the data of a source.
    ///
    /// # Errors
    /// `SourceUnavailable` when it cannot be had, `InvalidFile` when it cannot be read.
    pub(super) async fn bring(&self, lease: &Lease, progress: &mut Progress) -> Result<Brought> {
        let (source, secret) = self.source_to_open(lease.org, lease.source)?;
        self.check_quota(lease.org)?;
        let opened_by = secret.clone();
        let (news, state) = match &source.connection {
            Some(Connection::File(file)) => self.bring_local_file(lease, &source, file, progress).await?,
            Some(Connection::Url(file)) => self.bring_web_file(lease, &source, file, secret, progress).await?,
            Some(at) => {
                progress(0.0, 0);
                let place = self.locate(at, secret).await?;
                match source.mode {
                    Mode::Live => (self.bring_tables(lease, at, place, progress).await?, None),
                    Mode::Extract => self.bring_database(lease, &source, at, place, progress).await?,
                }
            }
            None => return Err(Error::internal(format!("nothing syncs sources of kind {}", source.kind.as_str()))),
        };
        Ok(Brought { from: source.connection, opened_by, read_as: source.options, news, state })
    }

    async fn bring_web_file(
        &self,
        lease: &Lease,
        source: &Source,
        file: &WebFile,
        secret: Credentials,
        progress: &mut Progress,
    ) -> Result<(News, Option<String>)> {
        let _turn = self.fetching.take(lease.org).await?;
        let scratch = self.data.scratch(&format!("sync-{}", lease.sync.prefixed())).map_err(Error::internal)?;
        let path = scratch.path().join("0");
        progress(0.0, 0);
        let request =
            Request { known: came_before(source).unwrap_or_default(), ..self.request(file, secret, path.clone()) };
        let mut arrived = |bytes: u64, whole: Option<u64>| {
            #[expect(clippy::cast_precision_loss, reason = "progress needs no exactness")]
            whole.into_iter().for_each(|whole| progress(bytes as f64 / whole as f64 * FETCHING, 0));
            true
        };
        let fetched = client::fetch(&self.settings.outbound.guard, request, &mut arrived).await.map_err(unavailable)?;
        let Fetched::File { validators, .. } = fetched else {
            return Ok((News::Nothing, None));
        };
        self.take_file(lease, source, (path, file.name()), &validators, progress).await
    }

    /// Makes the new extract of a file that is here.
    pub(super) async fn take_file(
        &self,
        lease: &Lease,
        source: &Source,
        (path, name): (PathBuf, String),
        version: &impl Serialize,
        progress: &mut Progress,
    ) -> Result<(News, Option<String>)> {
        let options = source.options.of_file(&name);
        let files = table_names(&[&name])?.into_iter().map(|table| ImportFile {
            path: path.clone(),
            name: name.clone(),
            table,
            options: options.clone(),
        });
        let mut reading = |part: f64, rows| progress(FETCHING + part * (1.0 - FETCHING), rows);
        let (org, source) = ((lease.org, lease.org_uuid), (lease.source, source.uuid));
        let (extract, tables) = self.extract(org, source, files.collect(), &mut reading).await?;
        let state = serde_json::to_string(version).map_err(Error::internal)?;
        Ok((News::Extract(extract, tables), Some(state)))
    }

    /// What is asked of a file's server, as if it had never been.
    pub(super) fn request(&self, file: &WebFile, secret: Credentials, into: PathBuf) -> Request {
        Request {
            url: file.whole(&secret),
            headers: secret.headers.into_iter().collect(),
            known: Validators::default(),
            limit: self.settings.outbound.file_limit,
            deadline: self.settings.job_timeout,
            patience: self.settings.outbound.patience,
            into,
        }
    }
}

/// What told the version that came the last time, where that is still here.
pub(super) fn came_before<V: DeserializeOwned>(source: &Source) -> Option<V> {
    let state = source.state.as_deref().filter(|_| source.extract.is_some())?;
    serde_json::from_str(state).ok()
}

pub(super) fn unavailable(failure: Failure) -> Error {
    match failure {
        Failure::Broken(cause) => Error::internal(cause),
        Failure::Unwritten(error) => Error::internal(error),
        other => Error::SourceUnavailable(other.to_string()),
    }
}
