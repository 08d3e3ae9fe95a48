//! `claribi user`: the people of an organisation.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::Globals;
use super::compose::{Instance, with_instance};
use super::failure::Failure;
use super::operator::{self, OrgOption};
use super::output::{Form, Output, remark};
use crate::domain::access::Role;
use crate::domain::id::{BareIntegers, IdRef, User as UserKind};
use crate::domain::page::{ListRequest, MAX_SIZE, More};
use crate::domain::user::{Status, User, UserFilter, UserPatch};
use crate::service::caller::Caller;
use crate::service::links::{Invitation, Link};
use crate::service::once::Plain;
use crate::service::people::UserRequest;
use crate::store::main::users;

/// The commands.
#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// Add a user: with a password, or with a link by which they choose one.
    #[command(after_help = "\
Examples:
  claribi user create --email grace@example.com --role analyst
  claribi user create --email grace@example.com --role analyst --password-stdin < password.txt

Without --password-stdin a link is printed that works once; in a pipe the link alone.")]
    Create(CreateUser),
    /// List the users.
    List(ListUsers),
    /// Give a user another role; it holds from the next request on.
    SetRole(SetRole),
    /// Keep a user and their keys out; sessions end.
    Deactivate(OneUser),
    /// Let a deactivated user and their keys in again.
    Reactivate(OneUser),
    /// Print a link by which a user chooses another password; it works once.
    ///
    /// The present password stays until the link is used. Then all sessions end.
    ResetPassword(OneUser),
    /// Forget the failed logins of a user, and of the addresses that they came from.
    #[command(after_help = "Example:\n  claribi user unlock grace@example.com")]
    Unlock(UnlockUser),
}

/// `user create`.
#[derive(Debug, Args)]
pub struct CreateUser {
    /// The e-mail, which is also the login.
    #[arg(long)]
    email: String,
    /// owner, administrator, analyst or viewer.
    #[arg(long, value_parser = role)]
    role: Role,
    /// The first name.
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    first_name: String,
    /// The last name.
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    last_name: String,
    /// Read the password from standard input; there is no other way to give it.
    #[arg(long)]
    password_stdin: bool,
    #[command(flatten)]
    org: OrgOption,
}

/// `user list`.
#[derive(Debug, Args)]
pub struct ListUsers {
    /// Only users with this role.
    #[arg(long, value_parser = role)]
    role: Option<Role>,
    /// Only users with this status: invited, active or deactivated.
    #[arg(long, value_parser = status)]
    status: Option<Status>,
    #[command(flatten)]
    org: OrgOption,
}

/// `user unlock`.
#[derive(Debug, Args)]
pub struct UnlockUser {
    /// The user's e-mail.
    #[arg(value_name = "EMAIL")]
    email: String,
}

/// `user set-role`.
#[derive(Debug, Args)]
pub struct SetRole {
    /// Whom, by e-mail or id.
    user: String,
    /// owner, administrator, analyst or viewer.
    #[arg(value_parser = role)]
    role: Role,
}

/// A command about one user.
#[derive(Debug, Args)]
pub struct OneUser {
    /// Whom, by e-mail or id.
    user: String,
}

fn role(text: &str) -> Result<Role, String> {
    Role::parse(text).ok_or_else(|| "there are owner, administrator, analyst and viewer".to_owned())
}

fn status(text: &str) -> Result<Status, String> {
    Status::parse(text).ok_or_else(|| "there are invited, active and deactivated".to_owned())
}

/// Runs one.
pub fn run(globals: &Globals, command: UserCommand) -> Result<(), Failure> {
    match command {
        UserCommand::Create(create) if create.password_stdin => run_create(globals, &create),
        UserCommand::Create(create) => run_invite(globals, create),
        UserCommand::List(list) => run_list(globals, &list),
        UserCommand::SetRole(set) => {
            let patch = UserPatch { role: Some(set.role), ..UserPatch::default() };
            change(globals, &set.user, async |instance, caller, id| {
                Ok(instance.app.update_user(caller, &id, &set.user, patch).await?)
            })
        }
        UserCommand::Deactivate(one) => change(globals, &one.user, async |instance, caller, id| {
            Ok(instance.app.deactivate_user(caller, &id, &one.user).await?)
        }),
        UserCommand::Reactivate(one) => change(globals, &one.user, async |instance, caller, id| {
            Ok(instance.app.reactivate_user(caller, &id, &one.user).await?)
        }),
        UserCommand::ResetPassword(one) => run_reset(globals, &one),
        UserCommand::Unlock(unlock) => run_unlock(globals, &unlock),
    }
}

fn run_unlock(globals: &Globals, unlock: &UnlockUser) -> Result<(), Failure> {
    let output = Output::new(globals.json);
    with_instance(globals, async |instance| {
        let user = operator::user(&instance.app, &unlock.email)?;
        let name = operator::name();
        let org = instance.app.operator_as(user, &name)?.org();
        let caller = instance.app.operator_of(org, &name)?;
        let failures = instance.app.unlock(&caller, user).await?;
        let facts = [("user", user.prefixed()), ("forgotten failures", failures.to_string())];
        output.facts(&facts, || json!({"id": user.prefixed(), "forgotten_failures": failures}))
    })
}

fn run_create(globals: &Globals, create: &CreateUser) -> Result<(), Failure> {
    let output = Output::new(globals.json);
    with_instance(globals, async |instance| {
        let caller = create.org.caller(&instance.app)?;
        let request = UserRequest {
            email: create.email.clone(),
            first_name: create.first_name.clone(),
            last_name: create.last_name.clone(),
            role: create.role,
            password: operator::password()?,
        };
        let user = instance.app.create_user(&caller, request).await?;
        instance.access_changed().await;
        output.facts(&facts(&user), || described(&user))
    })
}

fn run_invite(globals: &Globals, create: CreateUser) -> Result<(), Failure> {
    let origin = origin(globals)?;
    with_instance(globals, async |instance| {
        let caller = create.org.caller(&instance.app)?;
        let CreateUser { email, role, first_name, last_name, .. } = create;
        let invitation = Invitation { email, role, first_name, last_name };
        let (user, link) = instance.app.invite(&caller, invitation, Plain).await?;
        print_link(globals, &user, &link, &origin, "invitation")
    })
}

fn run_reset(globals: &Globals, one: &OneUser) -> Result<(), Failure> {
    let origin = origin(globals)?;
    with_instance(globals, async |instance| {
        let (caller, user) = found(instance, &one.user)?;
        let link = instance.app.offer_reset(&caller, &IdRef::Number(user.id), &one.user).await?;
        print_link(globals, &user, &link, &origin, "reset")
    })
}

/// The link alone in a pipe; on a terminal also what it is.
fn print_link(globals: &Globals, user: &User, link: &Link, origin: &str, what: &str) -> Result<(), Failure> {
    let (output, url) = (Output::new(globals.json), link.url(origin));
    match output.form() {
        Form::Json => {
            let mut value = described(user);
            value[what] = json!({"url": url, "expires_at": link.expires_at});
            output.json(&value)
        }
        Form::Lines => output.line(&url),
        Form::Table => {
            remark(&format!(
                "Give this link to {}. It works once, until {}, and is not shown again.",
                user.email, link.expires_at
            ));
            output.line(&url)
        }
    }
}

fn change(
    globals: &Globals,
    text: &str,
    work: impl AsyncFnOnce(&Instance, &Caller, IdRef<UserKind>) -> Result<User, Failure>,
) -> Result<(), Failure> {
    let output = Output::new(globals.json);
    with_instance(globals, async |instance| {
        let (caller, user) = found(instance, text)?;
        let user = work(instance, &caller, IdRef::Number(user.id)).await?;
        instance.access_changed().await;
        output.facts(&facts(&user), || described(&user))
    })
}

/// The user of an e-mail or id, in whichever organisation, and the operator with the rights of its owner.
fn found(instance: &Instance, text: &str) -> Result<(Caller, User), Failure> {
    let app = &instance.app;
    let user = app.store.read_now(|db| {
        if text.contains('@') {
            return Ok(users::find_by_email(db, &text.trim().to_lowercase())?);
        }
        let id = IdRef::<UserKind>::parse(text, BareIntegers::Accepted);
        for org in app.orgs()? {
            if let Some(user) = users::find(db, org.id, &id)? {
                return Ok(Some(user));
            }
        }
        Ok(None)
    })?;
    let user = user.ok_or_else(|| {
        Failure::failed(format!("there is no user `{}`; `claribi user list` shows who there is", text.trim()))
    })?;
    Ok((app.operator_of(user.org, &operator::name())?, user))
}

/// Where this installation is reached, for links.
fn origin(globals: &Globals) -> Result<String, Failure> {
    let server = globals.config(Vec::new())?.server;
    Ok(server.public_url.map_or_else(|| format!("http://{}", server.listen), |url| url.as_str().to_owned()))
}

fn run_list(globals: &Globals, list: &ListUsers) -> Result<(), Failure> {
    let output = Output::new(globals.json);
    with_instance(globals, async |instance| {
        let caller = list.org.caller(&instance.app)?;
        let users = all(instance, &caller, list)?;
        let rows: Vec<Vec<String>> =
            users.iter().map(|user| facts(user).into_iter().map(|(_, value)| value).collect()).collect();
        output.rows(&["id", "e-mail", "role", "status", "name", "created"], &rows, || {
            users.iter().map(described).collect()
        })
    })
}

fn all(instance: &Instance, caller: &Caller, list: &ListUsers) -> Result<Vec<User>, Failure> {
    let filter = UserFilter { role: list.role, status: list.status, ..UserFilter::default() };
    let mut request = ListRequest { filter, ..ListRequest::after(None, MAX_SIZE) };
    let mut found = Vec::new();
    loop {
        let page = instance.app.users(caller, &request)?;
        found.extend(page.items);
        let More::Cursor(Some(next)) = page.more else { return Ok(found) };
        request.page = ListRequest::<UserFilter>::after(Some(next), MAX_SIZE).page;
    }
}

fn facts(user: &User) -> Vec<(&'static str, String)> {
    vec![
        ("id", user.id.prefixed()),
        ("e-mail", user.email.clone()),
        ("role", user.role.as_str().to_owned()),
        ("status", user.status.as_str().to_owned()),
        ("name", format!("{} {}", user.first_name, user.last_name).trim().to_owned()),
        ("created", user.created_at.to_string()),
    ]
}

fn described(user: &User) -> Value {
    json!({
        "id": user.id.prefixed(),
        "email": user.email,
        "role": user.role.as_str(),
        "status": user.status.as_str(),
        "first_name": user.first_name,
        "last_name": user.last_name,
        "organization": user.org.prefixed(),
        "created_at": user.created_at,
    })
}
