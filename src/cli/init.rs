//! `claribi init`: a data directory with one organisation and its owner.

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
use crate::service::setup::Founding;
use crate::store::Role;

/// `init`.
#[derive(Debug, Args)]
pub struct Init {
    /// The organization's name.
    #[arg(long, value_name = "NAME")]
    org: String,
    /// The owner's e-mail, which is also the login.
    #[arg(long)]
    email: String,
    /// Read the owner's password from standard input; there is no other way to give it.
    #[arg(long, required = true)]
    password_stdin: bool,
    /// The organization's plan, one of the configuration's.
    #[arg(long, default_value = "enterprise")]
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
    let password = checked(&config, init)?;
    // Only from here on is anything written.
    let data = compose::make_data(&path)?;
    let made = found(&config, init, password, &data);
    if made.is_err() {
        // It was empty or not there before, so all of it is this command's.
        let _ = std::fs::remove_dir_all(data.root());
    }
    let (org, owner) = made?;
    let output = Output::new(globals.json);
    let shown = path.display().to_string();
    match output.form() {
        Form::Json => output.json(&json!({
            "data_dir": shown, "organization": org.prefixed(), "user": owner.prefixed(), "plan": init.plan,
        })),
        Form::Lines => output.lines(&[vec![shown, org.prefixed(), owner.prefixed()]]),
        Form::Table => output.line(&format!(
            "Made {shown} with the organization {} and its owner {}.\n\nServe it:\n  claribi serve --data-dir {shown}\nMake a key:\n  claribi key create --data-dir {shown} --user {} --name first --expires 90d",
            init.org, init.email, init.email
        )),
    }
}

/// Refuses what would leave a directory half made, and reads the password.
fn checked(config: &Config, init: &Init) -> Result<Zeroizing<String>, Failure> {
    org::name("org", &init.org, 200)?;
    let email = org::email(&init.email)?;
    if !config.plans.contains_key(&init.plan) {
        let known: Vec<&str> = config.plans.keys().map(String::as_str).collect();
        return Err(Error::field("plan", format!("names no plan; there are {}", known.join(", "))).into());
    }
    let password = operator::password()?;
    crate::domain::password::check(&password, &email).map_err(|weakness| Failure::usage(weakness.to_string()))?;
    Ok(password)
}

fn found(
    config: &Config,
    init: &Init,
    password: Zeroizing<String>,
    data: &DataDir,
) -> Result<(OrgId, UserId), Failure> {
    let _lock = data.lock()?;
    let app = compose::app(config, data, Role::Owner, &data.tmp())?;
    let founding = Founding {
        name: init.org.clone(),
        kind: OrgKind::Live,
        plan: init.plan.clone(),
        owner: UserRequest {
            email: init.email.clone(),
            first_name: String::new(),
            last_name: String::new(),
            role: UserRole::Owner,
            password,
        },
        operator: operator::name(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let made = runtime.block_on(app.found(founding));
    drop(runtime);
    app.adopt_changes(Adopt::All)?;
    app.store.close();
    Ok(made?)
}
