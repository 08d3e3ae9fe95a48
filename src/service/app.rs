//! What every use case needs, put together once by the composition root.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, broadcast};

use super::access::AccessCache;
use super::audit::{AuditRules, Floods};
pub use super::effort::Effort;
use super::keys::LeakReports;
use super::limits::Limiter;
use super::limits::shared::{Shared, SharedRules};
use super::once::InFlight;
use super::people::HASHING_QUEUE;
use super::results::Results;
use super::running::Running;
use super::setup_link::Offer;
use super::sources::{Arriving, Trusted, Turns, Underway};
use crate::datadir::{DataDir, Lease};
use crate::domain::credits::Factors;
use crate::domain::entropy::Entropy;
use crate::domain::error::{Error, Result};
use crate::domain::id::RunId;
use crate::domain::login::LoginLimits;
use crate::domain::plan::{self, Plan};
use crate::domain::time::Clock;
use crate::domain::user::LinkTtl;
use crate::keyring::Keyring;
use crate::outbound::guard::Guard;
use crate::store::Store;
use crate::worker::pool::Pool;
use crate::worker::protocol::QueryLimits;

/// Files that are fetched from the web at a time: as many as fit the disk beside the rest.
const FETCHES: usize = 6;
/// Those of one organisation among them: its slow servers keep nobody else waiting.
const FETCHES_OF_ONE: usize = 2;

/// Settings of the use cases.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The plans by name.
    pub plans: BTreeMap<String, Arc<Plan>>,
    /// Requests of a key per minute on the platform face.
    pub key_per_minute: u32,
    /// Requests of a session per minute on the platform face.
    pub session_per_minute: u32,
    /// Bytes of windows beyond which the busiest callers' days are counted by minutes.
    pub limiter_memory: u64,
    /// How windows are shared with other servers, if they are.
    pub shared_limits: Option<SharedRules>,
    /// What operations cost.
    pub credits: Factors,
    /// How long an access token is valid.
    pub access_ttl: Duration,
    /// How long a refresh token is valid.
    pub refresh_ttl: Duration,
    /// Sessions that one user may have; with one more the oldest ends.
    pub sessions_of_one: u32,
    /// How many failed logins are borne.
    pub logins: LoginLimits,
    /// How long one-time links work.
    pub link_ttl: LinkTtl,
    /// How passwords are hashed.
    pub argon2: Argon2Cost,
    /// What one query may use.
    pub query: QueryLimits,
    /// Rows of a result that a request may ask for.
    pub max_rows: u64,
    /// Bytes of results of saved queries that are kept.
    pub query_cache: u64,
    /// The longest SQL text in bytes.
    pub sql_limit: u64,
    /// How long an import or a report may run.
    pub job_timeout: Duration,
    /// How long an upload waits for its import before it answers 202.
    pub upload_wait: Duration,
    /// How long `generate` waits for its run.
    pub generate_wait: Duration,
    /// How long answers to requests with an Idempotency-Key are kept.
    pub idempotency_ttl: Duration,
    /// Bytes of extracts that an organisation may keep.
    pub source_quota: u64,
    /// Bytes that stay free on the disk for what cannot be left.
    pub free_disk: u64,
    /// Sources that an organisation may have.
    pub sources_of_one: u64,
    /// The shortest time between two syncs that a schedule may ask for.
    pub sync_interval: Duration,
    /// Rows that one sync of a database may read.
    pub source_rows: u64,
    /// Below these directories callers may name files of this machine.
    pub allowed_dirs: Vec<PathBuf>,
    /// What sources may be connected to.
    pub outbound: OutboundRules,
    /// The life of keys.
    pub keys: KeyRules,
    /// How the audit log is kept.
    pub audit: AuditRules,
}

/// What sources may be connected to, and how much is fetched.
#[derive(Debug, Clone)]
pub struct OutboundRules {
    /// Who may be connected to.
    pub guard: Arc<Guard>,
    /// Bytes of one file from the web.
    pub file_limit: u64,
    /// How long each 64 KiB of a file are waited for.
    pub patience: Duration,
}

/// What bounds the life of keys.
#[derive(Debug, Clone, Copy)]
pub struct KeyRules {
    /// When a new key expires if its request does not say.
    pub default_expiry: Option<Duration>,
    /// The longest that a key may live.
    pub max_lifetime: Option<Duration>,
    /// The longest that a key may work beside its successor.
    pub max_grace: Duration,
    /// Keys of one organisation that work at the same time.
    pub max_per_organization: u64,
}

/// The cost of hashing a password (argon2id).
#[derive(Debug, Clone, Copy)]
pub struct Argon2Cost {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes.
    pub iterations: u32,
}

/// Everything that use cases share. Clones share it.
#[derive(Clone)]
pub struct App(Arc<Parts>);

/// The parts of an [`App`].
pub struct Parts {
    /// Both databases.
    pub store: Store,
    /// Wall and monotonic time.
    pub clock: Clock,
    /// Chance.
    pub entropy: Entropy,
    /// Secrets.
    pub keyring: Keyring,
    /// Files.
    pub data: DataDir,
    /// Workers.
    pub pool: Pool,
    /// Settings.
    pub settings: Settings,
    /// Names this run of the server: leases and reservations carry it.
    pub boot: String,
    /// How often costly work was done.
    pub effort: Effort,
    /// Cached access.
    pub access: AccessCache,
    /// Windows.
    pub limiter: Limiter,
    /// Calls of nobody known that are only counted.
    pub floods: Floods,
    /// Who reports leaked keys.
    pub leaks: LeakReports,
    /// Requests with an Idempotency-Key that are being served.
    pub in_flight: InFlight,
    /// Queries that run or wait for their turn.
    pub running: Running,
    /// Results of saved queries.
    pub(super) results: Results,
    /// Woken when a run is queued.
    pub queued: Notify,
    /// Tells which runs are over.
    pub finished: broadcast::Sender<RunId>,
    /// How far the syncs of this process are.
    pub underway: Underway,
    /// Uploads that are under way.
    pub arriving: Arriving,
    /// Whose turn it is to fetch a file.
    pub fetching: Turns,
    /// Whose turn it is to copy a file of this machine: where one hangs, the web goes on.
    pub copying: Turns,
    /// Extracts that nothing points at, and how many jobs had been asked for when that was seen.
    pub(super) unused: Mutex<HashMap<PathBuf, u64>>,
    /// The certificates that workers check servers by.
    pub trusted: Trusted,
    /// Says to other processes that this one lives, once it brings the data of a source.
    pub(super) lease: OnceLock<Option<Lease>>,
    /// The change up to which this run has looked for changes that no call covers. Held while somebody looks: two who look
    /// at once would adopt the same changes.
    pub adopted: Mutex<i64>,
    /// Whether there is an organisation, once somebody has seen it.
    pub set_up: AtomicBool,
    /// The link by which the first organisation may be made.
    pub(super) setup_offer: Mutex<Option<Offer>>,
    /// One hash of a password at a time for each core but one, which is left to requests.
    pub hashing: Arc<tokio::sync::Semaphore>,
    /// One place for each password that is hashed or waits for its turn.
    pub hashing_places: tokio::sync::Semaphore,
}

impl App {
    /// Puts the parts together.
    pub fn new(
        store: Store,
        clock: Clock,
        entropy: Entropy,
        keyring: Keyring,
        data: DataDir,
        pool: Pool,
        mut settings: Settings,
    ) -> Self {
        plan::follow_trials(&mut settings.plans);
        // Servers over copies of one installation share its windows, others on the same Redis have their own.
        let name = hex::encode(&keyring.pepper.oldest().derive("limits").expose()[..8]);
        let shared = settings.shared_limits.clone().map(|rules| Shared::new(rules, &name));
        let boot = entropy.uuid(clock.now()).to_string();
        let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        let hashing = cores.saturating_sub(1).max(1);
        Self(Arc::new(Parts {
            effort: Effort::default(),
            access: AccessCache::new(&keyring.pepper),
            limiter: Limiter::new(settings.limiter_memory, shared),
            floods: Floods::new(settings.audit.unauthenticated_per_minute),
            leaks: LeakReports::new(),
            in_flight: InFlight::default(),
            running: Running::default(),
            // Beside a server the files are the server's.
            results: Results::new(data.cache(), if store.appender().is_some() { settings.query_cache } else { 0 }),
            queued: Notify::new(),
            finished: broadcast::channel(256).0,
            underway: Underway::default(),
            arriving: Arriving::default(),
            fetching: Turns::new(FETCHES, FETCHES_OF_ONE),
            copying: Turns::new(FETCHES, FETCHES_OF_ONE),
            unused: Mutex::default(),
            trusted: Trusted::default(),
            lease: OnceLock::new(),
            adopted: Mutex::new(0),
            set_up: AtomicBool::new(false),
            setup_offer: Mutex::new(None),
            hashing: Arc::new(tokio::sync::Semaphore::new(hashing)),
            hashing_places: tokio::sync::Semaphore::new(hashing + HASHING_QUEUE),
            store,
            clock,
            entropy,
            keyring,
            data,
            pool,
            settings,
            boot,
        }))
    }

    /// The plan of that name.
    ///
    /// # Errors
    /// Internal when the configuration has lost it: the start refuses that.
    pub fn plan(&self, name: &str) -> Result<Arc<Plan>> {
        let plan = self.settings.plans.get(name);
        plan.cloned().ok_or_else(|| Error::internal(format!("the plan `{name}` is not in the configuration")))
    }

    /// The name of a plan with API access, for those who lack it.
    pub fn plan_with(&self, has: impl Fn(&Plan) -> bool) -> Option<String> {
        let mut plans: Vec<&Arc<Plan>> = self.settings.plans.values().filter(|plan| has(plan)).collect();
        plans.sort_by_key(|plan| plan.credits_per_month);
        plans.first().map(|plan| plan.name.clone())
    }
}

impl std::ops::Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}
