//! `claribi org`: organisations, their plans and their credits.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::Globals;
use super::compose::{Instance, with_instance};
use super::failure::Failure;
use super::operator::{self, OrgOption};
use super::output::{Output, grouped};
use crate::domain::access::Role;
use crate::domain::id::Id;
use crate::domain::ledger::{LedgerEntry, LedgerFilter};
use crate::domain::org::{Org, OrgKind};
use crate::domain::page::{Direction, ListRequest, Order, PageRequest, SortBy};
use crate::service::organizations::Organization;
use crate::service::people::UserRequest;
use crate::service::setup::{Founder, Founding};

/// The commands.
#[derive(Debug, Subcommand)]
pub enum OrgCommand {
    /// Make an organization with its owner.
    #[command(after_help = "\
Example:
  echo \"$PASSWORD\" | claribi org create --name \"Globex\" --email hank@example.com --password-stdin

An organization of the kind sandbox stands alone. The sandbox that shares an organization's
people is made by POST /v1/organization/sandbox.")]
    Create(CreateOrg),
    /// List the organizations.
    List,
    /// Show an organization with its credits.
    Show(ShowOrg),
    /// Give an organization and its sandbox another plan; it holds from the next request on.
    SetPlan(SetPlan),
    /// Grant an organization credits for the present month.
    GrantCredits(GrantCredits),
    /// List the ledger of credits, newest first: what was granted, held, taken and given back.
    Credits(ShowLedger),
}

/// `org create`.
#[derive(Debug, Args)]
pub struct CreateOrg {
    /// The organization's name.
    #[arg(long)]
    name: String,
    /// The owner's e-mail, which is also the login.
    #[arg(long)]
    email: String,
    /// Read the owner's password from standard input; there is no other way to give it.
    #[arg(long, required = true)]
    password_stdin: bool,
    /// The organization's plan, one of the configuration's.
    #[arg(long, default_value = "enterprise")]
    plan: String,
    /// live, whose keys are for work, or sandbox, whose keys are for trying out.
    #[arg(long, value_parser = kind, default_value = "live")]
    kind: OrgKind,
}

fn kind(text: &str) -> Result<OrgKind, String> {
    OrgKind::parse(text).ok_or_else(|| "there are live and sandbox".to_owned())
}

/// `org show`.
#[derive(Debug, Args)]
pub struct ShowOrg {
    #[command(flatten)]
    org: OrgOption,
}

/// `org set-plan`.
#[derive(Debug, Args)]
pub struct SetPlan {
    /// One of the configuration's plans.
    plan: String,
    #[command(flatten)]
    org: OrgOption,
}

/// `org grant-credits`.
#[derive(Debug, Args)]
pub struct GrantCredits {
    /// How many, on top of the month's.
    credits: i64,
    #[command(flatten)]
    org: OrgOption,
}

/// `org credits`.
#[derive(Debug, Args)]
pub struct ShowLedger {
    /// How many entries at most.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
    #[command(flatten)]
    org: OrgOption,
}

/// Runs one.
pub fn run(globals: &Globals, command: OrgCommand) -> Result<(), Failure> {
    match command {
        OrgCommand::Create(create) => run_create(globals, &create),
        OrgCommand::List => run_list(globals),
        OrgCommand::Show(show) => with_instance(globals, async |instance| print(globals, instance, &show.org)),
        OrgCommand::SetPlan(set) => with_instance(globals, async |instance| {
            instance.app.set_plan(&set.org.caller(&instance.app)?, &set.plan).await?;
            instance.access_changed().await;
            print(globals, instance, &set.org)
        }),
        OrgCommand::GrantCredits(grant) => with_instance(globals, async |instance| {
            instance.app.grant_credits(&grant.org.caller(&instance.app)?, grant.credits).await?;
            print(globals, instance, &grant.org)
        }),
        OrgCommand::Credits(show) => with_instance(globals, async |instance| print_ledger(globals, instance, &show)),
    }
}

fn run_create(globals: &Globals, create: &CreateOrg) -> Result<(), Failure> {
    with_instance(globals, async |instance| {
        let founding = Founding {
            name: create.name.clone(),
            kind: create.kind,
            plan: create.plan.clone(),
            owner: UserRequest {
                email: create.email.clone(),
                first_name: String::new(),
                last_name: String::new(),
                role: Role::Owner,
                password: operator::password()?,
            },
            by: Founder::Operator(operator::name()),
        };
        let (org, _) = instance.app.found(founding).await?;
        print(globals, instance, &OrgOption { org: Some(org.prefixed()) })
    })
}

fn run_list(globals: &Globals) -> Result<(), Failure> {
    let output = Output::new(globals.json);
    with_instance(globals, async |instance| {
        let orgs = instance.app.orgs()?;
        let rows: Vec<Vec<String>> =
            orgs.iter().map(|org| facts(org).into_iter().map(|(_, value)| value).collect()).collect();
        output.rows(&["id", "name", "kind", "plan", "sandbox of", "created"], &rows, || {
            orgs.iter().map(described).collect()
        })
    })
}

fn print(globals: &Globals, instance: &Instance, org: &OrgOption) -> Result<(), Failure> {
    let Organization { org, credits, .. } = instance.app.own_organization(&org.caller(&instance.app)?)?;
    let balance = credits.balance;
    let mut all = facts(&org);
    let number = |count: i64| grouped(u64::try_from(count).unwrap_or(0));
    all.push(("credits", format!("{} of {} left", number(balance.remaining()), number(balance.limit))));
    Output::new(globals.json).facts(&all, || {
        let mut value = described(&org);
        value["credits"] = json!({
            "remaining": balance.remaining(), "used": balance.used, "reserved": balance.reserved,
            "limit": balance.limit, "resets_at": credits.resets_at,
        });
        value
    })
}

fn print_ledger(globals: &Globals, instance: &Instance, show: &ShowLedger) -> Result<(), Failure> {
    let newest = ListRequest {
        page: PageRequest::Number { page: 1, size: show.limit },
        order: Order { by: SortBy::CreatedAt, direction: Direction::Descending },
        filter: LedgerFilter::default(),
    };
    let entries = instance.app.ledger(&show.org.caller(&instance.app)?, &newest)?.items;
    let rows: Vec<Vec<String>> = entries.iter().map(ledger_row).collect();
    let heading = ["entry", "when", "what", "credits", "balance", "operation", "who", "for"];
    Output::new(globals.json).rows(&heading, &rows, || entries.iter().map(ledger_described).collect())
}

fn ledger_row(entry: &LedgerEntry) -> Vec<String> {
    let who = entry.operator.as_ref().map(|name| format!("operator {name}"));
    let who = who.or(entry.key.map(Id::prefixed)).or(entry.user.map(Id::prefixed));
    let what_for = entry.run.map(Id::prefixed).or(entry.dashboard.map(Id::prefixed));
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    vec![
        entry.id.prefixed(),
        entry.created_at.to_string(),
        entry.kind.as_str().to_owned(),
        entry.amount.to_string(),
        entry.balance.to_string(),
        or_dash(entry.operation.clone()),
        or_dash(who),
        or_dash(what_for),
    ]
}

fn ledger_described(entry: &LedgerEntry) -> Value {
    json!({
        "id": entry.id.prefixed(),
        "created_at": entry.created_at,
        "kind": entry.kind.as_str(),
        "amount": entry.amount,
        "change": entry.kind.change(entry.amount),
        "balance": entry.balance,
        "reservation": entry.reservation,
        "operation": entry.operation,
        "user_id": entry.user.map(Id::prefixed),
        "key_id": entry.key.map(Id::prefixed),
        "run_id": entry.run.map(Id::prefixed),
        "dashboard_id": entry.dashboard.map(Id::prefixed),
        "operator": entry.operator,
    })
}

fn facts(org: &Org) -> Vec<(&'static str, String)> {
    vec![
        ("id", org.id.prefixed()),
        ("name", org.name.clone()),
        ("kind", org.kind.as_str().to_owned()),
        ("plan", org.plan.clone()),
        ("sandbox of", org.parent.map_or_else(String::new, crate::domain::id::Id::prefixed)),
        ("created", org.created_at.to_string()),
    ]
}

fn described(org: &Org) -> Value {
    json!({
        "id": org.id.prefixed(),
        "name": org.name,
        "kind": org.kind.as_str(),
        "plan": org.plan,
        "sandbox_of": org.parent.map(crate::domain::id::Id::prefixed),
        "created_at": org.created_at,
    })
}
