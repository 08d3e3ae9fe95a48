//! `claribi sandbox`: from the binary to an answer with real numbers within a minute.

use std::io::IsTerminal;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

use clap::Args;
use serde::Serialize;

use super::compose::{self, lock_patiently, make_data, open_data};
use super::failure::Failure;
use super::output::{Output, remark};
use super::serve::{self, Serve, Served, bind, end, reload, settle};
use super::{Globals, SANDBOX_DIR, settings};
use crate::config::{Config, Listen};
use crate::datadir::DataDir;
use crate::http::listener::Listener;
use crate::http::settings::SandboxPage;
use crate::service::sandbox::{OWNER_EMAIL, Sandbox as Made};
use crate::store::Role;
use crate::telemetry::Logs;

/// Ports that are tried when none was asked for and the first is taken.
const PORTS: u16 = 100;
/// Imports of a first start, which are waited for.
const IMPORTS: u32 = 2;

/// `sandbox`.
#[derive(Debug, Args)]
pub struct Sandbox {
    /// The address and port to listen on; by default 127.0.0.1:8080, or the next free port.
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<Listen>,
}

/// Runs it.
pub fn run(globals: &Globals, sandbox: &Sandbox) -> Result<(), Failure> {
    let mut config = globals.config(Serve::flags(sandbox.listen))?;
    let logs = start_log(&config)?;
    if config.worker.background == 0 {
        // Both imports of a first start go side by side, on small machines too.
        config.worker.background = u32::try_from(settings::background(&config)).unwrap_or(IMPORTS).max(IMPORTS);
    }
    let path = globals.data_dir(SANDBOX_DIR);
    let data = directory(&path)?;
    let lock = lock_patiently(&data)?;
    let app = compose::app(&config, &data, Role::Owner, &data.tmp())?;
    let runtime = serve::runtime()?;
    let served = runtime.block_on(async {
        let listener = listen(config.server.listen.0, sandbox.listen.is_some()).await?;
        let url = url_of(listener.local_addr()?);
        settle(&app).await?;
        let made = app.open_sandbox().await?;
        let page = SandboxPage { user: made.owner, curl: curl(&url, made.read_only_key.expose()) };
        let served = Served {
            app: &app,
            config: &config,
            http: settings::http(&config, Some(page))?,
            listener,
            hung_up: &|| reload(globals, sandbox.listen, |config| logs.set_level(level(config))),
        };
        let shown = Banner { url, made, path: &path };
        served.until_stopped(|| shown.print(globals.json)).await
    });
    end(&app, runtime);
    drop(lock);
    served
}

fn start_log(config: &Config) -> Result<Logs, Failure> {
    let terminal = std::io::stderr().is_terminal();
    Logs::start(level(config), settings::log_shape(config.log.format, terminal)).map_err(Failure::Failed)
}

/// On a terminal the banner is followed by warnings alone.
fn level(config: &Config) -> &str {
    let quiet = std::io::stderr().is_terminal() && config.log.level == "info";
    if quiet { "warn" } else { &config.log.level }
}

fn directory(path: &Path) -> Result<DataDir, Failure> {
    if path.join("claribi.db").exists() {
        return open_data(path);
    }
    if std::io::stderr().is_terminal() {
        remark("Making a sandbox: all flights from New York in 2013, and the sales of a company that does not exist …");
    }
    make_data(path)
}

/// Binds what was asked for, or the next free port.
async fn listen(first: SocketAddr, asked_for: bool) -> Result<Listener, Failure> {
    if !asked_for {
        for port in first.port()..=first.port().saturating_add(PORTS) {
            if let Ok(listener) = Listener::bind(SocketAddr::new(first.ip(), port)).await {
                return Ok(listener);
            }
        }
    }
    bind(first).await
}

/// How this machine reaches what is listened on.
fn url_of(address: SocketAddr) -> String {
    let ip = match address.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        other => other,
    };
    format!("http://{}", SocketAddr::new(ip, address.port()))
}

fn curl(url: &str, key: &str) -> String {
    format!("curl -H \"Authorization: Bearer {key}\" {url}/v1/dashboards")
}

/// What is printed when requests are answered.
struct Banner<'a> {
    url: String,
    made: Made,
    path: &'a Path,
}

impl Banner<'_> {
    fn print(&self, json: bool) -> Result<(), Failure> {
        let output = Output::new(json);
        let Self { url, made, path } = self;
        if json {
            let first = FirstLine {
                url,
                key: made.key.expose(),
                read_only_key: made.read_only_key.expose(),
                owner: Owner { email: OWNER_EMAIL, password: made.password.as_str() },
                dashboard_id: made.dashboard.prefixed(),
                report_template_id: made.template.prefixed(),
                data_source_id: made.source.prefixed(),
            };
            // One line on a terminal too: programs read the first.
            return output.line(&serde_json::to_string(&first)?);
        }
        let (key, password, shown) = (made.key.expose(), made.password.as_str(), path.display());
        let curl = curl(url, key);
        output.line(&format!(
            "
claribi sandbox: sample data, dashboards and reports behind the whole API

  Dashboards  {url}/
  Reference   {url}/docs/
  Key         {key}
  Read-only   {}
  Owner       {OWNER_EMAIL}, password {password}
  Data        {shown}

Try it:

  {curl}

Ctrl-C stops it, `rm -r {shown}` forgets it. The keys are valid for 30 days; the password is new at each start.
",
            made.read_only_key.expose()
        ))
    }
}

/// What programs read; ids as the `/v1/` face spells them.
#[derive(Serialize)]
struct FirstLine<'a> {
    url: &'a str,
    key: &'a str,
    read_only_key: &'a str,
    owner: Owner<'a>,
    dashboard_id: String,
    report_template_id: String,
    data_source_id: String,
}

#[derive(Serialize)]
struct Owner<'a> {
    email: &'a str,
    password: &'a str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_mean_any_are_reached_by_loopback() {
        for (bound, url) in [
            ("127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("0.0.0.0:80", "http://127.0.0.1:80"),
            ("[::]:8081", "http://[::1]:8081"),
        ] {
            assert_eq!(url_of(bound.parse().unwrap()), url);
        }
    }

    #[tokio::test]
    async fn a_port_that_was_asked_for_is_never_exchanged_for_another() {
        let taken = Listener::bind("127.0.0.1:0").await.unwrap();
        let address = taken.local_addr().unwrap();
        let refusal = listen(address, true).await.unwrap_err();
        assert!(refusal.to_string().contains("--listen"), "{refusal}");
        let other = listen(address, false).await.unwrap().local_addr().unwrap();
        assert!(other.port() > address.port());
    }
}
