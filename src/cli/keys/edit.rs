//! `claribi key edit`: what can be changed of a key that works.

use clap::Args;

use super::{OwnLimits, described, facts, find, scope};
use crate::cli::compose::Instance;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::config::Period;
use crate::domain::access::Scope;
use crate::domain::id::IdRef;
use crate::domain::key::Key;
use crate::domain::time::Timestamp;
use crate::domain::window::Limits;
use crate::service::keys::KeyPatch;

/// `key edit`.
#[derive(Debug, Args)]
pub struct EditKey {
    /// The key's id, or its printed prefix.
    key: String,
    /// What the key is for.
    #[arg(long)]
    name: Option<String>,
    /// read-only or read-write, within what the key was given.
    #[arg(long, value_parser = scope, conflicts_with = "permissions")]
    scope: Option<Scope>,
    /// A single permission, within what the key was given; may be given several times.
    #[arg(long = "permission", value_name = "PERMISSION")]
    permissions: Vec<String>,
    /// For how long it is valid from now on, such as 90d, or never.
    #[arg(long, value_name = "SPAN", value_parser = expiry)]
    expires: Option<Expiry>,
    /// An address or network that it may be used from, in place of those it has; may be given several times.
    #[arg(long = "ip", value_name = "CIDR")]
    addresses: Vec<String>,
    /// Let it be used from anywhere.
    #[arg(long, conflicts_with = "addresses")]
    no_ip: bool,
    /// Note that the key is to be looked at every 30, 60 or 90 days; `key show` tells when next.
    #[arg(long, value_name = "DAYS")]
    reminder: Option<u32>,
    /// No reminder.
    #[arg(long, conflicts_with = "reminder")]
    no_reminder: bool,
    #[command(flatten)]
    limits: OwnLimits,
    /// Let the plan's limits alone hold.
    #[arg(long)]
    no_limits: bool,
}

/// When a key is to end.
#[derive(Debug, Clone, Copy)]
enum Expiry {
    Never,
    In(Period),
}

fn expiry(text: &str) -> Result<Expiry, String> {
    if text == "never" { Ok(Expiry::Never) } else { text.parse().map(Expiry::In) }
}

impl EditKey {
    fn patch(&self, key: &Key, now: Timestamp) -> KeyPatch {
        let before = if self.no_limits { Limits::default() } else { key.limits };
        let limits = self.limits.over(before);
        KeyPatch {
            name: self.name.clone(),
            scope: self.scope,
            permissions: (!self.permissions.is_empty()).then(|| self.permissions.clone()),
            expires_at: self.expires.map(|expiry| match expiry {
                Expiry::Never => None,
                Expiry::In(span) => Some(now.plus(span.duration())),
            }),
            ip_allowlist: (self.no_ip || !self.addresses.is_empty()).then(|| self.addresses.clone()),
            reminder_days: (self.no_reminder || self.reminder.is_some()).then_some(self.reminder),
            limits: (self.no_limits || limits != key.limits).then_some(limits),
        }
    }
}

pub(super) async fn run(instance: &Instance, edit: &EditKey, output: Output) -> Result<(), Failure> {
    let (caller, view) = find(instance, &edit.key)?;
    let (id, patch) = (view.key.id, edit.patch(&view.key, caller.at));
    let view = instance.app.update_key(&caller, &IdRef::Number(id), &id.prefixed(), patch).await?;
    instance.access_changed().await;
    let now = instance.app.clock.now();
    output.facts(&facts(&view, now), || described(&view, now))
}
