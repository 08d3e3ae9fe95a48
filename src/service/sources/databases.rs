//! Data from databases: files of SQLite on this machine, and servers elsewhere, read by a worker that may reach nothing
//! else.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::fetch::News;
use super::files::{Progress, check_names, table_of};
use super::syncs::Lease;
use crate::domain::connection::{self, Connection, Credentials, Kind, LocalFile, SqliteFile, Tls};
use crate::domain::error::{Error, Result};
use crate::domain::source::Source;
use crate::outbound::guard::Purpose;
use crate::service::app::App;
use crate::service::caller::{Caller, Who};
use crate::worker::pool::{Errand, Reach};
use crate::worker::protocol::{Authorities, ConnectJob, Database, Job, Outcome, Server, Settled};

/// What is kept of a sync for the next one. That it is there says that the extract was read by this connection.
#[derive(Debug, Default, Serialize, Deserialize)]
struct State {
    /// What was not kept as it was.
    notes: Vec<String>,
}

/// Why a file is not read.
pub(super) enum Unread {
    /// It is not there, is no regular file, or is reached by a link.
    File,
    /// A journal beside it is no regular file.
    Journal,
    /// It, or a journal beside it, is of this installation.
    Own,
}

/// A database that may be read now.
pub(in crate::service) struct Place {
    /// It, as a worker is told of it.
    pub database: Database,
    /// What the worker reads of this machine beside the database's files: the certificates that this machine trusts.
    pub read: Option<PathBuf>,
    files: Settled,
}

impl App {
    /// Where a source of this caller may be: of SQLite the file itself, without symbolic links.
    ///
    /// # Errors
    /// `InvalidField` for what may not be read or connected to.
    pub(super) async fn placed(&self, caller: &Caller, connection: Connection) -> Result<Connection> {
        let guard = &self.settings.outbound.guard;
        match connection {
            Connection::Url(file) => {
                let looked = guard.url(&file.url).map(drop);
                looked.map_err(|refusal| Error::field("connection.url", refusal.to_string()))?;
                Ok(Connection::Url(file))
            }
            Connection::File(file) => {
                // What it was called by stays its name, whatever a link leads to.
                let name = file.name();
                let path = self.placed_file(caller, &file.path, Kind::File).await?;
                Connection::File(LocalFile { path, file: Some(name) }).checked()
            }
            Connection::Sqlite(file) => {
                let path = self.placed_file(caller, &file.path, Kind::Sqlite).await?;
                Connection::Sqlite(SqliteFile { path, ..file }).checked()
            }
            Connection::Postgres(_) | Connection::Mysql(_) => {
                if let Some((host, port)) = connection.server() {
                    let looked = guard.host(host, port, Purpose::Database);
                    looked.map_err(|refusal| Error::field("connection.host", refusal.to_string()))?;
                }
                Ok(connection)
            }
        }
    }

    /// The file that a path leads to, by its path without symbolic links.
    async fn placed_file(&self, caller: &Caller, path: &str, kind: Kind) -> Result<String> {
        // A file system that hangs is waited for where nobody else waits.
        let (app, caller, named) = (self.clone(), caller.clone(), PathBuf::from(path));
        let path = tokio::task::spawn_blocking(move || app.readable(&caller, &named, kind)).await;
        let path = path.map_err(Error::internal)??.into_os_string().into_string();
        path.map_err(|_| Error::field("connection.path", "must be text in UTF-8."))
    }

    /// The file that a path leads to. Whoever is at the machine may name any, others those that the operator opened; they
    /// do not learn which others there are.
    fn readable(&self, caller: &Caller, path: &Path, kind: Kind) -> Result<PathBuf> {
        let found = path.canonicalize().ok().filter(|path| path.is_file());
        let is_operator = matches!(caller.identity().who, Who::Operator(_));
        let opened = |path: &PathBuf| {
            let mut open = self.settings.allowed_dirs.iter().filter_map(|directory| directory.canonicalize().ok());
            is_operator || open.any(|directory| path.starts_with(directory))
        };
        let Some(path) = found.filter(opened) else {
            return Err(Error::field(
                "connection.path",
                match is_operator {
                    true => "is no file that can be read; name another.",
                    false => {
                        "is no file below the directories of `sources.allowed_dirs`, which whoever operates the server \
                         sets."
                    }
                },
            ));
        };
        let why = match self.settle_file(&path, kind) {
            Ok(_) => return Ok(path),
            Err(Unread::File) => "is no file that can be read; name another.",
            Err(Unread::Journal) => {
                "has a journal beside it that is a link or no file; name the file that the database is opened by."
            }
            Err(Unread::Own) => "is of this installation itself; name another.",
        };
        Err(Error::field("connection.path", why))
    }

    /// Settles which files lie at a path that goes through no link: the file, and the journals that a database has.
    pub(super) fn settle_file(&self, path: &Path, kind: Kind) -> std::result::Result<Settled, Unread> {
        let settled = match kind {
            Kind::Sqlite => Settled::of(SqliteFile::all_of(path)),
            _ => Settled::of([path.to_owned()]),
        };
        let settled = settled.map_err(|(at, _)| if at == path { Unread::File } else { Unread::Journal })?;
        // By its place, and, because a file may have several names, as the file that it is. What cannot be told is not
        // read.
        let is_own = || {
            let mut is_own = path.starts_with(self.data.root().canonicalize()?);
            for file in settled.metadata()? {
                is_own |= self.data.owns(&file)?;
            }
            io::Result::Ok(is_own)
        };
        if is_own().unwrap_or(true) { Err(Unread::Own) } else { Ok(settled) }
    }

    /// Reads a database into a new extract.
    pub(super) async fn bring_database(
        &self,
        lease: &Lease,
        source: &Source,
        connection: &Connection,
        place: Place,
        progress: &mut Progress,
    ) -> Result<(News, Option<String>)> {
        let extract = self.entropy.uuid(self.clock.now());
        let of = |extract| self.data.extract(lease.org_uuid, source.uuid, extract);
        // Without a state it was read from elsewhere.
        let previous = source.extract.filter(|_| source.state.is_some()).map(of);
        let errand = Errand {
            org: lease.org.raw(),
            read: previous.iter().cloned().chain(place.read.clone()).collect(),
            deadline: self.settings.job_timeout,
        };
        let reach = place.reach();
        let (target, data) = (of(extract), self.data.clone());
        let max_rows = self.settings.source_rows;
        let job = |into| {
            let (readings, cursors) = (connection.readings(), connection.cursors());
            Job::Connect(ConnectJob { database: place.database, readings, cursors, previous, into, max_rows })
        };
        let take = move |outcome: Outcome, made: &Path| {
            if let Outcome::Connected { tables, .. } = &outcome {
                check_names(tables)?;
            }
            data.adopt(made, &target)?;
            Ok(outcome)
        };
        let to = (lease.org, lease.source);
        let done = self.make_extract(to, (&errand, &reach), job, progress.as_mut(), take).await?;
        let Outcome::Connected { tables, notes } = done else {
            return Err(Error::internal(format!("reading a database gave {done:?}")));
        };
        let state = serde_json::to_string(&State { notes }).map_err(Error::internal)?;
        let tables = tables.into_iter().map(table_of).collect();
        Ok((News::Extract(extract, tables), Some(state)))
    }

    /// Where the database is now.
    pub(super) async fn locate(&self, connection: &Connection, secret: Credentials) -> Result<Place> {
        match connection {
            Connection::File(_) | Connection::Url(_) => Err(Error::internal("a file is no database")),
            Connection::Sqlite(file) => {
                let (app, path) = (self.clone(), PathBuf::from(&file.path));
                let located = tokio::task::spawn_blocking(move || app.locate_file(path)).await;
                located.map_err(Error::internal)?
            }
            Connection::Postgres(server) => self.locate_server(connection, server, secret, Database::Postgres).await,
            Connection::Mysql(server) => self.locate_server(connection, server, secret, Database::Mysql).await,
        }
    }

    fn locate_file(&self, path: PathBuf) -> Result<Place> {
        // It was resolved when it was named: what leads elsewhere since then was not meant.
        let why = match self.settle_file(&path, Kind::Sqlite) {
            Ok(files) => {
                let database = Database::Sqlite { path, files: files.files().to_vec() };
                return Ok(Place { database, read: None, files });
            }
            Err(Unread::File) => {
                "There is no file any more where the data source has it, or it is a link now; point it to the file."
            }
            Err(Unread::Journal) => {
                "A journal beside the file is a link or no file, so neither is read; put the database's own there."
            }
            Err(Unread::Own) => "The file, or a journal beside it, is of this installation itself; put another there.",
        };
        Err(Error::SourceUnavailable(why.to_owned()))
    }

    async fn locate_server(
        &self,
        connection: &Connection,
        server: &connection::Server,
        secret: Credentials,
        of: impl FnOnce(Server) -> Database,
    ) -> Result<Place> {
        let guard = &self.settings.outbound.guard;
        let (host, port) = connection.server().ok_or_else(|| Error::internal("a server is nowhere"))?;
        let settled = guard.settle(host, port, Purpose::Database).await;
        let settled =
            settled.map_err(|refusal| Error::SourceUnavailable(format!("The place of the database {refusal}")))?;
        let authorities = match (server.tls, &server.authority) {
            (Tls::Verify, Some(given)) => Some(Authorities::Given(given.clone())),
            (Tls::Verify, None) => Some(Authorities::File(self.trusted_file().await?)),
            (Tls::Off | Tls::Require, _) => None,
        };
        let read = match &authorities {
            Some(Authorities::File(path)) => path.parent().map(Path::to_owned),
            _ => None,
        };
        let database = of(Server {
            // Certificates are for addresses without brackets.
            host: server.host.trim_matches(['[', ']']).to_owned(),
            addresses: settled.into_iter().map(|address| address.ip()).collect(),
            port,
            database: server.database.clone(),
            user: server.user.clone(),
            password: secret.password,
            tls: server.tls,
            authorities,
        });
        Ok(Place { database, read, files: Settled::default() })
    }
}

/// What the newest sync of a source did not keep as it was, a sentence each.
pub fn notes(source: &Source) -> Vec<String> {
    let state = source.state.as_deref().filter(|_| source.connection.as_ref().is_some_and(Connection::is_database));
    state.and_then(|state| serde_json::from_str::<State>(state).ok()).unwrap_or_default().notes
}

impl Place {
    /// What the worker reaches of it.
    pub(in crate::service) fn reach(&self) -> Reach {
        Reach { port: self.database.port(), files: self.files.clone() }
    }
}
