//! The command line: what there is, and from a command's failure to one sentence and an exit code.
//!
//! One file for each group of commands. A command without a server takes the lock and is the installation's owner; one
//! beside a server is a guest (see [`compose`]).

mod audit;
mod compose;
mod failure;
mod init;
mod keys;
mod openapi;
mod operator;
mod orgs;
mod output;
mod previews;
mod query;
mod read_as;
mod reports;
mod sandbox;
mod secrets;
mod serve;
mod settings;
mod sources;
#[cfg(test)]
mod tests;
mod usage;
mod users;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Parser, Subcommand};

use self::failure::Failure;
use self::output::{Output, remark};
use crate::worker::child;

/// Where an installation lies by default.
const DATA_DIR: &str = "./claribi-data";
/// Where a sandbox lies by default.
const SANDBOX_DIR: &str = "./claribi-sandbox";

/// claribi: a self-hosted BI API in one binary.
#[derive(Debug, Parser)]
#[command(
    name = "claribi",
    version,
    about = "A self-hosted BI API in one binary: dashboards, reports and queries over your data, governed by API keys",
    after_help = "\
Begin here:
  claribi sandbox        sample data, dashboards and a key: try the API within a minute
  claribi init --help    an installation of your own

Settings are read from --config, then from variables CLARIBI_<SECTION>__<NAME>; config.example.toml explains each.
Exit codes: 0 done, 1 failed, 2 wrong usage.",
    max_term_width = 100,
    disable_help_subcommand = true
)]
pub struct Cli {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    command: Option<Command>,
}

/// Options of every command.
#[derive(Debug, Args)]
#[command(next_help_heading = "Options of every command")]
pub struct Globals {
    /// The data directory; by default ./claribi-data, for the sandbox ./claribi-sandbox.
    #[arg(
        long,
        global = true,
        env = "CLARIBI_DATA_DIR",
        hide_env_values = true,
        value_name = "DIR",
        display_order = 900
    )]
    data_dir: Option<PathBuf>,
    /// The configuration file.
    #[arg(
        long,
        global = true,
        env = "CLARIBI_CONFIG",
        hide_env_values = true,
        value_name = "FILE",
        display_order = 901
    )]
    config: Option<PathBuf>,
    /// Print JSON.
    #[arg(long, global = true, display_order = 902)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve a sandbox: sample data, dashboards, users of every role and a key.
    Sandbox(sandbox::Sandbox),
    /// Make a data directory with an organization and its owner.
    #[command(after_help = "\
Example:
  echo \"$PASSWORD\" | claribi init --org \"Acme Corp\" --email ada@example.com --password-stdin")]
    Init(init::Init),
    /// Serve the API from a data directory.
    Serve(serve::Serve),
    /// Make and list organizations, set their plans, grant credits.
    #[command(subcommand, arg_required_else_help = true)]
    Org(orgs::OrgCommand),
    /// Add, list, manage and unlock users.
    #[command(subcommand, arg_required_else_help = true)]
    User(users::UserCommand),
    /// Make, list, edit, rotate and revoke API keys.
    #[command(subcommand, arg_required_else_help = true)]
    Key(keys::KeyCommand),
    /// Make data sources of files, the web and databases; look at files before, list, show, load and sync sources.
    #[command(subcommand, arg_required_else_help = true)]
    Source(sources::SourceCommand),
    /// Change the keys of what is sealed in the data directory.
    #[command(subcommand, arg_required_else_help = true)]
    Secrets(secrets::SecretsCommand),
    /// Run a read-only SQL query over the data sources.
    #[command(after_help = "\
Examples:
  claribi query \"SELECT origin, count(*) FROM flights.flights GROUP BY origin\"
  claribi query \"SELECT count(*) FROM orders\" --source acme_sales --format csv
  claribi query \"SELECT now()\" --source shop    # live: in the SQL of its database
  claribi query --saved \"Departures of a month\" --parameter month=7")]
    Query(query::Query),
    /// Make reports.
    #[command(subcommand, arg_required_else_help = true)]
    Report(reports::ReportCommand),
    /// Look at the audit log.
    #[command(subcommand, arg_required_else_help = true)]
    Audit(audit::AuditCommand),
    /// Show what calls add up to, and what is left of credits.
    #[command(after_help = "\
Examples:
  claribi usage --bucket day
  claribi usage --key key_1 --bucket minute --json")]
    Usage(usage::Usage),
    /// Print the OpenAPI document of a face.
    Openapi(openapi::OpenApi),
    /// The child process for queries, imports and reports.
    #[command(hide = true)]
    Worker,
}

/// Runs the program with these arguments, its own name first.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => return explain(&error),
    };
    let Some(command) = cli.command else {
        let help = Cli::command().render_help().to_string();
        return ended(Output::new(false).bytes(help.as_bytes()));
    };
    if matches!(command, Command::Worker) {
        return child::run();
    }
    ended(run(&cli.globals, command))
}

fn run(globals: &Globals, command: Command) -> Result<(), Failure> {
    match command {
        Command::Sandbox(sandbox) => sandbox::run(globals, &sandbox),
        Command::Init(init) => init::run(globals, &init),
        Command::Serve(serve) => serve::run(globals, &serve),
        Command::Org(command) => orgs::run(globals, command),
        Command::User(command) => users::run(globals, command),
        Command::Key(command) => keys::run(globals, command),
        Command::Source(command) => sources::run(globals, command),
        Command::Secrets(command) => secrets::run(globals, &command),
        Command::Query(query) => query::run(globals, &query),
        Command::Report(command) => reports::run(globals, &command),
        Command::Audit(command) => audit::run(globals, &command),
        Command::Usage(usage) => usage::run(globals, &usage),
        Command::Openapi(command) => openapi::run(globals, &command),
        Command::Worker => Ok(()),
    }
}

fn ended(done: Result<(), Failure>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !matches!(failure, Failure::ReaderGone) {
                remark(&format!("claribi: {failure}"));
            }
            failure.exit_code()
        }
    }
}

/// Help and version are no errors; everything else becomes one sentence.
fn explain(error: &clap::Error) -> ExitCode {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            ended(Output::new(false).bytes(error.render().to_string().as_bytes()))
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            remark(error.render().to_string().trim_end());
            ExitCode::from(2)
        }
        _ => ended(Err(Failure::Usage(sentence(&error.render().to_string())))),
    }
}

/// The parser's paragraphs up to its summary of usage, in one line.
fn sentence(rendered: &str) -> String {
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut parts = Vec::new();
    let mut command = "claribi".to_owned();
    for paragraph in rendered.split("\n\n") {
        let paragraph = words(paragraph);
        if let Some(usage) = paragraph.strip_prefix("Usage: ") {
            let named =
                usage.split(' ').take_while(|word| word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'));
            let named: Vec<&str> = named.take_while(|word| !word.starts_with('-')).collect();
            command = named.join(" ");
        } else if !paragraph.starts_with("For more information") && !paragraph.is_empty() {
            let plain = paragraph.trim_start_matches("error: ").trim_start_matches("tip: ");
            parts.push(plain.trim_end_matches('.').to_owned());
        }
    }
    format!("{}; see `{command} --help`", parts.join("; "))
}
