//! Who sits at the machine, which organisation a command acts in, and secrets from standard input.

use std::io::{IsTerminal, Read};

use clap::Args;
use zeroize::Zeroizing;

use super::failure::Failure;
use crate::domain::id::{IdRef, UserId};
use crate::domain::org::Org;
use crate::domain::password::MAX_BYTES;
use crate::service::app::App;
use crate::service::caller::Caller;
use crate::service::setup::org_ref;
use crate::store::main::users;

/// The organisation that a command acts in.
#[derive(Debug, Args)]
pub struct OrgOption {
    /// The organization, by id or name; not needed when there is only one.
    #[arg(long, value_name = "ORG")]
    pub org: Option<String>,
}

impl OrgOption {
    /// The organisation that was named, or the only one there is.
    pub fn find(&self, app: &App) -> Result<Org, Failure> {
        let mut orgs = app.orgs()?;
        let Some(text) = &self.org else {
            // An organisation and its sandbox are one to those who name none.
            let mut own: Vec<usize> = (0..orgs.len()).filter(|place| orgs[*place].parent.is_none()).collect();
            if let (Some(only), true) = (own.pop(), own.is_empty()) {
                return Ok(orgs.remove(only));
            }
            let known = known(&orgs);
            return Err(match orgs.len() {
                0 => Failure::failed("there is no organization yet; make one with `claribi init`"),
                _ => Failure::usage(format!("there is more than one organization; name one with --org: {known}")),
            });
        };
        let id = org_ref(text);
        let by_id = orgs.iter().position(|org| IdRef::Number(org.id) == id || IdRef::Uuid(org.uuid) == id);
        match by_id.or_else(|| orgs.iter().position(|org| org.name == *text)) {
            Some(place) => Ok(orgs.remove(place)),
            None => Err(Failure::failed(format!("there is no organization `{text}`; there are: {}", known(&orgs)))),
        }
    }

    /// The operator as the user of this e-mail: in the organisation that was named, or in the user's own.
    pub fn caller_as(&self, app: &App, email: &str) -> Result<Caller, Failure> {
        let user = user(app, email)?;
        Ok(match self.org {
            Some(_) => app.operator_in(self.find(app)?.id, user, &name())?,
            None => app.operator_as(user, &name())?,
        })
    }

    /// The operator with the rights of that organisation's owner.
    pub fn caller(&self, app: &App) -> Result<Caller, Failure> {
        Ok(app.operator_of(self.find(app)?.id, &name())?)
    }
}

fn known(orgs: &[Org]) -> String {
    let names: Vec<String> = orgs.iter().map(|org| format!("{} ({})", org.id.prefixed(), org.name)).collect();
    names.join(", ")
}

/// The user of this e-mail.
pub fn user(app: &App, email: &str) -> Result<UserId, Failure> {
    let wanted = email.trim().to_lowercase();
    let found = app.store.read_now(|db| Ok(users::find_by_email(db, &wanted)?))?;
    found.map(|user| user.id).ok_or_else(|| {
        Failure::failed(format!("there is no user with the e-mail {wanted}; `claribi user list` shows who there is"))
    })
}

/// The name of the account that runs this program, for the record of changes.
pub fn name() -> String {
    let id = rustix::process::getuid().as_raw();
    let accounts = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    account(&accounts, id).unwrap_or_else(|| format!("uid {id}"))
}

fn account(accounts: &str, id: u32) -> Option<String> {
    accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(id)).then(|| name.to_owned())
    })
}

/// A password: typed unseen on a terminal, otherwise the text of standard input without its last line break.
pub fn password() -> Result<Zeroizing<String>, Failure> {
    if std::io::stdin().is_terminal() {
        let typed = dialoguer::Password::new()
            .with_prompt("Password")
            .with_confirmation("Once more", "These were not the same.")
            .interact()
            .map_err(|error| Failure::failed(format!("the password could not be read: {error}")))?;
        return Ok(Zeroizing::new(typed));
    }
    let mut text = Zeroizing::new(String::new());
    // More is no password, and need not be read to be refused.
    let mut input = std::io::stdin().lock().take(MAX_BYTES as u64 + 3);
    input.read_to_string(&mut text).map_err(|_| Failure::usage("the password on standard input is not UTF-8 text"))?;
    let length = text.strip_suffix('\n').map_or(text.len(), |line| line.strip_suffix('\r').unwrap_or(line).len());
    text.truncate(length);
    if text.is_empty() {
        return Err(Failure::usage("standard input is empty; write the password to it: `… --password-stdin < file`"));
    }
    if text.contains('\n') {
        return Err(Failure::usage("standard input has more than one line; write the password alone to it"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_found_by_their_number() {
        let accounts = "root:x:0:0:root:/root:/bin/sh\nbroken\nada:x:1000:1000::/home/ada:/bin/sh\n";
        assert_eq!(account(accounts, 1000).as_deref(), Some("ada"));
        assert_eq!(account(accounts, 1), None);
    }
}
