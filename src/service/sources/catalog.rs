//! The tables of a source as people see them: what is said of them, and what their columns hold.

use std::collections::HashSet;
use std::path::Path;

use serde_json::{Value, json};

use super::error_of;
use crate::datadir::left::{self, MOST_TOLD};
use crate::domain::access::Permission;
use crate::domain::catalog::{CatalogTable, Entry, TableChange};
use crate::domain::connection::Mode;
use crate::domain::error::{Error, Result};
use crate::domain::id::{IdRef, Source as SourceKind};
use crate::domain::profile::{Profile, TableProfile};
use crate::domain::source::Source;
use crate::service::app::App;
use crate::service::caller::Caller;
use crate::service::conditions::Standing;
use crate::store::main::{catalog, sources};
use crate::worker::protocol::{Job, Outcome, TableFile};

/// The profile of a table as queries see it.
#[derive(Debug)]
pub struct Profiled {
    /// The table.
    pub table: CatalogTable,
    /// What its columns hold, by their names in queries.
    pub profile: TableProfile,
}

impl App {
    /// One table of a source.
    pub fn source_table(
        &self,
        caller: &Caller,
        (id, spelled): (&IdRef<SourceKind>, &str),
        name: &str,
    ) -> Result<CatalogTable> {
        caller.require(Permission::DataSourcesRead)?;
        table_of(&self.find_source(caller.org(), id, spelled)?, name)
    }

    /// Changes what is said of a table and its columns: at once for all queries that come, and for data that comes.
    ///
    /// # Errors
    /// As of [`TableChange::applied`].
    pub async fn update_table(
        &self,
        caller: &Caller,
        (id, spelled): (&IdRef<SourceKind>, &str),
        name: &str,
        change: TableChange,
    ) -> Result<CatalogTable> {
        caller.require(Permission::DataSourcesUpdate)?;
        let (writer, id, spelled, name) = (caller.clone(), *id, spelled.to_owned(), name.to_owned());
        self.store
            .write(move |tx| {
                let (org, now) = (writer.org(), writer.at);
                let found = sources::find(tx, org, &id)?;
                let found = found.ok_or_else(|| Error::not_found::<SourceKind>(spelled))?;
                let table = table_of(&found, &name)?;
                writer.expects(Standing::Table(&table))?;
                let entries = change.applied(&found, &table)?;
                catalog::replace(tx, (org, found.id), &table.source_name, &entries, now)?;
                // Only what changed: all words of a table with each change of one would soon be more than its data.
                let before = found.words.iter().filter(|entry| entry.table == table.source_name);
                let (known, kept) = (before.clone().collect::<HashSet<_>>(), entries.iter().collect::<HashSet<_>>());
                let before = said(before.filter(|entry| !kept.contains(entry)));
                let after = said(entries.iter().filter(|entry| !known.contains(entry)));
                writer.record(tx, "data_source.describe", &found.id.prefixed(), Some(before), Some(after))?;
                let stored = sources::find(tx, org, &IdRef::Number(found.id))?;
                let stored = stored.ok_or_else(|| Error::internal("a source went while it was changed"))?;
                // Of what has vanished nothing may be left to tell.
                let left = stored.catalog().into_iter().find(|left| left.source_name == table.source_name);
                Ok(left.unwrap_or_else(|| table.forgotten()))
            })
            .await
    }

    /// What the columns of a table hold, as far as queries can name them. It is computed when it is asked for the first
    /// time, and lies beside the extract that it is of.
    ///
    /// # Errors
    /// `NotReady` for a source without data, `QueryTimeout` and `QueryTooLarge` for a table that is too large to look at.
    pub async fn table_profile(
        &self,
        caller: &Caller,
        (id, spelled): (&IdRef<SourceKind>, &str),
        name: &str,
    ) -> Result<Profiled> {
        caller.require(Permission::AnalyticsQuery)?;
        let source = self.find_source(caller.org(), id, spelled)?;
        let table = table_of(&source, name)?;
        if source.mode == Mode::Live {
            return Err(Error::NotReady(format!(
                "The data source `{}` is live: no data of its tables is here to be profiled; query them instead.",
                source.slug
            )));
        }
        let Some(extract) = source.extract.filter(|_| table.present) else {
            return Err(Error::NotReady(format!(
                "There is no data of the table `{}` here; look at it when it has some.",
                table.name
            )));
        };
        let directory = self.data.extract(caller.identity().holder.org_uuid, source.uuid, extract);
        let kept = directory.join(format!("{}.profile.json", table.source_name));
        let profile = match read(&kept) {
            Some(profile) => profile,
            None => self.computed_profile(caller, &source, &table, &directory, &kept).await?,
        };
        Ok(Profiled { profile: seen(profile, &table), table })
    }

    /// Computes a profile of all columns, by their own names: it holds whatever they are called later.
    async fn computed_profile(
        &self,
        caller: &Caller,
        source: &Source,
        table: &CatalogTable,
        directory: &Path,
        kept: &Path,
    ) -> Result<TableProfile> {
        let file = TableFile {
            source: source.slug.clone(),
            table: table.source_name.clone(),
            path: directory.join(format!("{}.parquet", table.source_name)),
            columns: Vec::new(),
        };
        let made = directory.join(format!("profile-{}", self.entropy.uuid(caller.at).simple()));
        let (kept, spill_bytes) = (kept.to_owned(), self.spill());
        let profile: Profile = self
            .pool
            .query(
                &self.query_errand(caller),
                |scratch| Job::Profile { tables: vec![file], spill_bytes, into: scratch.join("profile.json") },
                move |done, scratch| {
                    let Outcome::Profiled { .. } = done.outcome else {
                        return Err(std::io::Error::other("a profile gave another outcome"));
                    };
                    let bytes = left::read(&scratch.join("profile.json"), MOST_TOLD)?;
                    let is_kept = std::fs::write(&made, &bytes).and_then(|()| std::fs::rename(&made, &kept));
                    // Where it cannot be kept it is computed again, and where a power cut left a part of it: that does not
                    // read back.
                    if let Err(error) = is_kept {
                        let _ = std::fs::remove_file(&made);
                        tracing::debug!(%error, "a profile is not kept");
                    }
                    Ok(serde_json::from_slice(&bytes)?)
                },
            )
            .await
            .map_err(error_of)?;
        profile.tables.into_iter().next().ok_or_else(|| Error::internal("a profile of no table"))
    }
}

fn table_of(source: &Source, name: &str) -> Result<CatalogTable> {
    source.find_table(name).ok_or_else(|| Error::NotFound { noun: "table", id: Error::clipped(name) })
}

/// A profile that was kept; one of another version of this program may not read back.
fn read(kept: &Path) -> Option<TableProfile> {
    let profile: Profile = serde_json::from_slice(&std::fs::read(kept).ok()?).ok()?;
    profile.tables.into_iter().next()
}

/// A profile as queries see its table.
fn seen(profile: TableProfile, table: &CatalogTable) -> TableProfile {
    let name = |own: &str| {
        let found = table.visible().find(|column| column.source_name == own && !table.hidden)?;
        Some(found.name.clone())
    };
    let columns = profile.columns.into_iter().filter_map(|mut column| {
        column.name = name(&column.name)?;
        Some(column)
    });
    let trend = profile.trend.and_then(|mut trend| {
        trend.column = name(&trend.column)?;
        Some(trend)
    });
    TableProfile { name: table.name.clone(), rows: profile.rows, columns: columns.collect(), trend }
}

fn said<'e>(entries: impl Iterator<Item = &'e Entry>) -> Value {
    json!({"words": entries.collect::<Vec<_>>()})
}
