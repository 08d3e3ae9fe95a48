//! Data sources: files that are uploaded, or read from elsewhere, become tables.

mod catalog;
mod connected;
mod databases;
mod extracts;
mod failure;
mod fetch;
mod files;
mod leases;
mod live;
mod local;
mod preview;
mod replace;
mod repointed;
mod room;
mod secrets;
mod syncs;
mod trust;
mod turns;

use serde_json::json;
use uuid::Uuid;

pub use self::catalog::Profiled;
pub use self::connected::{ConnectRequest, ScheduleRequest, SourceChange};
pub use self::databases::notes;
pub(super) use self::failure::{error_of, failure_of};
pub use self::files::{Incoming, IncomingFile, IncomingFiles, Progress};
pub use self::preview::LookRequest;
pub use self::room::{Arriving, Room};
pub use self::secrets::Rotation;
pub use self::syncs::Underway;
pub use self::trust::Trusted;
pub use self::turns::Turns;
use super::app::App;
use super::caller::Caller;
use super::conditions::Standing;
use crate::datadir::DataDir;
/// Where a result lies until it is sent.
pub use crate::datadir::Scratch;
use crate::domain::access::Permission;
use crate::domain::catalog::CatalogColumn;
use crate::domain::connection::Mode;
use crate::domain::error::{Error, Result};
use crate::domain::id::{IdRef, OrgId, Source as SourceKind, SourceId};
use crate::domain::page::{ListRequest, Page};
use crate::domain::source::{Source, SourceFilter, SourceStatus};
use crate::store::main::sources;
use crate::store::{Slice, Tx};
use crate::worker::protocol::{ColumnView, TableFile};

/// How many of those who use a source are named in a refusal to take it away.
const REFERRERS_NAMED: usize = 10;

impl App {
    /// A page of sources.
    pub fn sources(&self, caller: &Caller, request: &ListRequest<SourceFilter>) -> Result<Page<Source>> {
        caller.require(Permission::DataSourcesRead)?;
        let org = caller.org();
        self.page(
            caller,
            "sources",
            request,
            |db, filter, slice| Ok(sources::list(db, org, filter, slice)?),
            |db, filter| Ok(sources::count(db, org, filter)?),
        )
    }

    /// One source.
    pub fn source(&self, caller: &Caller, id: &IdRef<SourceKind>, spelled: &str) -> Result<Source> {
        caller.require(Permission::DataSourcesRead)?;
        self.find_source(caller.org(), id, spelled)
    }

    /// Takes a source away. Its extract follows when no query can be reading it any more.
    ///
    /// # Errors
    /// `Conflict` while a dashboard or a report refers to it, or while its first data is on the way.
    pub async fn delete_source(&self, caller: &Caller, id: &IdRef<SourceKind>, spelled: &str) -> Result<Source> {
        caller.require(Permission::DataSourcesDelete)?;
        let (writer, id, spelled, app) = (caller.clone(), *id, spelled.to_owned(), self.clone());
        let org = caller.identity().holder.org_uuid;
        let gone = self
            .store
            .write(move |tx| {
                let found = sources::find(tx, writer.org(), &id)?;
                let found = found.ok_or_else(|| Error::not_found::<SourceKind>(spelled))?;
                writer.expects(Standing::Source(&found))?;
                check_unused(&found, &sources::referrers(tx, writer.org(), found.id)?)?;
                sources::delete(tx, writer.org(), found.id)?;
                let before = json!({"name": found.name, "slug": found.slug});
                writer.record(tx, "data_source.delete", &found.id.prefixed(), Some(before), None)?;
                if let Some(extract) = found.extract {
                    let extract = app.data.extract(org, found.uuid, extract);
                    tx.after_commit(move || DataDir::retire(&extract, writer.at.into()));
                }
                Ok(found)
            })
            .await?;
        // Many files may go: neither the thread that writes nor one that serves waits for that.
        let (app, source) = (self.clone(), gone.uuid);
        // What would be left of them costs room alone.
        let _ = tokio::task::spawn_blocking(move || app.results.forget_source(org, source)).await;
        Ok(gone)
    }

    /// The source of this SQL name or id: for the command line.
    pub fn source_named(&self, caller: &Caller, text: &str) -> Result<Source> {
        caller.require(Permission::DataSourcesRead)?;
        let org = caller.org();
        let found = self.store.read_now(|db| Ok(sources::find_by_slug(db, org, text)?))?;
        match found {
            Some(source) => Ok(source),
            None => self.find_source(org, &IdRef::parse(text, crate::domain::id::BareIntegers::Accepted), text),
        }
    }

    /// Takes away a source whose first data never came.
    async fn discard(&self, caller: &Caller, id: SourceId, error: &Error) -> Result<()> {
        let (writer, reason) = (caller.clone(), error.to_string());
        self.store
            .write(move |tx| {
                sources::delete(tx, writer.org(), id)?;
                writer.record(tx, "data_source.discard", &id.prefixed(), None, Some(json!({"reason": reason})))
            })
            .await
    }

    /// Refuses one source more when an organisation has as many as it may.
    fn check_number(&self, tx: &Tx<'_>, org: OrgId) -> Result<()> {
        let most = self.settings.sources_of_one;
        if sources::count(tx, org, &SourceFilter::default())? < most {
            return Ok(());
        }
        Err(Error::Conflict(format!(
            "{most} data sources are all that an organization may have; delete one, or raise \
             `sources.max_per_organization`."
        )))
    }

    pub(super) fn find_source(&self, org: OrgId, id: &IdRef<SourceKind>, spelled: &str) -> Result<Source> {
        let found = self.store.read_now(|db| Ok(sources::find(db, org, id)?))?;
        found.ok_or_else(|| Error::not_found::<SourceKind>(spelled))
    }

    /// The files of a source's tables, as queries see them.
    pub(super) fn table_files(&self, org_uuid: Uuid, source: &Source) -> Vec<TableFile> {
        let Some(extract) = source.extract else { return Vec::new() };
        let directory = self.data.extract(org_uuid, source.uuid, extract);
        let tables = source.visible_catalog().map(|table| TableFile {
            source: source.slug.clone(),
            path: directory.join(format!("{}.parquet", table.source_name)),
            columns: table.columns.iter().filter_map(view).collect(),
            table: table.name,
        });
        tables.collect()
    }

    /// The files of all tables of an organisation, and the sources that have none because they are live, by slug.
    pub(super) fn all_table_files(&self, caller: &Caller) -> Result<(Vec<TableFile>, Vec<String>)> {
        let (org, org_uuid) = (caller.org(), caller.identity().holder.org_uuid);
        let all = self.store.read_now(|db| Ok(sources::list(db, org, &SourceFilter::active(), &Slice::all())?))?;
        let live = all.iter().filter(|source| source.mode == Mode::Live).map(|source| source.slug.clone()).collect();
        Ok((all.iter().flat_map(|source| self.table_files(org_uuid, source)).collect(), live))
    }
}

/// How queries see a column, where that is not as it is.
fn view(column: &CatalogColumn) -> Option<ColumnView> {
    let name = (!column.hidden).then(|| column.name.clone());
    let is_other = column.found.is_some() && name.as_ref() != Some(&column.source_name);
    is_other.then(|| ColumnView { column: column.source_name.clone(), name })
}

/// Refuses to take away what is in use, naming who uses it.
fn check_unused(source: &Source, referrers: &[String]) -> Result<()> {
    if source.status == SourceStatus::Syncing {
        return Err(Error::Conflict("The data source is being read; delete it when it is active.".to_owned()));
    }
    let named = referrers.iter().take(REFERRERS_NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    match referrers.len().saturating_sub(REFERRERS_NAMED) {
        _ if referrers.is_empty() => Ok(()),
        0 => Err(Error::Conflict(format!("The data source is used by {named}; delete or change them first."))),
        more => Err(Error::Conflict(format!(
            "The data source is used by {named} and {more} more; delete or change them first."
        ))),
    }
}
