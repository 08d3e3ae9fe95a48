//! `claribi secrets`: the keys of what is sealed in the data directory.

use clap::Subcommand;
use serde_json::json;

use super::Globals;
use super::compose::with_instance;
use super::failure::Failure;
use super::operator;
use super::output::{Form, Output};

/// The commands.
#[derive(Debug, Subcommand)]
pub enum SecretsCommand {
    /// Draw a new key for the secrets of data sources and seal all of them anew.
    ///
    /// Works beside a running server, which goes on. The key before is forgotten: a copy of the databases from before takes
    /// a copy of the directory `secrets` from before.
    Rotate,
}

/// Runs one.
pub fn run(globals: &Globals, command: &SecretsCommand) -> Result<(), Failure> {
    let output = Output::new(globals.json);
    let SecretsCommand::Rotate = command;
    let rotation = with_instance(globals, async |instance| Ok(instance.app.rotate_sealing(&operator::name()).await?))?;
    if output.form() == Form::Json {
        return output.json(&json!({"sealed": rotation.sealed, "left": rotation.left}));
    }
    output.line(&format!("{} secrets of data sources are sealed with a new key.", rotation.sealed))?;
    match rotation.left {
        0 => Ok(()),
        left => output
            .line(&format!("{left} could not be opened and stay as they are; send them again to their data sources.")),
    }
}
