//! The configuration: the only reader of its file and its variables.
//!
//! Layers, each over the one before: the embedded `config.example.toml`, the operator's file, variables named
//! `CLARIBI_<SECTION>__<NAME>`, flags. A `CLARIBI_` variable without `__` belongs to the command line and is not looked
//! at. A setting that does not exist is refused, with the nearest one that does.
//!
//! Deliberately not here: secrets, which live in the data directory, and what a setting does. Each part of the program
//! receives its own section and knows nothing of this module.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use figment::Figment;
use figment::error::Kind;
use figment::providers::Serialized;
use toml::{Table, Value};

mod quantity;
mod schema;
mod settings;
#[cfg(test)]
mod tests;

pub use quantity::{Destination, Listen, Network, Period, PublicUrl, RedisUrl, Size, WebOrigin};
pub use settings::{
    Audit, Auth, Config, Credits, GenerationInOutage, Keys, Limits, LimitsBackend, Log, LogFormat, Metrics, OnFailure,
    Outbound, Plan, Portal, Server, Sources, Worker,
};

use schema::{Known, Schema};

/// The shipped example, which is the defaults.
pub const EXAMPLE: &str = include_str!("../config.example.toml");

const VARIABLE_PREFIX: &str = "CLARIBI_";

/// Where a setting was set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nowhere: it is the default.
    Default,
    /// In the operator's file.
    File,
    /// By this variable.
    Variable(String),
    /// On the command line.
    Flag,
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => formatter.write_str("default"),
            Self::File => formatter.write_str("configuration file"),
            Self::Variable(name) => write!(formatter, "variable {name}"),
            Self::Flag => formatter.write_str("command line"),
        }
    }
}

/// Why the configuration cannot be used, in one sentence.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("the configuration file cannot be read: {0}")]
    Unreadable(#[from] std::io::Error),
    /// The file is not TOML.
    #[error("the configuration file is not valid TOML in line {line}: {message}")]
    Syntax {
        /// Counted from 1.
        line: usize,
        /// The parser's words.
        message: String,
    },
    /// There is no such setting.
    #[error("there is no setting `{setting}` ({origin}){}", nearest_or_where(nearest.as_deref()))]
    Unknown {
        /// As it was written, with dots between section and name.
        setting: String,
        /// Where it was set.
        origin: Origin,
        /// The setting that was probably meant.
        nearest: Option<String>,
    },
    /// The value cannot be used.
    #[error("the setting `{setting}` ({origin}) cannot be used: {reason}")]
    Invalid {
        /// With dots between section and name.
        setting: String,
        /// Where it was set.
        origin: Origin,
        /// What is wrong and what would be right.
        reason: String,
    },
}

fn nearest_or_where(nearest: Option<&str>) -> String {
    match nearest {
        Some(nearest) => format!("; did you mean `{nearest}`?"),
        None => "; config.example.toml lists all settings".to_owned(),
    }
}

impl Config {
    /// Reads all layers. `env` is the process's environment; `overrides` are flags, as dotted names and values.
    ///
    /// # Errors
    /// The first thing that keeps the configuration from being used.
    pub fn load(
        file: Option<&Path>,
        env: impl Iterator<Item = (String, String)>,
        overrides: Vec<(String, Value)>,
    ) -> Result<Self, ConfigError> {
        let text = file.map(std::fs::read_to_string).transpose()?;
        Self::from_text(text.as_deref().unwrap_or_default(), env, overrides)
    }

    fn from_text(
        file: &str,
        env: impl Iterator<Item = (String, String)>,
        overrides: Vec<(String, Value)>,
    ) -> Result<Self, ConfigError> {
        let schema = Schema::new()?;
        let layers = Layers::read(&schema, file, env, overrides)?;
        let config: Self = Figment::from(Serialized::globals(schema.defaults()))
            .merge(Serialized::globals(&layers.file))
            .merge(Serialized::globals(&layers.variables))
            .merge(Serialized::globals(&layers.flags))
            .extract()
            .map_err(|error| layers.explain(&error))?;
        match config.flaw() {
            None => Ok(config),
            Some((setting, reason)) => Err(layers.invalid(&setting, reason.to_owned())),
        }
    }
}

/// What the operator set, apart by where; all of it known settings.
struct Layers {
    file: Table,
    variables: Table,
    flags: Table,
    /// The variable that set each setting.
    named: BTreeMap<String, String>,
}

impl Layers {
    fn read(
        schema: &Schema,
        file: &str,
        env: impl Iterator<Item = (String, String)>,
        overrides: Vec<(String, Value)>,
    ) -> Result<Self, ConfigError> {
        let file = schema::parse(file)?;
        schema.check(&file, &Origin::File)?;

        let (mut variables, mut named) = (Table::new(), BTreeMap::new());
        for (variable, text) in env {
            let Some(name) = variable.strip_prefix(VARIABLE_PREFIX).filter(|name| name.contains("__")) else {
                continue;
            };
            let setting = name.to_ascii_lowercase().replace("__", ".");
            let origin = Origin::Variable(variable.clone());
            let example = match schema.find(&setting) {
                Known::Setting(example) => example,
                other => return Err(schema.refuse(&setting, origin, &other)),
            };
            // An empty variable, as templates of containers leave it, does not set what has no default.
            if text.is_empty() && schema.is_unset_by_default(&setting) {
                continue;
            }
            let value = read_variable(&text, example).map_err(|reason| ConfigError::Invalid {
                setting: setting.clone(),
                origin,
                reason,
            })?;
            insert(&mut variables, &setting, value);
            named.insert(setting, variable);
        }

        let mut flags = Table::new();
        for (setting, value) in overrides {
            match schema.find(&setting) {
                Known::Setting(_) => insert(&mut flags, &setting, value),
                other => return Err(schema.refuse(&setting, Origin::Flag, &other)),
            }
        }
        Ok(Self { file, variables, flags, named })
    }

    fn origin(&self, setting: &str) -> Origin {
        if schema::lookup(&self.flags, setting).is_some() {
            return Origin::Flag;
        }
        if let Some(variable) = self.named.get(setting) {
            return Origin::Variable(variable.clone());
        }
        if schema::lookup(&self.file, setting).is_some() { Origin::File } else { Origin::Default }
    }

    fn invalid(&self, setting: &str, reason: String) -> ConfigError {
        ConfigError::Invalid { setting: setting.to_owned(), origin: self.origin(setting), reason }
    }

    fn explain(&self, error: &figment::Error) -> ConfigError {
        // The index of an element says less than the name of its list.
        let path: Vec<&str> =
            error.path.iter().map(String::as_str).take_while(|part| part.parse::<usize>().is_err()).collect();
        let setting = path.join(".");
        let reason = match &error.kind {
            Kind::MissingField(name) => format!("`{name}` is missing, which a plan of your own has to set"),
            Kind::InvalidType(found, expected) => format!("it has to be {expected}, not {found}"),
            Kind::InvalidValue(found, expected) => format!("it has to be {expected}, not {found}"),
            Kind::UnknownVariant(found, known) => format!("`{found}` is none of {}", known.join(", ")),
            other => other.to_string(),
        };
        self.invalid(&setting, reason)
    }
}

/// A variable's text as a value of the example's type. Text stays text, whatever it looks like.
fn read_variable(text: &str, example: &Value) -> Result<Value, String> {
    let trimmed = text.trim();
    match example {
        Value::Integer(_) => trimmed.parse().map(Value::Integer).map_err(|_| format!("`{text}` is no whole number")),
        Value::Float(_) => trimmed.parse().map(Value::Float).map_err(|_| format!("`{text}` is no number")),
        Value::Boolean(_) => {
            trimmed.parse().map(Value::Boolean).map_err(|_| format!("`{text}` is neither `true` nor `false`"))
        }
        Value::Array(_) => {
            let elements = trimmed.split(',').map(str::trim).filter(|element| !element.is_empty());
            Ok(Value::Array(elements.map(|element| Value::String(element.to_owned())).collect()))
        }
        Value::String(_) | Value::Datetime(_) | Value::Table(_) => Ok(Value::String(text.to_owned())),
    }
}

/// Puts a value at a dotted name, making the tables on the way.
fn insert(table: &mut Table, setting: &str, value: Value) {
    let Some((section, rest)) = setting.split_once('.') else {
        table.insert(setting.to_owned(), value);
        return;
    };
    if let Value::Table(inner) = table.entry(section).or_insert_with(|| Value::Table(Table::new())) {
        insert(inner, rest, value);
    }
}
