//! A PostgreSQL and a MariaDB of the tests' own: made when the first test asks, ended with the process.

use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::binary::text;
use crate::patience::{comes_true_here, until_so_here};
use crate::processes::Process;

/// Whom sources read as, with the password.
pub const READER: &str = "reader";
pub const PASSWORD: &str = "seven opal lanterns";

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Brand {
    Postgres,
    Mariadb,
}

/// A running server.
pub struct Server {
    pub brand: Brand,
    pub port: u16,
    directory: PathBuf,
    /// Holds the pipe by which the server learns that this process is gone, or that it is to be started again.
    guard: Child,
}

static POSTGRES: OnceLock<Server> = OnceLock::new();
static MARIADB: OnceLock<Server> = OnceLock::new();

pub fn postgres() -> &'static Server {
    POSTGRES.get_or_init(|| Server::start(Brand::Postgres))
}

pub fn mariadb() -> &'static Server {
    MARIADB.get_or_init(|| Server::start(Brand::Mariadb))
}

/// Runs a server until its standard input ends, which it does with this process however that ends. Each line before that
/// starts one anew that is no more.
const GUARD: &str = r#"
directory=$1; signal=$2; shift 2
while :; do
  "$@" </dev/null >>"$directory/log" 2>&1 &
  read -r _ || break
  wait
done
kill -"$signal" $!
wait
rm -rf "$directory"
"#;

impl Server {
    /// One more, for whoever does to it what others would notice.
    pub fn start(brand: Brand) -> Self {
        let directory = tempfile::tempdir().unwrap().keep();
        certify(&directory);
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let (signal, command) = match brand {
            Brand::Postgres => ("QUIT", postgres_command(&directory, port)),
            Brand::Mariadb => ("KILL", mariadb_command(&directory, port)),
        };
        let guard = Command::new("sh")
            .args(["-c", GUARD, "guard"])
            .arg(&directory)
            .arg(signal)
            .args(command)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let server = Self { brand, port, directory, guard };
        server.await_readiness();
        server.run(
            None,
            &match brand {
                Brand::Postgres => format!("CREATE ROLE {READER} LOGIN PASSWORD '{PASSWORD}'"),
                Brand::Mariadb => format!("CREATE USER {READER}@'%' IDENTIFIED BY '{PASSWORD}'"),
            },
        );
        server
    }

    fn await_readiness(&self) {
        let is_up = comes_true_here(|| self.try_run(None, "SELECT 1").is_ok());
        let log = || std::fs::read_to_string(self.directory.join("log")).unwrap_or_default();
        assert!(is_up, "the {:?} server does not come up: {}", self.brand, log());
    }

    /// Ends it, and every process of it, without a word.
    pub fn kill(&self) {
        let file = match self.brand {
            Brand::Postgres => self.directory.join("data/postmaster.pid"),
            Brand::Mariadb => self.directory.join("pid"),
        };
        let first = std::fs::read_to_string(file).unwrap();
        let first = Process(first.lines().next().unwrap().trim().parse().unwrap());
        // It would start another one meanwhile, or tell the others and clients that one of them is missing.
        first.signal(Signal::STOP);
        let all: Vec<Process> = first.children().into_iter().chain([first]).collect();
        for process in &all {
            process.signal(Signal::KILL);
        }
        until_so_here("the end of a server's processes", || all.iter().all(|process| !process.is_there()));
    }

    /// Starts it again over what it left.
    pub fn restart(&mut self) {
        self.guard.stdin.as_mut().unwrap().write_all(b"again\n").unwrap();
        self.await_readiness();
    }

    /// Makes a database that the reader may read, fills it, and gives its name.
    pub fn database(&self, name: &str, sql: &str) -> String {
        match self.brand {
            Brand::Postgres => {
                self.run(None, &format!("CREATE DATABASE {name}"));
                let grant = format!("ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO {READER};");
                self.run(Some(name), &format!("{grant}\n{sql}"));
            }
            Brand::Mariadb => {
                self.run(None, &format!("CREATE DATABASE {name}; GRANT SELECT ON {name}.* TO {READER}@'%'"));
                self.run(Some(name), sql);
            }
        }
        name.to_owned()
    }

    /// Runs statements as the server's own operator.
    pub fn run(&self, database: Option<&str>, sql: &str) -> String {
        self.try_run(database, sql).unwrap_or_else(|said| panic!("{said}"))
    }

    fn try_run(&self, database: Option<&str>, sql: &str) -> Result<String, String> {
        let port = self.port.to_string();
        let mut command = match self.brand {
            Brand::Postgres => {
                let mut command = Command::new("psql");
                command.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", &port]);
                command.args(["-U", "operator", "-d", database.unwrap_or("postgres")]).env("PGPASSWORD", PASSWORD);
                command
            }
            Brand::Mariadb => {
                let mut command = Command::new("mariadb");
                command.args(["--no-defaults", "--batch", "--skip-column-names", "--local-infile=1", "-u", "root"]);
                command.arg("--default-character-set=utf8mb4").arg("--socket").arg(self.directory.join("socket"));
                command.args(database);
                command
            }
        };
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = child.expect("tests/run installs postgresql and mariadb-server");
        // A client that gives up does not read to the end.
        let _ = child.stdin.take().unwrap().write_all(sql.as_bytes());
        let output = child.wait_with_output().unwrap();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }

    /// What `kind` is on the wire.
    pub fn kind(&self) -> &'static str {
        match self.brand {
            Brand::Postgres => "postgres",
            Brand::Mariadb => "mysql",
        }
    }

    /// A body that makes a source of a database here.
    pub fn source(&self, name: &str, database: &str) -> Value {
        let connection =
            json!({"host": "127.0.0.1", "port": self.port, "database": database, "user": READER, "tls": "off"});
        json!({"name": name, "kind": self.kind(), "connection": connection, "secret": {"password": PASSWORD}})
    }

    /// The certificate that the server shows.
    pub fn certificate(&self) -> String {
        std::fs::read_to_string(self.directory.join("certificate.pem")).unwrap()
    }
}

/// Whether servers have to be run as somebody else: PostgreSQL refuses root.
fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Debian keeps programs of the server out of the way.
fn postgres_program(name: &str) -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let found = versions.map(|version| version.path().join("bin").join(name)).find(|path| path.exists());
    found.unwrap_or_else(|| name.into())
}

fn postgres_command(directory: &Path, port: u16) -> Vec<String> {
    let mut before = Vec::new();
    if is_root() {
        let id = |flag: &str| {
            let output = Command::new("id").args([flag, "postgres"]).output().unwrap();
            text(&output.stdout).trim().parse::<u32>().expect("the package makes the user `postgres`")
        };
        let (user, group) = (id("-u"), id("-g"));
        for path in [directory.to_owned(), directory.join("key.pem"), directory.join("certificate.pem")] {
            chown(path, Some(user), Some(group)).unwrap();
        }
        let ids = [format!("--reuid={user}"), format!("--regid={group}")];
        before.extend(["setpriv".to_owned(), "--clear-groups".to_owned()]);
        before.extend(ids);
    }
    let path = |name: &str| directory.join(name).to_str().unwrap().to_owned();
    std::fs::write(path("password"), PASSWORD).unwrap();
    let program = |name: &str| postgres_program(name).to_str().unwrap().to_owned();
    let mut make = before.clone();
    make.extend([program("initdb"), "-D".to_owned(), path("data")]);
    make.extend(["-U", "operator", "-A", "scram-sha-256", "-E", "UTF8", "--locale=C", "--no-sync"].map(str::to_owned));
    make.push(format!("--pwfile={}", path("password")));
    finish(&make);
    before.extend([program("postgres"), "-D".to_owned(), path("data"), "-k".to_owned(), path("")]);
    before.extend(["-p".to_owned(), port.to_string()]);
    for setting in [
        "listen_addresses=127.0.0.1".to_owned(),
        "fsync=off".to_owned(),
        "ssl=on".to_owned(),
        format!("ssl_cert_file={}", path("certificate.pem")),
        format!("ssl_key_file={}", path("key.pem")),
    ] {
        before.extend(["-c".to_owned(), setting]);
    }
    before
}

fn mariadb_command(directory: &Path, port: u16) -> Vec<String> {
    let path = |name: &str| directory.join(name).to_str().unwrap().to_owned();
    let user = if is_root() { vec!["--user=root".to_owned()] } else { Vec::new() };
    let mut make: Vec<String> =
        ["mariadb-install-db", "--no-defaults", "--auth-root-authentication-method=normal"].map(str::to_owned).to_vec();
    make.extend([format!("--datadir={}", path("data")), "--skip-test-db".to_owned()]);
    make.extend(user.clone());
    finish(&make);
    let program = if Path::new("/usr/sbin/mariadbd").exists() { "/usr/sbin/mariadbd" } else { "mariadbd" };
    let mut command = vec![program.to_owned(), "--no-defaults".to_owned()];
    command.extend(user);
    command.extend([
        format!("--datadir={}", path("data")),
        format!("--socket={}", path("socket")),
        format!("--pid-file={}", path("pid")),
        format!("--port={port}"),
        format!("--ssl-cert={}", path("certificate.pem")),
        format!("--ssl-key={}", path("key.pem")),
    ]);
    let plain = ["--bind-address=127.0.0.1", "--skip-name-resolve", "--skip-log-bin", "--local-infile=1"];
    command.extend(plain.map(str::to_owned));
    command.extend(["--innodb-flush-log-at-trx-commit=2", "--character-set-server=utf8mb4"].map(str::to_owned));
    command
}

fn finish(command: &[String]) {
    let output = Command::new(&command[0]).args(&command[1..]).current_dir("/").output();
    let output = output.expect("tests/run installs postgresql and mariadb-server");
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
}

fn certify(directory: &Path) {
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=database"])
        .args(["-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE"])
        .arg("-out")
        .arg(directory.join("certificate.pem"))
        .arg("-keyout")
        .arg(directory.join("key.pem"))
        .output()
        .expect("tests/run installs openssl");
    assert!(made.status.success(), "{}", text(&made.stderr));
}
