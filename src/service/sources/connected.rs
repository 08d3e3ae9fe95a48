//! Sources that are elsewhere: made of where they are and what opens them, and changed in that.

use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::task::JoinHandle;

use super::files::Progress;
use super::repointed::{Repointing, masked_for_another};
use super::syncs::Lease;
use crate::domain::access::Permission;
use crate::domain::connection::{Connection, Credentials, Kind, Mode};
use crate::domain::error::{Error, Result};
use crate::domain::id::{IdRef, Source as SourceKind, SourceId};
use crate::domain::import::ImportOptions;
use crate::domain::org::name;
use crate::domain::schedule::Schedule;
use crate::domain::source::{self, Source, SourceStatus};
use crate::domain::sync::Trigger;
use crate::domain::time::Timestamp;
use crate::service::app::App;
use crate::service::caller::Caller;
use crate::service::conditions::Standing;
use crate::service::once::Effect;
use crate::store::Tx;
use crate::store::main::connections;
use crate::store::main::sources::{self, NewSource};

/// When a source is read again, as somebody asked for it: cron expression and zone.
pub type ScheduleRequest = (String, Option<String>);

/// A source about to be made of where it is.
#[derive(Debug)]
pub struct ConnectRequest {
    /// What people call it.
    pub name: String,
    /// Its kind.
    pub kind: Kind,
    /// How queries reach its data; that stays.
    pub mode: Mode,
    /// The fields of its connection.
    pub connection: Value,
    /// What opens it.
    pub credentials: Credentials,
    /// When it is read again.
    pub schedule: Option<ScheduleRequest>,
    /// How a file is read, where that is not left to detection.
    pub options: ImportOptions,
}

/// What is to be changed of a source; `None` leaves it.
#[derive(Debug, Default)]
pub struct SourceChange {
    /// What people call it.
    pub name: Option<String>,
    /// Where it is: all fields of the connection.
    pub connection: Option<Value>,
    /// What opens it; empty forgets it.
    pub credentials: Option<Credentials>,
    /// When it is read again; `Some(None)` ends that.
    pub schedule: Option<Option<ScheduleRequest>>,
    /// How its file is read; empty leaves it to detection.
    pub options: Option<ImportOptions>,
}

impl SourceChange {
    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        let is_same = self.name.is_none() && self.connection.is_none() && self.credentials.is_none();
        is_same && self.schedule.is_none() && self.options.is_none()
    }
}

impl App {
    /// Makes a source of where it is, and waits up to `wait` for its data.
    ///
    /// Gives a source that is active, or still `syncing` when the wait was too short: the sync then goes on, and ends
    /// with `active` or `error`.
    ///
    /// # Errors
    /// `SourceUnavailable` or `InvalidFile` when its data cannot be had within the wait: nothing is left of it then.
    pub async fn connect_source(
        &self,
        caller: &Caller,
        request: ConnectRequest,
        wait: Option<Duration>,
        progress: Progress,
    ) -> Result<Source> {
        caller.require(Permission::DataSourcesCreate)?;
        let (id, running) = match caller.begun() {
            Some(Effect::Source(id)) => (id, self.resume_connecting(caller, id, progress).await?),
            _ => self.begin_connecting(caller, request, progress).await?,
        };
        let Some(mut running) = running else {
            return self.find_source(caller.org(), &IdRef::Number(id), &id.prefixed());
        };
        let done = match wait {
            None => Some((&mut running).await),
            Some(wait) => tokio::time::timeout(wait, &mut running).await.ok(),
        };
        if let Some(Err(error)) = done.transpose().map_err(Error::internal)? {
            self.discard(caller, id, &error).await?;
            return Err(error);
        }
        self.find_source(caller.org(), &IdRef::Number(id), &id.prefixed())
    }

    async fn begin_connecting(
        &self,
        caller: &Caller,
        request: ConnectRequest,
        progress: Progress,
    ) -> Result<(SourceId, Option<JoinHandle<Result<()>>>)> {
        let source_name = name("name", &request.name, 200)?;
        let mode = request.mode;
        let connection = Connection::parse(request.kind, request.connection)?;
        connection.check_mode(mode)?;
        if matches!(&connection, Connection::Url(file) if file.is_masked()) {
            return Err(masked_for_another());
        }
        let (connection, query) = self.placed(caller, connection).await?.apart();
        request.credentials.check(request.kind)?;
        let (credentials, options) = (Credentials { query, ..request.credentials }, request.options);
        connection.check_options(&options)?;
        let schedule = request.schedule.map(|asked| self.scheduled(&asked, caller.at)).transpose()?;
        self.check_quota(caller.org())?;
        let (app, writer, uuid) = (self.clone(), caller.clone(), self.entropy.uuid(caller.at));
        let lease = self
            .store
            .write(move |tx| {
                let (org, now) = (writer.org(), writer.at);
                let slug = source::sql_name(&source_name);
                app.check_number(tx, org)?;
                let new = NewSource { uuid, name: &source_name, slug: &slug, mode, connection: Some(&connection) };
                let id = sources::create(tx, org, &new, &app.boot, now)?;
                if !credentials.is_empty() {
                    app.keep_credentials(tx, (org, id), &credentials, now)?;
                }
                if !options.is_empty() {
                    sources::keep_options(tx, org, id, &options)?;
                }
                if let Some((schedule, next)) = &schedule {
                    connections::follow(tx, org, id, Some((schedule, *next)), now)?;
                }
                let after = json!({
                    "name": source_name, "slug": slug, "kind": connection.kind().as_str(), "mode": mode.as_str(),
                    "connection": connection.shown(), "schedule": schedule.as_ref().map(|(schedule, _)| schedule.cron()),
                });
                writer.record(tx, "data_source.create", &id.prefixed(), None, Some(after))?;
                writer.begin(tx, Effect::Source(id))?;
                app.first_sync(tx, &writer, id)
            })
            .await?;
        Ok((lease.source, Some(self.spawn_sync(lease, progress))))
    }

    /// Goes on with the source that an earlier request began.
    async fn resume_connecting(
        &self,
        caller: &Caller,
        id: SourceId,
        progress: Progress,
    ) -> Result<Option<JoinHandle<Result<()>>>> {
        let (app, writer) = (self.clone(), caller.clone());
        let lease = self
            .store
            .write(move |tx| {
                let (org, now) = (writer.org(), writer.at);
                let source = sources::find(tx, org, &IdRef::Number(id))?;
                if source.is_none_or(|source| source.status != SourceStatus::Error) {
                    return Ok(None);
                }
                sources::restart(tx, org, id, &app.boot, now)?;
                app.first_sync(tx, &writer, id).map(Some)
            })
            .await?;
        Ok(lease.map(|lease| self.spawn_sync(lease, progress)))
    }

    /// Begins the sync that brings a source's first data.
    fn first_sync(&self, tx: &Tx<'_>, caller: &Caller, source: SourceId) -> Result<Lease> {
        let (org, org_uuid) = (caller.org(), caller.identity().holder.org_uuid);
        let sync = self.begin_run(tx, (org, source), (Trigger::Create, 1), caller.at)?;
        Ok(Lease { org, org_uuid, source, sync, trigger: Trigger::Create, attempt: 1 })
    }

    /// Changes what people call a source, where it is, what opens it, and when it is read again. Its name in SQL stays,
    /// and its data until the next sync.
    ///
    /// # Errors
    /// `InvalidField` for what its kind has not got, and for a place that the secret was not given for.
    pub async fn update_source(
        &self,
        caller: &Caller,
        id: &IdRef<SourceKind>,
        spelled: &str,
        change: SourceChange,
    ) -> Result<Source> {
        caller.require(Permission::DataSourcesUpdate)?;
        let new_name = change.name.as_deref().map(|text| name("name", text, 200)).transpose()?;
        let schedule = match change.schedule {
            Some(Some(asked)) => Some(Some(self.scheduled(&asked, caller.at)?)),
            Some(None) => Some(None),
            None => None,
        };
        // Where it may be is looked up before: the one thread that writes waits for no file system.
        let to = match change.connection {
            Some(fields) => Some(self.pointed(caller, &self.find_source(caller.org(), id, spelled)?, fields).await?),
            None => None,
        };
        let (app, writer, id, spelled) = (self.clone(), caller.clone(), *id, spelled.to_owned());
        let source = self
            .store
            .write(move |tx| {
                let (org, now) = (writer.org(), writer.at);
                let found = sources::find(tx, org, &id)?;
                let found = found.ok_or_else(|| Error::not_found::<SourceKind>(spelled))?;
                writer.expects(Standing::Source(&found))?;
                let (mut before, mut after) = (Map::new(), Map::new());
                if let Some(new_name) = new_name {
                    sources::rename(tx, org, found.id, &new_name, now)?;
                    before.insert("name".to_owned(), json!(found.name));
                    after.insert("name".to_owned(), json!(new_name));
                }
                if let Some(credentials) = &change.credentials {
                    is_elsewhere(&found, "secret")?;
                    credentials.check(found.kind)?;
                }
                let asked = Repointing { to, credentials: change.credentials };
                let Repointing { to, credentials } = app.repointed((tx, org), &found, asked)?;
                if let (Some(to), None) = (&to, &change.options) {
                    to.check_options(&found.options)?;
                }
                if let Some(options) = change.options {
                    let at = to.as_ref().or(found.connection.as_ref());
                    let at = at.ok_or_else(|| Error::field("options", "are sent along with the files."))?;
                    at.check_options(&options)?;
                    connections::read_as(tx, org, found.id, &options, now)?;
                    before.insert("options".to_owned(), json!(found.options));
                    after.insert("options".to_owned(), json!(options));
                }
                if let Some(to) = to {
                    connections::point(tx, org, found.id, &to, now)?;
                    before.insert("connection".to_owned(), json!(found.connection.as_ref().map(Connection::shown)));
                    after.insert("connection".to_owned(), to.shown());
                }
                if let Some(credentials) = credentials {
                    app.keep_credentials(tx, (org, found.id), &credentials, now)?;
                    before.insert("has_secret".to_owned(), json!(found.has_secret));
                    after.insert("has_secret".to_owned(), json!(!credentials.is_empty()));
                }
                if let Some(schedule) = schedule {
                    is_elsewhere(&found, "schedule")?;
                    let follows = schedule.as_ref().map(|(schedule, next)| (schedule, *next));
                    connections::follow(tx, org, found.id, follows, now)?;
                    before.insert("schedule".to_owned(), json!(found.schedule.as_ref().map(Schedule::cron)));
                    after.insert("schedule".to_owned(), json!(follows.map(|(schedule, _)| schedule.cron())));
                }
                let (before, after) = (Value::Object(before), Value::Object(after));
                writer.record(tx, "data_source.update", &found.id.prefixed(), Some(before), Some(after))?;
                Ok(found.id)
            })
            .await?;
        self.find_source(caller.org(), &IdRef::Number(source), &source.prefixed())
    }

    /// Where a source is to be. Its kind and mode stay what they were made as.
    async fn pointed(&self, caller: &Caller, source: &Source, fields: Value) -> Result<Connection> {
        is_elsewhere(source, "connection")?;
        let to = Connection::parse(source.kind, fields)?;
        to.check_mode(source.mode)?;
        self.placed(caller, to).await
    }

    fn scheduled(&self, (cron, zone): &ScheduleRequest, now: Timestamp) -> Result<(Schedule, Timestamp)> {
        let schedule = Schedule::parse(cron, zone.as_deref(), now)?;
        schedule.check_interval(self.settings.sync_interval, now)?;
        let next = schedule.next(now).ok_or_else(|| Error::internal("a schedule that was read never comes"))?;
        Ok((schedule, next))
    }
}

fn is_elsewhere(source: &Source, field: &str) -> Result<()> {
    match source.is_uploaded() {
        true => Err(Error::field(field, "is not for uploaded files, which are nowhere else; leave it out.")),
        false => Ok(()),
    }
}
