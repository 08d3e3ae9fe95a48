//! `claribi user`: the people of an organisation.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::Globals;
use super::compose::with_instance;
use super::failure::Failure;
use super::operator::{self, OrgOption};
use super::output::Output;
use crate::domain::access::Role;
use crate::domain::org::User;
use crate::service::people::UserRequest;

/// The commands.
#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// Add a user.
    #[command(
        after_help = "Example:\n  claribi user create --email grace@example.com --role analyst --password-stdin < password.txt"
    )]
    Create(CreateUser),
    /// List the users.
    List(ListUsers),
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
    #[arg(long, required = true)]
    password_stdin: bool,
    #[command(flatten)]
    org: OrgOption,
}

/// `user list`.
#[derive(Debug, Args)]
pub struct ListUsers {
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

fn role(text: &str) -> Result<Role, String> {
    Role::parse(text).ok_or_else(|| "there are owner, administrator, analyst and viewer".to_owned())
}

/// Runs one.
pub fn run(globals: &Globals, command: UserCommand) -> Result<(), Failure> {
    match command {
        UserCommand::Create(create) => run_create(globals, create),
        UserCommand::List(list) => run_list(globals, &list),
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

fn run_create(globals: &Globals, create: CreateUser) -> Result<(), Failure> {
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

fn run_list(globals: &Globals, list: &ListUsers) -> Result<(), Failure> {
    let output = Output::new(globals.json);
    with_instance(globals, async |instance| {
        let users = instance.app.users(&list.org.caller(&instance.app)?)?;
        let rows: Vec<Vec<String>> =
            users.iter().map(|user| facts(user).into_iter().map(|(_, value)| value).collect()).collect();
        output.rows(&["id", "e-mail", "role", "name", "created"], &rows, || users.iter().map(described).collect())
    })
}

fn facts(user: &User) -> Vec<(&'static str, String)> {
    vec![
        ("id", user.id.prefixed()),
        ("e-mail", user.email.clone()),
        ("role", user.role.as_str().to_owned()),
        ("name", format!("{} {}", user.first_name, user.last_name).trim().to_owned()),
        ("created", user.created_at.to_string()),
    ]
}

fn described(user: &User) -> Value {
    json!({
        "id": user.id.prefixed(),
        "email": user.email,
        "role": user.role.as_str(),
        "first_name": user.first_name,
        "last_name": user.last_name,
        "organization": user.org.prefixed(),
        "created_at": user.created_at,
    })
}
