//! `claribi init`: a data directory with one organisation and its owner, or one whose owner the next `serve` invites.

use std::io::IsTerminal;

use clap::Args;
use serde_json::json;
use zeroize::Zeroizing;

use super::compose::{self, log_of_command};
use super::failure::Failure;
use super::output::{Form, Output};
use super::{DATA_DIR, Globals, operator};
use crate::config::Config;
use crate::datadir::{DataDir, DataDirError};
use crate::domain::access::Role as UserRole;
use crate::domain::error::Error;
use crate::domain::id::{OrgId, UserId};
use crate::domain::org::{self, OrgKind};
use crate::service::adopt::Adopt;
use crate::service::people::UserRequest;
use crate::service::setup::{DEFAULT_PLAN, Founder, Founding};
use crate::store::Role;

/// `init`.
#[derive(Debug, Args)]
pub struct Init {
    #[command(flatten)]
    owner: Option<Owner>,
    /// Make no organization: the next `serve` prints a one-time link, by which it is made in a browser.
    #[arg(long, conflicts_with = "Owner")]
    setup_link: bool,
}

/// The first organization and its owner.
#[derive(Debug, Args)]
struct Owner {
    /// The organization's name.
    #[arg(long, value_name = "NAME", required = false, required_unless_present = "setup_link")]
    org: String,
    /// The owner's e-mail, which is also the login.
    #[arg(long, required = false, required_unless_present = "setup_link")]
    email: String,
    /// Read the owner's password from standard input; without it a terminal is asked, twice.
    #[arg(long)]
    password_stdin: bool,
    /// The organization's plan, one of the configuration's.
    #[arg(long, default_value = DEFAULT_PLAN)]
    plan: String,
}

/// Runs it.
pub fn run(globals: &Globals, init: &Init) -> Result<(), Failure> {
    let config = globals.config(Vec::new())?;
    log_of_command(&config)?;
    let path = globals.data_dir(DATA_DIR);
    if path.join("claribi.db").exists() {
        return Err(DataDirError::Exists(path).into());
    }
    let password = init.owner.as_ref().map(|owner| checked(&config, owner)).transpose()?;
    // Only from here on is anything written.
    let data = compose::make_data(&path)?;
    let made = fill(&config, init.owner.as_ref().zip(password), &data);
    if made.is_err() {
        // It was empty or not there before, so all of it is this command's.
        let _ = std::fs::remove_dir_all(data.root());
    }
    let output = Output::new(globals.json);
    let shown = path.display().to_string();
    match (made?, &init.owner) {
        (Some((org, user)), Some(owner)) => told(output, &shown, owner, &org.prefixed(), &user.prefixed()),
        _ => told_of_link(output, &shown),
    }
}

fn told(output: Output, shown: &str, owner: &Owner, org: &str, user: &str) -> Result<(), Failure> {
    match output.form() {
        Form::Json => {
            output.json(&json!({"data_dir": shown, "organization": org, "user": user, "plan": owner.plan}))
        }
        Form::Lines => output.lines(&[vec![shown.to_owned(), org.to_owned(), user.to_owned()]]),
        Form::Table => output.line(&format!(
            "Made {shown} with the organization {} and its owner {}.\n\nServe it:\n  claribi serve --data-dir {shown}\nMake a key:\n  claribi key create --data-dir {shown} --user {} --name first --expires 90d",
            owner.org, owner.email, owner.email
        )),
    }
}

fn told_of_link(output: Output, shown: &str) -> Result<(), Failure> {
    match output.form() {
        Form::Json => output.json(&json!({"data_dir": shown, "organization": null, "user": null, "plan": null})),
        Form::Lines => output.lines(&[vec![shown.to_owned()]]),
        Form::Table => output.line(&format!(
            "Made {shown} without an organization.\n\nServe it and open the link that it prints, which is good for 30 minutes:\n  claribi serve --data-dir {shown}"
        )),
    }
}

/// Refuses what would leave a directory half made, and reads the password.
fn checked(config: &Config, init: &Owner) -> Result<Zeroizing<String>, Failure> {
    org::name("org", &init.org, 200)?;
    let email = org::email(&init.email)?;
    if !config.plans.contains_key(&init.plan) {
        let known: Vec<&str> = config.plans.keys().map(String::as_str).collect();
        return Err(Error::field("plan", format!("names no plan; there are {}", known.join(", "))).into());
    }
    if !init.password_stdin && !std::io::stdin().is_terminal() {
        return Err(Failure::usage("standard input is no terminal: write the password to it and add --password-stdin"));
    }
    let password = operator::password()?;
    crate::domain::password::check(&password, &email).map_err(|weakness| Failure::usage(weakness.to_string()))?;
    Ok(password)
}

/// Makes the databases and, for an owner with a password, the organisation.
fn fill(
    config: &Config,
    owner: Option<(&Owner, Zeroizing<String>)>,
    data: &DataDir,
) -> Result<Option<(OrgId, UserId)>, Failure> {
    let _lock = data.lock()?;
    let app = compose::app(config, data, Role::Owner, &data.tmp())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let made = owner.map(|(owner, password)| runtime.block_on(app.found(founding(owner, password)))).transpose();
    drop(runtime);
    app.adopt_changes(Adopt::All)?;
    app.store.close();
    Ok(made?)
}

fn founding(owner: &Owner, password: Zeroizing<String>) -> Founding {
    Founding {
        name: owner.org.clone(),
        kind: OrgKind::Live,
        plan: owner.plan.clone(),
        owner: UserRequest {
            email: owner.email.clone(),
            first_name: String::new(),
            last_name: String::new(),
            role: UserRole::Owner,
            password,
        },
        by: Founder::Operator(operator::name()),
    }
}
