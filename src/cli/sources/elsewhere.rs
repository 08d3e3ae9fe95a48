//! Sources that are elsewhere: how they are added, and how they are read again.

use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;
use zeroize::Zeroizing;

use super::{AddSource, PreviewFiles, bar, databases, progress};
use crate::cli::compose::Instance;
use crate::cli::failure::Failure;
use crate::cli::operator::OrgOption;
use crate::cli::output::{Form, Output, grouped};
use crate::domain::connection::{Credentials, Kind, Mode};
use crate::domain::error::Error;
use crate::domain::id::IdRef;
use crate::domain::sync::SyncStatus;
use crate::http::wire::Hex;
use crate::http::wire::sync::DataSourceSync;
use crate::service::sources::{ConnectRequest, LookRequest};

/// The longest secret on standard input, in bytes.
const SECRET: u64 = 100_000;

/// `source sync`.
#[derive(Debug, Args)]
pub struct SyncSource {
    /// The source, by its name in SQL or its id.
    source: String,
    #[command(flatten)]
    org: OrgOption,
}

/// What `source add` is to fetch, where it names a URL.
pub(super) fn connect_request(add: &AddSource) -> Result<Option<ConnectRequest>, Failure> {
    let schedule = add.schedule.clone().map(|cron| (cron, add.time_zone.clone()));
    let options = add.read_as.options()?;
    if add.by_path {
        let path = only_file(add)?;
        let unread = |error| Failure::failed(format!("{} cannot be read: {error}", path.display()));
        path.metadata().map_err(unread)?;
        // Not through links: what it is called by names its table.
        let whole = std::path::absolute(path).map_err(unread)?;
        return Ok(Some(ConnectRequest {
            name: add.name.clone(),
            kind: Kind::File,
            mode: Mode::Extract,
            connection: json!({"path": whole}),
            credentials: Credentials::default(),
            schedule,
            options,
        }));
    }
    if add.paths.iter().any(|path| databases::is_named(path)) {
        let [path] = add.paths.as_slice() else {
            return Err(Failure::usage("a data source has one database; add the others as sources of their own"));
        };
        if add.secret_stdin {
            return Err(Failure::usage("--secret-stdin is for a URL; a database takes --password-stdin"));
        }
        if !options.is_empty() {
            let flags = "--separator, --quote, --encoding, --header, --skip-lines, --null, --sheet and --type";
            return Err(Failure::usage(format!("{flags} are for files; a database says itself what its columns are")));
        }
        let read = add.database.read(path)?;
        return Ok(read.map(|(kind, connection, credentials)| ConnectRequest {
            name: add.name.clone(),
            kind,
            mode: add.database.mode(),
            connection,
            credentials,
            schedule,
            options,
        }));
    }
    if add.database.is_given() {
        return Err(Failure::usage(
            "--table, --query, --cursor, --live, --tls, --authority and --password-stdin are for databases",
        ));
    }
    let Some(url) = only_url(&add.paths)? else {
        return match add.schedule.is_some() || add.secret_stdin {
            true => Err(Failure::usage(
                "--schedule is for a URL, a database, or with --by-path a file; --secret-stdin is for a URL",
            )),
            false => Ok(None),
        };
    };
    let credentials = if add.secret_stdin { secret()? } else { Credentials::default() };
    Ok(Some(ConnectRequest {
        name: add.name.clone(),
        kind: Kind::Url,
        mode: Mode::Extract,
        connection: json!({"url": url}),
        credentials,
        schedule,
        options,
    }))
}

/// What `source preview` is to look at, where it names a URL.
pub(super) fn look_request(look: &PreviewFiles) -> Result<Option<LookRequest>, Failure> {
    let Some(url) = only_url(&look.paths)? else {
        return match look.secret_stdin {
            true => Err(Failure::usage("--secret-stdin is for a URL")),
            false => Ok(None),
        };
    };
    let credentials = if look.secret_stdin { secret()? } else { Credentials::default() };
    let options = look.read_as.options()?;
    Ok(Some(LookRequest { kind: Kind::Url, connection: json!({"url": url}), credentials, options }))
}

/// The one file that is to be read by its path.
fn only_file(add: &AddSource) -> Result<&Path, Failure> {
    let is_file = |path: &PathBuf| !databases::is_named(path) && !path.to_str().is_some_and(is_url);
    match add.paths.as_slice() {
        [path] if is_file(path) && !add.database.is_given() && !add.secret_stdin => Ok(path),
        _ => Err(Failure::usage("--by-path is for one file; URLs and databases are read again anyway")),
    }
}

/// The URL among what is named, which then is alone.
fn only_url(paths: &[PathBuf]) -> Result<Option<&str>, Failure> {
    let urls: Vec<&str> = paths.iter().filter_map(|path| path.to_str()).filter(|text| is_url(text)).collect();
    match urls.as_slice() {
        [] => Ok(None),
        [url] if paths.len() == 1 => Ok(Some(url)),
        [_] => Err(Failure::usage("files and a URL are read one after the other; name them in two commands")),
        _ => Err(Failure::usage("one URL is read at a time; name the others in commands of their own")),
    }
}

fn is_url(text: &str) -> bool {
    let scheme = text.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
    matches!(scheme.as_deref(), Some("http" | "https"))
}

/// The secret of a source, as JSON on standard input: arguments stand in lists of processes.
fn secret() -> Result<Credentials, Failure> {
    let wrong =
        || Failure::usage("standard input must be JSON such as {\"headers\": {\"Authorization\": \"Bearer …\"}}");
    if std::io::stdin().is_terminal() {
        return Err(wrong());
    }
    let mut text = Zeroizing::new(String::new());
    std::io::stdin().lock().take(SECRET).read_to_string(&mut text).map_err(|_| wrong())?;
    serde_json::from_str(&text).map_err(|_| wrong())
}

/// A refusal in the words of the command line.
pub(super) fn told(error: Error) -> Failure {
    match error {
        Error::InvalidField { field, reason } if field.starts_with("connection.") => {
            let part = field.trim_start_matches("connection.");
            Failure::usage(format!("the {} {reason}", if part == "url" { "URL" } else { part }))
        }
        Error::InvalidField { field, reason } if field.starts_with("secret") => {
            Failure::usage(format!("`{field}` on standard input {reason}"))
        }
        Error::InvalidField { field, reason } if field == "schedule.time_zone" => {
            Failure::usage(format!("--time-zone {reason}"))
        }
        other => other.into(),
    }
}

/// Runs `source sync`.
pub(super) async fn run_sync(instance: &Instance, sync: &SyncSource, output: Output) -> Result<(), Failure> {
    let caller = sync.org.caller(&instance.app)?;
    let source = instance.app.source_named(&caller, &sync.source)?;
    let bar = bar();
    let id = IdRef::Number(source.id);
    let synced = instance.app.sync_source(&caller, &id, &sync.source, None, progress(&bar)).await;
    bar.finish_and_clear();
    let synced = synced?;
    if output.form() == Form::Json {
        return output.json(&serde_json::to_value(DataSourceSync::<Hex>::of(synced))?);
    }
    output.line(&match (synced.status, synced.unchanged) {
        (SyncStatus::Running, _) => format!("{} is being read already; wait for that.", source.name),
        (_, true) => format!("{} has not changed since it was last read.", source.name),
        _ => format!("{} has {} rows now.", source.name, grouped(synced.rows.unwrap_or_default())),
    })
}
