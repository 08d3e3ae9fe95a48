//! The composition root: configuration, data directory, lock, secrets, store, workers, and the [`App`] made of them.
//!
//! Who gets the lock owns the installation: it brings the files up to date and the chain too. A command that finds the
//! lock taken works beside the server as a guest: it reads, and writes changes that the server adopts.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::failure::Failure;
use super::{Globals, settings};
use crate::config::Config;
use crate::datadir::{DataDir, DataDirError, Lock, Scratch};
use crate::domain::entropy::Entropy;
use crate::domain::error::Error;
use crate::domain::time::Clock;
use crate::keyring::Keyring;
use crate::service::adopt::Adopt;
use crate::service::app::App;
use crate::store::{Role, Store, watch};
use crate::telemetry::Logs;
use crate::worker::pool::{Idle, Pool};

/// How long a server that starts waits for a short command that has the lock.
const LOCK_PATIENCE: Duration = Duration::from_secs(3);
const LOCK_PAUSE: Duration = Duration::from_millis(50);
/// After so long a server beside a command has seen what it committed: twice [`watch::FRESH`].
const SEEN: Duration = watch::FRESH.saturating_mul(2);

impl Globals {
    /// The configuration: defaults, file, variables, and these flags.
    pub fn config(&self, flags: Vec<(String, toml::Value)>) -> Result<Config, Failure> {
        // What is no Unicode is no setting of ours: their names and values are.
        let variables =
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        Ok(Config::load(self.config.as_deref(), variables, flags)?)
    }

    /// The data directory, or the one that the command uses when none is named.
    pub fn data_dir(&self, otherwise: &str) -> PathBuf {
        self.data_dir.clone().unwrap_or_else(|| otherwise.into())
    }
}

/// Starts the log of a command: what its one sentence does not say is not worth a line, warnings apart.
pub fn log_of_command(config: &Config) -> Result<(), Failure> {
    let shape = settings::log_shape(config.log.format, std::io::stderr().is_terminal());
    let quiet = if config.log.level == "info" { "warn" } else { &config.log.level };
    Logs::start(quiet, shape).map(drop).map_err(Failure::Failed)
}

/// Opens a data directory by its whole name: workers stand elsewhere and confine themselves by names.
pub fn open_data(path: &Path) -> Result<DataDir, Failure> {
    let found = DataDir::open(path)?;
    Ok(DataDir::open(&std::fs::canonicalize(found.root())?)?)
}

/// Makes a data directory with its secrets; the databases come when it is opened.
pub fn make_data(path: &Path) -> Result<DataDir, Failure> {
    std::fs::create_dir_all(path)?;
    let data = DataDir::create(&std::fs::canonicalize(path)?)?;
    Keyring::create(&data.secrets(), &Entropy::System)?;
    Ok(data)
}

/// Takes the lock; waits a moment for a command that has it, and says so when a server has it.
pub fn lock_patiently(data: &DataDir) -> Result<Lock, DataDirError> {
    let mut waited = Duration::ZERO;
    loop {
        match data.lock() {
            Err(DataDirError::Locked(_)) if waited < LOCK_PATIENCE => {
                std::thread::sleep(LOCK_PAUSE);
                waited += LOCK_PAUSE;
            }
            other => return other,
        }
    }
}

/// Puts an [`App`] together over an open data directory. `scratch` is where its workers write.
pub fn app(config: &Config, data: &DataDir, role: Role, scratch: &Path) -> Result<App, Failure> {
    if role == Role::Owner {
        Keyring::complete(&data.secrets(), &Entropy::System)?;
    }
    let keyring = Keyring::load(&data.secrets())?;
    let clock = Clock::System;
    let store = Store::open(data.root(), &data.backups(), role, settings::store(config), &clock)?;
    let pool = Pool::new(settings::pool(config, scratch.to_owned()));
    let app = App::new(store, clock, Entropy::System, keyring, data.clone(), pool, settings::services(config)?);
    check_plans(&app)?;
    Ok(app)
}

/// Every organisation needs its plan.
fn check_plans(app: &App) -> Result<(), Failure> {
    for org in app.orgs()? {
        if !app.settings.plans.contains_key(&org.plan) {
            return Err(Failure::failed(format!(
                "the organization `{}` has the plan `{}`, which the configuration does not know; add a section [plans.{}]",
                org.name, org.plan, org.plan
            )));
        }
    }
    Ok(())
}

/// What a command works with.
pub struct Instance {
    /// The use cases.
    pub app: App,
    /// Whether this process has the lock.
    pub role: Role,
    lock: Option<Lock>,
    // Removed when the command is over.
    _scratch: Scratch,
}

impl Instance {
    /// Opens the data directory: as its owner when no other process is, beside it otherwise.
    pub fn open(config: &Config, data: &DataDir) -> Result<Self, Failure> {
        let lock = match data.lock() {
            Ok(lock) => Some(lock),
            Err(DataDirError::Locked(_)) => None,
            Err(error) => return Err(error.into()),
        };
        let role = if lock.is_some() { Role::Owner } else { Role::Guest };
        let name = format!("cli-{}", hex::encode(Entropy::System.bytes::<8>()));
        let scratch = data.scratch(&name)?;
        let app = app(config, data, role, scratch.path())?;
        // What commands beside an earlier server left is in the chain before this one looks.
        app.adopt_changes(Adopt::All)?;
        Ok(Self { app, role, lock, _scratch: scratch })
    }

    /// Waits until a server beside this command has seen a change of access.
    pub async fn access_changed(&self) {
        if self.role == Role::Guest {
            tokio::time::sleep(SEEN).await;
        }
    }

    /// Ends: what changed goes into the chain, both files are left tidy, and the lock is given up.
    fn close(self) -> Result<(), Failure> {
        let adopted = self.app.adopt_changes(Adopt::All).and_then(|_| self.app.checkpoint());
        if self.role == Role::Guest && self.app.store.load().transactions > 0 {
            // Who runs this and then asks the server is not told of the time before.
            std::thread::sleep(SEEN);
        }
        self.app.store.close();
        drop(self.lock);
        adopted.map_err(|error| match error {
            Error::AuditUnavailable => {
                Failure::failed("it was done, but audit.db cannot be written; make room on its disk")
            }
            other => other.into(),
        })
    }
}

/// Looks at the data directory, which must be there, without the lock and without a word in the chain: what is to be
/// checked stays as it is.
pub fn inspect<T>(globals: &Globals, look: impl FnOnce(&App) -> Result<T, Failure>) -> Result<T, Failure> {
    let config = globals.config(Vec::new())?;
    log_of_command(&config)?;
    let data = open_data(&globals.data_dir(super::DATA_DIR))?;
    let scratch = data.scratch(&format!("cli-{}", hex::encode(Entropy::System.bytes::<8>())))?;
    let app = app(&config, &data, Role::Guest, scratch.path())?;
    let seen = look(&app);
    app.store.close();
    seen
}

/// Runs a command on the data directory, which must be there.
pub fn with_instance<T>(
    globals: &Globals,
    work: impl AsyncFnOnce(&Instance) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let config = globals.config(Vec::new())?;
    log_of_command(&config)?;
    let data = open_data(&globals.data_dir(super::DATA_DIR))?;
    let instance = Instance::open(&config, &data)?;
    // One thread: it only waits, for workers and for the writer.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let done = runtime.block_on(async {
        let done = work(&instance).await;
        instance.app.pool.tidy(Idle::All).await;
        done
    });
    drop(runtime);
    let closed = instance.close();
    let value = done?;
    closed.map(|()| value)
}
