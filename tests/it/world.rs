//! A whole installation in a temporary directory, on a clock that stands still, served by the real connection code.
//!
//! What differs from `serve`: the clock, the source of chance, argon2's cost, and that connections are pipes.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use claribi::datadir::DataDir;
use claribi::domain::access::{Permission, Role, Scope};
use claribi::domain::audit::{self, Call, Entry, Event};
use claribi::domain::credits::Factors;
use claribi::domain::entropy::{Entropy, SeededEntropy};
use claribi::domain::id::{OrgId, RequestId, UserId};
use claribi::domain::login::LoginLimits;
use claribi::domain::org::OrgKind;
use claribi::domain::plan::{Plan, QueryCaps};
use claribi::domain::session::Arrival;
use claribi::domain::time::{Clock, FixedClock, Timestamp};
use claribi::domain::user::LinkTtl;
use claribi::http;
use claribi::http::cors::Origins;
use claribi::http::edge::Edge;
use claribi::http::listener::{Limits, Server, Shutdown, ShutdownHandle};
use claribi::http::settings::HttpSettings;
use claribi::jobs::Jobs;
use claribi::keyring::Keyring;
use claribi::outbound::guard::Guard;
use claribi::outbound::resolve::Names;
use claribi::service::app::{App, Argon2Cost, KeyRules, OutboundRules, Settings};
use claribi::service::audit::AuditRules;
use claribi::service::caller::Caller;
use claribi::service::keys::KeyRequest;
use claribi::service::once::Plain;
use claribi::service::people::UserRequest;
use claribi::service::setup::{Founder, Founding};
use claribi::store::audit::entries;
use claribi::store::main::users;
use claribi::store::watch::FRESH;
use claribi::store::{OnFailure, Role as StoreRole, Store, StoreSettings};
use claribi::worker::pool::{Pool, PoolSettings};
use claribi::worker::protocol::QueryLimits;
use tempfile::TempDir;

use crate::actors::{Actor, Credential};

/// When every world begins.
pub const BEGINNING: &str = "2026-04-06T09:00:00Z";
/// The password of every user.
pub const PASSWORD: &str = "quite a long pass phrase 7";

/// What a world is made of; change it before it begins.
pub struct Plot {
    pub settings: Settings,
    pub http: HttpSettings,
    pub kind: OrgKind,
    pub plan: &'static str,
    /// Whether there is an organisation with an owner.
    pub founded: Founded,
    /// Whether the server does its work in the background: reports, and adopting changes.
    pub background: Background,
    /// What becomes of requests while the log cannot be written.
    pub audit_failure: OnFailure,
    /// How long a worker without a job is kept.
    pub idle: Duration,
    /// Worlds of one seed make the same keys in the same order.
    pub seed: u64,
}

/// What becomes of work that no request waits for.
#[derive(Clone, Copy, PartialEq)]
pub enum Background {
    Done,
    LeftLying,
}

/// How far an installation is.
#[derive(Clone, Copy, PartialEq)]
pub enum Founded {
    WithAnOwner,
    NotYet,
}

/// An installation.
pub struct World {
    pub clock: FixedClock,
    pub app: App,
    pub org: OrgId,
    pub owner: UserId,
    server: Arc<Server<Edge>>,
    plot: Plot,
    jobs: Option<Jobs>,
    shutdown: ShutdownHandle,
    directory: TempDir,
}

impl Default for Plot {
    fn default() -> Self {
        let plans =
            ["trial", "starter", "professional", "enterprise"].map(|name| (name.to_owned(), Arc::new(plan(name))));
        let settings = Settings {
            plans: BTreeMap::from(plans),
            key_per_minute: 100,
            session_per_minute: 1_000,
            limiter_memory: 64 << 20,
            shared_limits: None,
            credits: Factors { report: 5, refresh: 1, widget: 1, section: 1, million_rows: 1, pdf: 2 },
            access_ttl: Duration::from_secs(3_600),
            refresh_ttl: Duration::from_secs(7 * 86_400),
            sessions_of_one: 50,
            logins: LoginLimits {
                window: Duration::from_secs(900),
                failures: 5,
                failures_per_account: 20,
                failures_per_address: 50,
            },
            link_ttl: LinkTtl { invitation: Duration::from_secs(7 * 86_400), reset: Duration::from_secs(3_600) },
            argon2: Argon2Cost { memory_kib: 8, iterations: 1 },
            query: QueryLimits {
                rows: 10_000,
                bytes: 64 << 20,
                memory_bytes: 256 << 20,
                spill_bytes: 256 << 20,
                millis: 20_000,
            },
            max_rows: 100_000,
            query_cache: 64 << 20,
            sql_limit: 100_000,
            job_timeout: Duration::from_secs(60),
            upload_wait: Duration::from_secs(60),
            generate_wait: Duration::from_secs(60),
            idempotency_ttl: Duration::from_secs(86_400),
            source_quota: 1 << 30,
            free_disk: 0,
            sources_of_one: 1_000,
            sync_interval: Duration::from_secs(300),
            source_rows: 2_000_000,
            allowed_dirs: Vec::new(),
            outbound: OutboundRules {
                guard: Arc::new(Guard::new(vec!["127.0.0.1".parse().unwrap()], Names::System)),
                patience: Duration::from_secs(30),
                file_limit: 1 << 20,
            },
            keys: KeyRules {
                default_expiry: None,
                max_lifetime: None,
                max_grace: Duration::from_secs(86_400),
                max_per_organization: 10_000,
            },
            audit: AuditRules {
                retention: Duration::from_secs(365 * 86_400),
                checkpoint_entries: 50_000,
                checkpoint_every: Duration::from_secs(300),
                unauthenticated_per_minute: 100_000,
            },
        };
        let http = HttpSettings {
            limits: Limits::default(),
            public_url: None,
            hosts: Vec::new(),
            trusted_proxies: Vec::new(),
            origins: Origins::default(),
            json_limit: 1 << 20,
            upload_limit: 64 << 20,
            body_timeout: Duration::from_secs(30),
            body_minimum_rate: 1_024,
            public_reference: true,
            metrics_token: None,
            sandbox: None,
        };
        Self {
            settings,
            http,
            kind: OrgKind::Live,
            plan: "enterprise",
            founded: Founded::WithAnOwner,
            background: Background::Done,
            audit_failure: OnFailure::Refuse,
            idle: Duration::from_secs(600),
            seed: 1,
        }
    }
}

/// The plans as `config.example.toml` has them.
fn plan(name: &str) -> Plan {
    let (hour, day, generation_hour, generation_day, credits) = match name {
        "trial" => (60, 500, 5, 20, 100),
        "starter" => (300, 5_000, 20, 100, 500),
        "professional" => (1_000, 20_000, 100, 500, 2_000),
        _ => (5_000, 100_000, 500, 2_000, 10_000),
    };
    Plan {
        name: name.to_owned(),
        api_access: !matches!(name, "trial" | "starter"),
        requests_per_hour: hour,
        requests_per_day: day,
        generation_per_hour: generation_hour,
        generation_per_day: generation_day,
        credits_per_month: credits,
        ip_allowlist: name == "enterprise",
        own_limits: name == "enterprise",
        sandbox_organization: name == "enterprise",
        trial_days: (name == "trial").then_some(14),
        query: QueryCaps::default(),
        goes_on: None,
    }
}

impl Plot {
    /// Changes one plan.
    pub fn plan(&mut self, name: &str, change: impl FnOnce(&mut Plan)) {
        change(Arc::make_mut(self.settings.plans.get_mut(name).unwrap()));
    }
}

impl World {
    pub async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// A world that differs in what `change` changes.
    pub async fn with(change: impl FnOnce(&mut Plot)) -> Self {
        // What the server logs is shown with a test that fails; the first world sets it up for all.
        let logs = tracing_subscriber::fmt().with_test_writer().with_max_level(tracing::Level::WARN).without_time();
        let _ = logs.try_init();
        let mut plot = Plot::default();
        change(&mut plot);
        let clock = FixedClock::at(Timestamp::parse(BEGINNING).unwrap());
        let directory = tempfile::tempdir().unwrap();
        let data = DataDir::create(&directory.path().join("data")).unwrap();
        Keyring::create(&data.secrets(), &Entropy::System).unwrap();
        let app = open(&data, StoreRole::Owner, &clock, &plot, 0);
        let owner = user("owner@example.com", Role::Owner);
        let founding = Founding {
            name: "Example".to_owned(),
            kind: plot.kind,
            plan: plot.plan.to_owned(),
            owner,
            by: Founder::Operator("tests".to_owned()),
        };
        let (org, owner) = match plot.founded {
            Founded::WithAnOwner => app.found(founding).await.unwrap(),
            Founded::NotYet => (OrgId::new(0), UserId::new(0)),
        };
        Self::serving(app, plot, clock, directory, org, owner)
    }

    fn serving(app: App, plot: Plot, clock: FixedClock, directory: TempDir, org: OrgId, owner: UserId) -> Self {
        let (handle, shutdown) = Shutdown::new();
        let (server, _) = http::server(app.clone(), plot.http.clone(), shutdown).unwrap();
        let jobs = (plot.background == Background::Done).then(|| Jobs::start(&app, 1));
        Self { clock, app, org, owner, server, plot, jobs, shutdown: handle, directory }
    }

    /// Ends the server and starts another over the same directory. Actors of the one before reach nobody.
    pub async fn restarted(self) -> Self {
        self.restarted_with(|_| {}).await
    }

    /// The same with other settings.
    pub async fn restarted_with(self, change: impl FnOnce(&mut Plot)) -> Self {
        let Self { clock, app, org, owner, mut plot, jobs, directory, .. } = self;
        if let Some(jobs) = jobs {
            jobs.end().await.unwrap();
        }
        change(&mut plot);
        app.store.close();
        let data = DataDir::open(&directory.path().join("data")).unwrap();
        // Tasks of the one before may go on in this process; it counts as ended all the same.
        data.forget_lease(&app.boot);
        drop(app);
        let app = open(&data, StoreRole::Owner, &clock, &plot, 1);
        app.recover().await.unwrap();
        Self::serving(app, plot, clock, directory, org, owner)
    }

    /// Tells the server to stop, which goes on for what is under way.
    pub fn stop(&self) {
        self.shutdown.begin();
    }

    /// Another process at work on the same files, as a command beside the server.
    pub fn beside(&self) -> App {
        open(&self.app.data, StoreRole::Guest, &self.clock, &self.plot, 2)
    }

    /// The data directory.
    pub fn data(&self) -> &Path {
        self.app.data.root()
    }

    /// The instant, in milliseconds.
    pub fn clock_ms(&self) -> i64 {
        self.app.clock.now().millis()
    }

    /// Moves the clock on.
    pub fn pass(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    /// What a command beside the server waits after its commit, so that no later request can trust an older row or read
    /// from an older snapshot.
    pub async fn seen(&self) {
        tokio::time::sleep(FRESH * 2).await;
    }

    /// Changes `claribi.db` behind the server's back, as somebody who can write the file, and waits as a command does.
    pub async fn change_file(&self, sql: &str, parameters: impl rusqlite::Params) {
        #[expect(clippy::disallowed_methods, reason = "somebody who can write the file, and not this program")]
        let file = rusqlite::Connection::open(self.data().join("claribi.db")).unwrap();
        assert!(file.execute(sql, parameters).unwrap() > 0, "nothing was changed");
        self.seen().await;
    }

    pub fn anonymous(&self) -> Actor {
        self.actor(Credential::Nothing)
    }

    /// Whoever shows this.
    pub fn actor(&self, credential: Credential) -> Actor {
        Actor::new(Arc::clone(&self.server), credential)
    }

    /// Whoever shows this key.
    pub fn bearer(&self, text: &str) -> Actor {
        self.actor(Credential::Bearer(text.to_owned()))
    }

    /// The owner with a read-write key.
    pub async fn owner(&self) -> Actor {
        self.key(Scope::ReadWrite).await
    }

    /// A key of the owner's with a preset.
    pub async fn key(&self, scope: Scope) -> Actor {
        self.make_key(self.owner, KeyRequest { scope: Some(scope), ..named() }).await
    }

    /// A key of the owner's with these permissions and no others.
    pub async fn key_with(&self, permissions: &[Permission]) -> Actor {
        let permissions = permissions.iter().map(|permission| permission.as_str().to_owned()).collect();
        self.make_key(self.owner, KeyRequest { permissions: Some(permissions), ..named() }).await
    }

    /// A key of a new user who has this role.
    pub async fn key_of(&self, role: Role, scope: Scope) -> Actor {
        let user = self.member(role).await;
        self.make_key(user, KeyRequest { scope: Some(scope), ..named() }).await
    }

    /// A key of this user's.
    pub async fn make_key(&self, user: UserId, request: KeyRequest) -> Actor {
        let caller = self.operator_as(user);
        let (_, text) = self.app.create_key(&caller, request, Plain).await.unwrap();
        self.bearer(text.expose())
    }

    /// A session of a new user who has this role.
    pub async fn session(&self, role: Role) -> Actor {
        let email = self.email(role);
        self.member(role).await;
        self.session_of(&email).await
    }

    /// A session of the owner's.
    pub async fn owner_session(&self) -> Actor {
        self.session_of("owner@example.com").await
    }

    /// A session of the user with this e-mail.
    pub async fn session_of(&self, email: &str) -> Actor {
        let request = RequestId(self.app.entropy.uuid(self.clock.now()));
        let arrival = Arrival { request, address: [127, 0, 0, 1].into(), user_agent: None };
        let (tokens, _) = self.app.login(email, PASSWORD.to_owned().into(), arrival).await.unwrap();
        self.bearer(&tokens.access)
    }

    /// The owner of another organisation, of the same kind and plan, with a read-write key.
    pub async fn stranger(&self) -> Actor {
        self.stranger_on(self.plot.plan).await
    }

    /// As [`World::stranger`], on this plan.
    pub async fn stranger_on(&self, plan: &str) -> Actor {
        let founding = Founding {
            name: "Others".to_owned(),
            kind: self.plot.kind,
            plan: plan.to_owned(),
            owner: user("stranger@example.com", Role::Owner),
            by: Founder::Operator("tests".to_owned()),
        };
        let (_, owner) = self.app.found(founding).await.unwrap();
        self.make_key(owner, KeyRequest { scope: Some(Scope::ReadWrite), ..named() }).await
    }

    /// The operator in the name of a user.
    pub fn operator_as(&self, user: UserId) -> Caller {
        self.app.operator_as(user, "tests").unwrap()
    }

    /// A new user of the organisation, once for each role.
    async fn member(&self, role: Role) -> UserId {
        let caller = self.operator_as(self.owner);
        let email = self.email(role);
        if let Some(found) = self.app.store.read_now(|db| Ok(users::find_by_email(db, &email)?)).unwrap() {
            return found.id;
        }
        self.app.create_user(&caller, user(&email, role)).await.unwrap().id
    }

    fn email(&self, role: Role) -> String {
        format!("a-{}@example.com", role.as_str())
    }

    /// Everything in the chain, after checking that it is one.
    pub fn chain(&self) -> Vec<Entry> {
        let links = self.app.store.read_audit_now(|db| Ok(entries::after(db, 0, 100_000)?)).unwrap();
        let rows = links.iter().map(|link| (link.seq, link.encoded.as_slice(), link.hash));
        audit::chain::verify(audit::chain::GENESIS, rows).unwrap();
        assert!(links.iter().map(|link| link.seq).eq(1..=links.len() as i64), "numbers have no gaps");
        links.iter().map(|link| link.entry().unwrap()).collect()
    }

    /// The calls in the chain, in their order.
    pub fn calls(&self) -> Vec<Call> {
        let calls = self.chain().into_iter().filter_map(|entry| match entry {
            Entry::Call(call) => Some(*call),
            Entry::Event(_) | Entry::Flood(_) => None,
        });
        calls.collect()
    }

    /// The events in the chain, in their order.
    pub fn events(&self) -> Vec<Event> {
        let events = self.chain().into_iter().filter_map(|entry| match entry {
            Entry::Event(event) => Some(event),
            Entry::Call(_) | Entry::Flood(_) => None,
        });
        events.collect()
    }

    /// The newest call.
    pub fn last_call(&self) -> Call {
        self.calls().pop().expect("a call")
    }

    /// Every file of the data directory with its bytes, but for those that go meanwhile.
    pub fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let there = |error: std::io::Error| assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
        let mut open = vec![self.data().to_owned()];
        let mut files = Vec::new();
        while let Some(path) = open.pop() {
            let Ok(entries) = std::fs::read_dir(&path).map_err(there) else { continue };
            for entry in entries {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    open.push(path);
                } else if let Ok(bytes) = std::fs::read(&path).map_err(there) {
                    files.push((path, bytes));
                }
            }
        }
        files
    }

    /// How many tables' extracts there are, whether anything points at them or not.
    pub fn extracts(&self) -> usize {
        let files = self.files().into_iter().map(|(path, _)| path);
        files.filter(|path| path.extension().is_some_and(|extension| extension == "parquet")).count()
    }

    /// Whether some file of the data directory holds these bytes.
    pub fn is_written_down(&self, text: &str) -> bool {
        self.files().iter().any(|(_, bytes)| bytes.windows(text.len()).any(|window| window == text.as_bytes()))
    }
}

/// A key request that only has a name.
pub fn named() -> KeyRequest {
    KeyRequest { name: "a key".to_owned(), ..KeyRequest::default() }
}

fn user(email: &str, role: Role) -> UserRequest {
    UserRequest {
        email: email.to_owned(),
        first_name: "Ada".to_owned(),
        last_name: "Example".to_owned(),
        role,
        password: PASSWORD.to_owned().into(),
    }
}

fn open(data: &DataDir, role: StoreRole, clock: &FixedClock, plot: &Plot, process: u64) -> App {
    let clock = Clock::Fixed(clock.clone());
    // No fsync for the chain: these tests kill no power.
    let settings = StoreSettings { audit_fsync: false, audit_failure: plot.audit_failure, readers: 4 };
    let store = Store::open(data.root(), &data.backups(), role, settings, &clock).unwrap();
    let pool = Pool::new(PoolSettings {
        program: PathBuf::from(env!("CARGO_BIN_EXE_claribi")),
        scratch: data.tmp(),
        queries: 2,
        background: 1,
        connectors: 8,
        idle: plot.idle,
        memory_bytes: 2 << 30,
        file_bytes: 1 << 30,
    });
    let keyring = Keyring::load(&data.secrets()).unwrap();
    let entropy = Entropy::Seeded(SeededEntropy::new((plot.seed << 32) | (process << 16)));
    App::new(store, clock, entropy, keyring, data.clone(), pool, plot.settings.clone())
}
