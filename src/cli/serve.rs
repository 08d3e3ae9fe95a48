//! `claribi serve`: starts in one order and stops in another, so that nothing is half done on either way.
//!
//! Start: configuration, lock, secrets, databases brought up to date, the chain brought up to date, what an earlier run
//! left repaired, scratch space emptied, port bound, ready. Stop: no more connections, running requests get their
//! grace, jobs end and their runs are queued again, workers end, the chain and both files are closed, the lock goes.

use std::io::{ErrorKind, IsTerminal};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use clap::Args;
use sd_notify::NotifyState;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::compose::{self, lock_patiently, open_data};
use super::failure::Failure;
use super::output::{Output, remark};
use super::{DATA_DIR, Globals, settings};
use crate::config::{Config, Listen};
use crate::http::listener::{Listener, Shutdown};
use crate::http::settings::HttpSettings;
use crate::jobs::Jobs;
use crate::service::adopt::Adopt;
use crate::service::app::App;
use crate::service::audit::Counted;
use crate::store::Role;
use crate::telemetry::Logs;
use crate::worker::pool::Idle;

/// How long work on other threads may take to notice that the program ends.
const LAST_PATIENCE: Duration = Duration::from_secs(2);
/// The exit code of a program that a second signal ended.
const INTERRUPTED: i32 = 130;

/// `serve`.
#[derive(Debug, Args)]
pub struct Serve {
    /// The address and port to listen on; by default the configuration's, 127.0.0.1:8080.
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<Listen>,
}

impl Serve {
    /// The flags that are settings.
    pub fn flags(listen: Option<Listen>) -> Vec<(String, toml::Value)> {
        listen.map(|listen| ("server.listen".to_owned(), toml::Value::String(listen.to_string()))).into_iter().collect()
    }
}

/// Runs it.
pub fn run(globals: &Globals, serve: &Serve) -> Result<(), Failure> {
    let config = globals.config(Serve::flags(serve.listen))?;
    let terminal = std::io::stderr().is_terminal();
    let shape = settings::log_shape(config.log.format, terminal);
    let logs = Logs::start(&config.log.level, shape).map_err(Failure::Failed)?;
    let data = open_data(&globals.data_dir(DATA_DIR))?;
    let lock = lock_patiently(&data)?;
    let app = compose::app(&config, &data, Role::Owner, &data.tmp())?;
    let runtime = runtime()?;
    let served = runtime.block_on(async {
        settle(&app).await?;
        let listener = bind(config.server.listen.0).await?;
        let address = listener.local_addr()?;
        let served = Served {
            app: &app,
            config: &config,
            http: settings::http(&config, None)?,
            listener,
            hung_up: &|| reload(globals, serve.listen, |config| logs.set_level(&config.log.level)),
        };
        served
            .until_stopped(|| {
                announce(address)?;
                announce_setup(&app, &config, address)
            })
            .await
    });
    end(&app, runtime);
    drop(lock);
    served
}

/// The runtime of a server.
pub fn runtime() -> Result<Runtime, Failure> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}

/// Brings the chain up to date and repairs what an earlier run left; before the first request.
pub async fn settle(app: &App) -> Result<(), Failure> {
    let adopter = app.clone();
    let adopted = tokio::task::spawn_blocking(move || adopter.adopt_changes(Adopt::All)).await;
    adopted.map_err(std::io::Error::other)??;
    app.recover().await?;
    app.mend_shared_windows().await;
    Ok(app.data.empty_tmp()?)
}

/// Binds an address, or says what to do.
pub async fn bind(address: SocketAddr) -> Result<Listener, Failure> {
    Listener::bind(address).await.map_err(|error| {
        Failure::failed(match error.kind() {
            ErrorKind::AddrInUse => {
                format!("{address} is taken by another program; stop it, or name another with --listen")
            }
            ErrorKind::PermissionDenied => {
                format!("this user may not listen on {address}; name a port above 1023 with --listen")
            }
            ErrorKind::AddrNotAvailable => {
                format!("this machine does not have the address of {address}; name one that it has with --listen")
            }
            _ => format!("{address} cannot be listened on: {error}; name another with --listen"),
        })
    })
}

/// What serves, and with what.
pub struct Served<'a> {
    /// The use cases.
    pub app: &'a App,
    /// The configuration.
    pub config: &'a Config,
    /// What the HTTP side is told.
    pub http: HttpSettings,
    /// Where the API is listened for.
    pub listener: Listener,
    /// What SIGHUP does.
    pub hung_up: &'a (dyn Fn() + Sync),
}

impl Served<'_> {
    /// Serves, calls `ready` when requests are answered, and returns when a signal has stopped it in order.
    pub async fn until_stopped(self, ready: impl FnOnce() -> Result<(), Failure>) -> Result<(), Failure> {
        let mut signals = Signals::listen()?;
        let metrics = match self.config.metrics.listen {
            Some(address) => Some(bind(address.0).await?),
            None => None,
        };
        for listener in [Some(&self.listener), metrics.as_ref()].into_iter().flatten() {
            self.app.settings.outbound.guard.listens_on(listener.local_addr()?);
        }
        let (stop, shutdown) = Shutdown::new();
        let (server, edge) =
            crate::http::server(self.app.clone(), self.http, shutdown.clone()).map_err(Failure::Failed)?;
        let jobs = Jobs::start(self.app, settings::background(self.config));
        if let Some(listener) = metrics {
            tokio::spawn(crate::http::metrics_server(edge, shutdown).run(listener));
        }
        let mut serving = tokio::spawn(server.run(self.listener));
        let begun = ready();
        notify(NotifyState::Ready);
        if begun.is_ok() {
            tokio::select! {
                () = signals.stop(self.hung_up) => {}
                // It serves until it is told to stop, so this is a panic of its own.
                _ = &mut serving => tracing::error!("the listener ended by itself"),
            }
        }
        notify(NotifyState::Stopping);
        tracing::info!("stopping: running requests are finished first");
        let impatience = tokio::spawn(async move {
            signals.stop(&|| ()).await;
            std::process::exit(INTERRUPTED);
        });
        stop.begin();
        if !serving.is_finished() {
            let _ = serving.await;
        }
        let ended = jobs.end().await;
        self.app.pool.tidy(Idle::All).await;
        impatience.abort();
        begun?;
        Ok(ended?)
    }
}

/// Reads the configuration anew for what can change while the server runs, which is the level of the log. One that
/// cannot be used changes nothing.
pub fn reload(globals: &Globals, listen: Option<Listen>, set_level: impl FnOnce(&Config) -> Result<(), String>) {
    let read = globals.config(Serve::flags(listen)).map_err(|failure| failure.to_string());
    match read.and_then(|config| set_level(&config)) {
        Ok(()) => tracing::info!("the log level was read again; other settings take a restart"),
        Err(error) => tracing::error!(error, "the configuration was not read again"),
    }
}

/// Ends the threads, brings the chain up to date and closes both files. The lock is the caller's to give up.
pub fn end(app: &App, runtime: Runtime) {
    runtime.shutdown_timeout(LAST_PATIENCE);
    let written = app.write_floods(Counted::All).and_then(|()| app.adopt_changes(Adopt::All));
    if let Err(error) = written.and_then(|_| app.checkpoint()) {
        tracing::warn!(%error, "the next start brings the audit log up to date");
    }
    app.store.close();
}

fn announce(address: SocketAddr) -> Result<(), Failure> {
    tracing::info!(%address, "serving");
    if std::io::stdout().is_terminal() {
        let output = Output::new(false);
        output.line(&format!("claribi serves http://{address}, Ctrl-C stops it."))?;
    }
    Ok(())
}

/// Prints the link by which an installation without an organisation is set up. To standard output and not to the log:
/// whoever has it owns the installation.
fn announce_setup(app: &App, config: &Config, mut address: SocketAddr) -> Result<(), Failure> {
    let Some(token) = app.offer_setup()? else { return Ok(()) };
    if address.ip().is_unspecified() {
        address.set_ip(Ipv4Addr::LOCALHOST.into());
    }
    let origin = match &config.server.public_url {
        Some(url) => url.as_str().trim_end_matches('/').to_owned(),
        None => format!("http://{address}"),
    };
    Output::new(false).line(&format!(
        "This installation has no owner yet. Set it up within 30 minutes at\n  {origin}/setup#{}",
        token.as_str()
    ))
}

/// Tells systemd, when it is there.
fn notify(state: NotifyState) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!(%error, "systemd could not be told");
    }
}

/// The signals that a server knows.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    fn listen() -> Result<Self, Failure> {
        // A write past the size that files may have (`LimitFSIZE` of systemd) is a full disk, and no reason to end.
        drop(signal(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw()))?);
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// Returns with the next signal that stops a server.
    async fn stop(&mut self, hung_up: &(dyn Fn() + Sync)) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => {
                    if std::io::stderr().is_terminal() {
                        remark("\nStopping; Ctrl-C again ends it at once.");
                    }
                    return;
                }
                _ = self.hang_up.recv() => hung_up(),
            }
        }
    }
}
