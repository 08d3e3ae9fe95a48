//! What ends keys, what replaces them, and what they were used for.

use std::io::IsTerminal;
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use super::{described, find, print_new, row};
use crate::cli::compose::Instance;
use crate::cli::failure::Failure;
use crate::cli::operator::OrgOption;
use crate::cli::output::{Form, Output, grouped, remark};
use crate::config::Period;
use crate::domain::id::IdRef;
use crate::service::keys::Reach;
use crate::service::once::Plain;

/// `key rotate`.
#[derive(Debug, Args)]
pub struct RotateKey {
    /// The key's id, or its printed prefix.
    key: String,
    /// How long the old key goes on working, such as 1h or 0; a day if it is left out.
    #[arg(long, value_name = "SPAN", value_parser = grace)]
    grace: Option<Duration>,
    /// Do not ask.
    #[arg(long, short)]
    yes: bool,
}

/// `key revoke`.
#[derive(Debug, Args)]
pub struct RevokeKey {
    /// The key's id, or its printed prefix.
    key: String,
    /// Why, for those who look later.
    #[arg(long)]
    reason: Option<String>,
    /// Do not ask.
    #[arg(long, short)]
    yes: bool,
}

/// `key revoke-all`.
#[derive(Debug, Args)]
pub struct RevokeAll {
    /// All keys of this user, by e-mail.
    #[arg(long, value_name = "EMAIL", required_unless_present = "everyone", conflicts_with = "everyone")]
    user: Option<String>,
    /// All keys of the organization.
    #[arg(long)]
    everyone: bool,
    #[command(flatten)]
    org: OrgOption,
    /// Why, for those who look later.
    #[arg(long)]
    reason: Option<String>,
    /// Do not ask.
    #[arg(long, short)]
    yes: bool,
}

/// A span of time that may be none.
fn grace(text: &str) -> Result<Duration, String> {
    if text == "0" { Ok(Duration::ZERO) } else { text.parse::<Period>().map(Period::duration) }
}

pub(super) async fn run_rotate(instance: &Instance, rotate: &RotateKey, output: Output) -> Result<(), Failure> {
    let (caller, view) = find(instance, &rotate.key)?;
    let key = &view.key;
    let question = format!("Rotate {} ({}, of {})?", key.prefix(), key.name, key.owner_email);
    ask(rotate.yes, question, "nothing was rotated")?;
    let id = IdRef::Number(key.id);
    let (made, text) = instance.app.rotate_key(&caller, &id, &key.id.prefixed(), rotate.grace, Plain).await?;
    instance.access_changed().await;
    let now = instance.app.clock.now();
    if let Some(rotation) = made.key.rotation {
        let old = key.prefix();
        remark(&match rotation.grace_until > now {
            true => format!("{old} goes on working until {}.", rotation.grace_until),
            false => format!("{old} is refused from now on."),
        });
    }
    print_new(&made, &text, now, output)
}

pub(super) async fn run_revoke(instance: &Instance, revoke: &RevokeKey, output: Output) -> Result<(), Failure> {
    let (caller, view) = find(instance, &revoke.key)?;
    let key = &view.key;
    let revoked_before = key.revoked_at.is_some();
    let question = format!("Revoke {} ({}, of {})?", key.prefix(), key.name, key.owner_email);
    ask(revoke.yes || revoked_before, question, "nothing was revoked")?;
    let id = IdRef::Number(key.id);
    let view = instance.app.revoke_key(&caller, &id, &key.id.prefixed(), revoke.reason.clone()).await?;
    instance.access_changed().await;
    let now = instance.app.clock.now();
    match output.form() {
        Form::Table if revoked_before => output.line(&format!("{} was revoked already.", view.key.prefix())),
        Form::Table => {
            output.line(&format!("{} is revoked; requests with it are refused from now on.", view.key.prefix()))
        }
        Form::Lines => output.lines(&[row(&view, now)]),
        Form::Json => output.json(&described(&view, now)),
    }
}

pub(super) async fn run_revoke_all(instance: &Instance, revoke: &RevokeAll, output: Output) -> Result<(), Failure> {
    let app = &instance.app;
    let (caller, reach, whose) = match &revoke.user {
        Some(email) => (revoke.org.caller_as(app, email)?, Reach::Own, email.clone()),
        None => {
            let caller = revoke.org.caller(app)?;
            let name = caller.identity().holder.org_name.clone();
            (caller, Reach::Organization, name)
        }
    };
    ask(revoke.yes, format!("Revoke all keys of {whose}?"), "nothing was revoked")?;
    let revoked = app.revoke_keys(&caller, reach, revoke.reason.clone()).await?;
    instance.access_changed().await;
    match output.form() {
        Form::Table => output.line(&format!("{revoked} keys of {whose} are revoked; requests with them are refused.")),
        Form::Lines => output.line(&revoked.to_string()),
        Form::Json => output.json(&json!({"revoked": revoked})),
    }
}

pub(super) fn run_activity(instance: &Instance, text: &str, output: Output) -> Result<(), Failure> {
    let (caller, view) = find(instance, text)?;
    let id = view.key.id;
    let activity = instance.app.key_activity(&caller, &IdRef::Number(id), &id.prefixed())?;
    let (used, [day, week, month]) = (activity.usage.as_ref(), activity.requests);
    let or_never = |text: Option<String>| text.unwrap_or_else(|| "never".to_owned());
    let facts = [
        ("last used", or_never(used.map(|usage| usage.last_at.to_string()))),
        ("last operation", or_never(used.map(|usage| usage.last_operation.clone()))),
        ("last address", or_never(used.map(|usage| usage.last_address.clone()))),
        ("last 24 hours", grouped(day)),
        ("last 7 days", grouped(week)),
        ("last 30 days", grouped(month)),
    ];
    output.facts(&facts, || {
        let last_used = used
            .map(|usage| json!({"at": usage.last_at, "endpoint": usage.last_operation, "address": usage.last_address}));
        json!({
            "last_used": last_used, "requests_24h": day, "requests_7d": week, "requests_30d": month,
            "latest_endpoint": used.map_or(Value::Null, |usage| json!(usage.last_operation)),
        })
    })
}

/// Asks on a terminal; elsewhere nobody is there to be asked.
fn ask(is_sure: bool, question: String, otherwise: &str) -> Result<(), Failure> {
    if is_sure || !std::io::stdin().is_terminal() {
        return Ok(());
    }
    let answer = dialoguer::Confirm::new().with_prompt(question).default(false).interact();
    match answer.map_err(|error| Failure::failed(format!("the answer could not be read: {error}")))? {
        true => Ok(()),
        false => Err(Failure::failed(otherwise)),
    }
}
