//! `claribi audit verify`: whether the audit log is what was written, and where it first is not.

use std::io::IsTerminal;
use std::path::PathBuf;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use crate::cli::Globals;
use crate::cli::compose::inspect;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::domain::audit::Signed;
use crate::domain::audit::checkpoint::pem;
use crate::domain::time::Timestamp;
use crate::service::app::App;
use crate::service::audit::{Extent, Verified};
use crate::store::audit::entries;

/// `audit verify`.
#[derive(Debug, Args)]
pub struct VerifyAudit {
    /// The number of the first entry to check; by default the first that is kept.
    #[arg(long, value_name = "NO", value_parser = clap::value_parser!(i64).range(1..))]
    from: Option<i64>,
    /// The number of the last entry to check; by default the last.
    #[arg(long, value_name = "NO", value_parser = clap::value_parser!(i64).range(1..))]
    to: Option<i64>,
    /// A file with a checkpoint that was kept elsewhere: a copy of `audit.head`.
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
    /// Print the public key that checks the signatures of checkpoints, and nothing else.
    #[arg(long, conflicts_with_all = ["from", "to", "checkpoint"])]
    public_key: bool,
}

/// Runs it.
pub fn run(globals: &Globals, asked: &VerifyAudit) -> Result<(), Failure> {
    let output = Output::new(globals.json);
    inspect(globals, |app| if asked.public_key { print_keys(app, output) } else { verify(app, asked, output) })
}

fn print_keys(app: &App, output: Output) -> Result<(), Failure> {
    let keys: Vec<String> = app.audit_keys()?.iter().map(pem).collect();
    match output.form() {
        crate::cli::output::Form::Json => output.json(&json!({ "public_keys": keys })),
        _ => output.bytes(keys.concat().as_bytes()),
    }
}

fn verify(app: &App, asked: &VerifyAudit, output: Output) -> Result<(), Failure> {
    let known = asked.checkpoint.as_ref().map(|path| {
        let text = std::fs::read_to_string(path)?;
        Signed::parse(&text).ok_or_else(|| {
            Failure::failed(format!("{} is no checkpoint of an audit log; name a copy of `audit.head`", path.display()))
        })
    });
    let (from, end) = begin(app, asked)?;
    let extent = Extent { from, to: asked.to, known: known.transpose()? };
    let bar = progress();
    let verified = app.verify_audit(extent, |entries| bar.set_position(entries))?;
    bar.finish_and_clear();
    if from < asked.from && verified.finding.is_none() {
        return Err(Failure::usage(format!("the log ends with entry {end}; name one up to it with --from")));
    }
    let signed = verified.newest.map(|signed| signed.text());
    output.facts(&facts(&verified, signed.as_deref()), || {
        json!({
            "ok": verified.finding.is_none(),
            "entries": verified.entries,
            "first": verified.after + 1,
            "last": verified.last,
            "hash": hex::encode(verified.hash),
            "checkpoints": verified.checkpoints,
            "checkpoint": signed,
            "bad_entry": verified.finding.map(|finding| finding.seq),
            "problem": verified.finding.map(|finding| finding.fault.as_str()),
        })
    })?;
    match verified.finding {
        None => Ok(()),
        Some(finding) => Err(Failure::failed(format!(
            "the audit log is not what was written: entry {} {}; look at who could write to the data directory, and \
             compare with a backup",
            finding.seq,
            finding.fault.as_str()
        ))),
    }
}

/// Where to begin, and the last entry. Past the end only checkpoints can tell whether there was something: what was not
/// written yet is nobody's work.
fn begin(app: &App, asked: &VerifyAudit) -> Result<(Option<i64>, i64), Failure> {
    if let (Some(from), Some(to)) = (asked.from, asked.to)
        && from > to
    {
        return Err(Failure::usage(format!("--from {from} is after --to {to}; exchange them")));
    }
    let end = app.store.read_audit_now(|db| Ok(entries::head(db)?.0))?;
    Ok((asked.from.map(|from| from.min(end + 1)), end))
}

fn facts(verified: &Verified, signed: Option<&str>) -> Vec<(&'static str, String)> {
    let at = verified.newest.map(|signed| Timestamp::from_millis(signed.checkpoint.at_ms).to_string());
    vec![
        ("entries", verified.entries.to_string()),
        ("first", (verified.after + 1).to_string()),
        ("last", verified.last.to_string()),
        ("hash", hex::encode(verified.hash)),
        ("checkpoints", verified.checkpoints.to_string()),
        ("signed at", at.unwrap_or_else(|| "-".to_owned())),
        ("checkpoint", signed.unwrap_or("-").to_owned()),
    ]
}

fn progress() -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {human_pos} entries, {per_sec}") {
        bar.set_style(style);
    }
    bar
}
