//! `claribi key`: API keys, also while a server runs. What changes keys is in `edit`, what ends and replaces them in `life`.

mod edit;
mod life;

use std::collections::BTreeMap;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::Globals;
use super::compose::{Instance, with_instance};
use super::failure::Failure;
use super::operator::{self, OrgOption};
use super::output::{Form, Output, remark};
use crate::config::Period;
use crate::domain::access::{Permission, Scope};
use crate::domain::id::{BareIntegers, IdRef};
use crate::domain::key::{Flag, KeyFilter, Owner, Sought};
use crate::domain::key_text::KeyText;
use crate::domain::page::{ListRequest, MAX_SIZE, More};
use crate::domain::time::Timestamp;
use crate::domain::window::{Limits, WindowName};
use crate::service::caller::Caller;
use crate::service::keys::{KeyRequest, KeyView, field_of};
use crate::service::once::Plain;
use crate::store::main::keys;

/// The commands.
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Make a key for a user; its text is shown this once.
    #[command(after_help = "\
Examples:
  claribi key create --user grace@example.com --name \"weekly report\" --expires 90d
  claribi key create --user ada@example.com --name deploy --scope read-write --ip 203.0.113.0/24
  claribi key create --user ada@example.com --name graphs --permission dashboards:read

In a pipe the key alone is printed.")]
    Create(CreateKey),
    /// List the keys of an organization.
    #[command(after_help = "\
Examples:
  claribi key list --status stale
  claribi key list --user grace@example.com --status expiring --json")]
    List(ListKeys),
    /// Show one key.
    Show(ShowKey),
    /// Change a key that works: name, permissions, expiry, networks, reminder, limits.
    #[command(after_help = "\
Examples:
  claribi key edit claribi_sk_live_8Zf3kQ1x --name \"nightly report\" --expires 90d
  claribi key edit key_2a --scope read-only --per-hour 100
  claribi key edit key_2a --expires never --no-ip --no-limits")]
    Edit(edit::EditKey),
    /// Make a new key that takes over from one; the old one works for a grace period.
    #[command(after_help = "\
Examples:
  claribi key rotate claribi_sk_live_8Zf3kQ1x
  claribi key rotate key_2a --grace 0 --yes

In a pipe the new key alone is printed.")]
    Rotate(life::RotateKey),
    /// Revoke a key: from the moment the command returns it is refused.
    Revoke(life::RevokeKey),
    /// Revoke all keys of a user, or of an organization, at once.
    RevokeAll(life::RevokeAll),
    /// Show what a key was used for.
    Activity(ShowKey),
}

/// `key create`.
#[derive(Debug, Args)]
pub struct CreateKey {
    /// Whose key it is, by e-mail: a key never does more than its owner may.
    #[arg(long, value_name = "EMAIL")]
    user: String,
    /// What the key is for.
    #[arg(long)]
    name: String,
    /// read-only or read-write. Without it and without --permission the key is read-only.
    #[arg(long, value_parser = scope, conflicts_with = "permissions")]
    scope: Option<Scope>,
    /// A single permission, such as dashboards:read; may be given several times.
    #[arg(long = "permission", value_name = "PERMISSION")]
    permissions: Vec<String>,
    /// For how long it is valid, such as 90d or 12h.
    #[arg(long, value_name = "SPAN")]
    expires: Option<Period>,
    /// An address or network that it may be used from; may be given several times.
    #[arg(long = "ip", value_name = "CIDR")]
    addresses: Vec<String>,
    /// Note that the key is to be looked at every 30, 60 or 90 days; `key show` tells when next.
    #[arg(long, value_name = "DAYS")]
    reminder: Option<u32>,
    #[command(flatten)]
    limits: OwnLimits,
    /// The organization that the key is for, by id or name: the user's own by default, or its sandbox.
    #[arg(long = "org", value_name = "ORG")]
    org: Option<String>,
}

/// Limits of a key's own, below those of its plan.
#[derive(Debug, Args)]
pub struct OwnLimits {
    /// Requests on /api/ in any 60 seconds; limits of a key's own lie within the plan's.
    #[arg(long, value_name = "REQUESTS")]
    per_minute: Option<u32>,
    /// Requests in any 60 minutes.
    #[arg(long, value_name = "REQUESTS")]
    per_hour: Option<u32>,
    /// Requests in any 24 hours.
    #[arg(long, value_name = "REQUESTS")]
    per_day: Option<u32>,
    /// Report runs and refreshes in any 60 minutes.
    #[arg(long, value_name = "RUNS")]
    generation_per_hour: Option<u32>,
    /// Report runs and refreshes in any 24 hours.
    #[arg(long, value_name = "RUNS")]
    generation_per_day: Option<u32>,
}

impl OwnLimits {
    /// What is given, and what there was of the rest.
    fn over(&self, before: Limits) -> Limits {
        Limits {
            minute: self.per_minute.or(before.minute),
            hour: self.per_hour.or(before.hour),
            day: self.per_day.or(before.day),
            generation_hour: self.generation_per_hour.or(before.generation_hour),
            generation_day: self.generation_per_day.or(before.generation_day),
        }
    }
}

/// `key list`.
#[derive(Debug, Args)]
pub struct ListKeys {
    /// active, rotating, expiring, expired, revoked, stale or old.
    #[arg(long, value_parser = status_of)]
    status: Option<Sought>,
    /// Keys of this user, by e-mail.
    #[arg(long, value_name = "EMAIL")]
    user: Option<String>,
    /// Keys with this in their name.
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,
    #[command(flatten)]
    org: OrgOption,
}

/// `key show`.
#[derive(Debug, Args)]
pub struct ShowKey {
    /// The key's id, or its printed prefix.
    key: String,
}

fn status_of(text: &str) -> Result<Sought, String> {
    let found = Sought::ALL.into_iter().find(|sought| sought.as_str() == text);
    found.ok_or_else(|| format!("there are {}", Sought::ALL.map(Sought::as_str).join(", ")))
}

fn scope(text: &str) -> Result<Scope, String> {
    Scope::parse(text).ok_or_else(|| "there are read-only and read-write".to_owned())
}

/// Runs one.
pub fn run(globals: &Globals, command: KeyCommand) -> Result<(), Failure> {
    let output = Output::new(globals.json);
    with_instance(globals, async |instance| match &command {
        KeyCommand::Create(create) => run_create(instance, create, output).await,
        KeyCommand::List(list) => run_list(instance, list, output),
        KeyCommand::Show(show) => {
            let (_, view) = find(instance, &show.key)?;
            let now = instance.app.clock.now();
            output.facts(&facts(&view, now), || described(&view, now))
        }
        KeyCommand::Edit(edit) => edit::run(instance, edit, output).await,
        KeyCommand::Rotate(rotate) => life::run_rotate(instance, rotate, output).await,
        KeyCommand::Revoke(revoke) => life::run_revoke(instance, revoke, output).await,
        KeyCommand::RevokeAll(revoke) => life::run_revoke_all(instance, revoke, output).await,
        KeyCommand::Activity(show) => life::run_activity(instance, &show.key, output),
    })
}

async fn run_create(instance: &Instance, create: &CreateKey, output: Output) -> Result<(), Failure> {
    let app = &instance.app;
    let caller = OrgOption { org: create.org.clone() }.caller_as(app, &create.user)?;
    let request = KeyRequest {
        name: create.name.clone(),
        scope: create.scope,
        permissions: (!create.permissions.is_empty()).then(|| create.permissions.clone()),
        expires_at: create.expires.map(|span| caller.at.plus(span.duration())),
        ip_allowlist: create.addresses.clone(),
        reminder_days: create.reminder,
        limits: create.limits.over(Limits::default()),
    };
    let (view, text) = app.create_key(&caller, request, Plain).await?;
    instance.access_changed().await;
    if view.key.expires_at.is_none() {
        remark("This key never expires; `--expires 90d` makes one that does.");
    }
    print_new(&view, &text, app.clock.now(), output)
}

/// Prints a new key with its text: the text alone in a pipe.
fn print_new(view: &KeyView, text: &KeyText, now: Timestamp, output: Output) -> Result<(), Failure> {
    match output.form() {
        Form::Lines => output.line(text.expose()),
        Form::Json => {
            let mut described = described(view, now);
            described["key"] = json!(text.expose());
            output.json(&described)
        }
        Form::Table => {
            output.facts(&facts(view, now), || Value::Null)?;
            output.line(&format!("\n{}\n\nKeep it now: it is shown this once.", text.expose()))
        }
    }
}

fn run_list(instance: &Instance, list: &ListKeys, output: Output) -> Result<(), Failure> {
    let caller = list.org.caller(&instance.app)?;
    let filter = KeyFilter {
        q: list.name.clone(),
        status: list.status,
        user: list.user.as_ref().map(|email| Owner::Email(email.trim().to_lowercase())),
        ..KeyFilter::default()
    };
    let (mut views, mut cursor) = (Vec::new(), None);
    loop {
        let page = instance
            .app
            .keys(&caller, &ListRequest { filter: filter.clone(), ..ListRequest::after(cursor, MAX_SIZE) })?;
        views.extend(page.items);
        cursor = match page.more {
            More::Cursor(Some(next)) => Some(next),
            _ => break,
        };
    }
    let now = instance.app.clock.now();
    let rows: Vec<Vec<String>> = views.iter().map(|view| row(view, now)).collect();
    let heading = ["id", "prefix", "name", "owner", "may", "status", "created", "expires", "last used"];
    output.rows(&heading, &rows, || views.iter().map(|view| described(view, now)).collect())
}

/// The key of an id or printed prefix, whichever organisation it belongs to, and the operator as that one's owner.
fn find(instance: &Instance, text: &str) -> Result<(Caller, KeyView), Failure> {
    let app = &instance.app;
    let unknown = || Failure::failed(format!("there is no key `{}`; `claribi key list` shows them", shortened(text)));
    if text.starts_with("claribi_sk_") {
        // Whoever has the whole key at hand, because it leaked, need not cut it.
        let public = text.get(NAMED..PRINTED).ok_or_else(unknown)?;
        let found = app.store.read_now(|db| Ok(keys::find_by_public(db, public)?))?;
        let (org, key) = found.filter(|(_, key)| text.starts_with(&key.prefix())).ok_or_else(unknown)?;
        let caller = app.operator_of(org, &operator::name())?;
        let view = app.key(&caller, &IdRef::Number(key.id), text)?;
        return Ok((caller, view));
    }
    let id = IdRef::parse(text, BareIntegers::Accepted);
    for org in app.orgs()? {
        let caller = app.operator_of(org.id, &operator::name())?;
        if let Ok(view) = app.key(&caller, &id, text) {
            return Ok((caller, view));
        }
    }
    Err(unknown())
}

/// Characters before the public ones, `claribi_sk_live_`, and up to their end.
const NAMED: usize = 16;
const PRINTED: usize = 24;

/// As much of what was typed as may be shown: it may be a whole key.
fn shortened(text: &str) -> String {
    text.chars().take(PRINTED).collect()
}

fn row(view: &KeyView, now: Timestamp) -> Vec<String> {
    let key = &view.key;
    let used = view.usage.as_ref().map(|usage| usage.last_at);
    vec![
        key.id.prefixed(),
        key.prefix(),
        key.name.clone(),
        key.owner_email.clone(),
        granted(view),
        status(view, now),
        key.created_at.to_string(),
        key.expires_at.map_or_else(|| "never".to_owned(), |end| end.to_string()),
        used.map_or_else(|| "never".to_owned(), |at| at.to_string()),
    ]
}

fn facts(view: &KeyView, now: Timestamp) -> Vec<(&'static str, String)> {
    let names = ["id", "prefix", "name", "owner", "may", "status", "created", "expires", "last used"];
    let mut facts: Vec<_> = names.into_iter().zip(row(view, now)).collect();
    let permissions: Vec<&str> = view.permissions.iter().map(Permission::as_str).collect();
    facts.push(("permissions", permissions.join(" ")));
    if let Some(at) = view.key.revoked_at {
        facts.push(("revoked", at.to_string()));
    }
    if let Some(rotation) = view.key.rotation {
        if let Some((successor, _)) = rotation.successor {
            facts.push(("rotated into", format!("{}, works until {}", successor.prefixed(), rotation.grace_until)));
        }
        if let Some((predecessor, _)) = rotation.predecessor {
            facts.push(("rotated from", predecessor.prefixed()));
        }
    }
    if let Some(reminder) = view.key.reminder {
        facts.push(("reminder", format!("every {} days, next {}", reminder.days, reminder.next(now))));
    }
    if !view.key.allowlist.is_empty() {
        let networks: Vec<String> = view.key.allowlist.iter().map(ToString::to_string).collect();
        facts.push(("only from", networks.join(" ")));
    }
    if !view.key.limits.is_empty() {
        let own: Vec<String> = limits(view.key.limits)
            .into_iter()
            .map(|(name, most)| format!("{most} {}", name.replace('_', " ")))
            .collect();
        facts.push(("own limits", own.join(", ")));
    }
    facts.push(("calls", view.calls.to_string()));
    if let Some(usage) = &view.usage {
        facts.push(("last operation", usage.last_operation.clone()));
        facts.push(("last address", usage.last_address.clone()));
    }
    facts
}

/// Limits of a key's own by the names of their fields.
fn limits(limits: Limits) -> Vec<(&'static str, u32)> {
    WindowName::ALL.into_iter().filter_map(|window| Some((field_of(window), limits.get(window)?))).collect()
}

fn granted(view: &KeyView) -> String {
    match view.key.grant.scope() {
        Some(scope) => scope.as_str().to_owned(),
        None => format!("{} permissions", view.permissions.iter().count()),
    }
}

fn status(view: &KeyView, now: Timestamp) -> String {
    let flags = view.key.flags(now, view.usage.as_ref().map(|usage| usage.last_at));
    let status = view.key.status(now).as_str();
    let flags: Vec<&str> = flags.into_iter().map(Flag::as_str).collect();
    if flags.is_empty() { status.to_owned() } else { format!("{status} ({})", flags.join(", ")) }
}

/// As the `/v1/` face spells it.
fn described(view: &KeyView, now: Timestamp) -> Value {
    let key = &view.key;
    let used = view.usage.as_ref();
    json!({
        "id": key.id.prefixed(),
        "prefix": key.prefix(),
        "name": key.name,
        "scope": key.grant.scope().map(Scope::as_str),
        "permissions": view.permissions.iter().map(Permission::as_str).collect::<Vec<_>>(),
        "environment": key.environment.as_str(),
        "status": key.status(now).as_str(),
        "flags": key.flags(now, used.map(|usage| usage.last_at)).into_iter().map(Flag::as_str).collect::<Vec<_>>(),
        "ip_allowlist": key.allowlist,
        "limits": (!key.limits.is_empty()).then(|| limits(key.limits).into_iter().collect::<BTreeMap<_, _>>()),
        "created_at": key.created_at,
        "created_by": key.owner_email,
        "expires_at": key.expires_at,
        "revoked_at": key.revoked_at,
        "last_used": used.map(|usage| json!({
            "at": usage.last_at, "endpoint": usage.last_operation, "address": usage.last_address,
        })),
        "usage_count": view.calls,
        "age_days": key.age_days(now),
        "rotation": key.rotation.map(|rotation| json!({
            "successor_id": rotation.successor.map(|(id, _)| id.prefixed()),
            "predecessor_id": rotation.predecessor.map(|(id, _)| id.prefixed()),
            "grace_until": rotation.grace_until,
        })),
        "reminder_days": key.reminder.map(|reminder| reminder.days),
        "next_reminder_at": key.reminder.map(|reminder| reminder.next(now)),
    })
}
