//! A Redis or Valkey server: connecting to it, and asking it one question under a deadline. The one place that knows the
//! `redis` crate.
//!
//! What fails is told to the caller and nobody else; a connection that failed is not used again, and who wants another
//! says so. Deliberately not here: what is asked, and what is done without an answer.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use parking_lot::RwLock;
use redis::aio::MultiplexedConnection;
use redis::io::AsyncDNSResolver;
use redis::{AsyncConnectionConfig, Client, ConnectionAddr, IntoConnectionInfo, TlsCertificates};
use zeroize::Zeroizing;

use super::resolve::Names;

/// The longest that connecting may take, with names, TLS and the password.
const CONNECTING: Duration = Duration::from_secs(1);

/// Where the server is and how it is asked.
pub struct RedisSettings {
    /// `redis://`, `rediss://` or `redis+unix://`, without a password.
    pub url: String,
    /// The password, if it wants one.
    pub password: Option<Zeroizing<String>>,
    /// Certificates in PEM that are trusted instead of the system's.
    pub authorities: Option<Vec<u8>>,
    /// The longest that an answer may take.
    pub deadline: Duration,
}

/// A server that may be connected or not.
pub struct Redis {
    client: Client,
    config: AsyncConnectionConfig,
    deadline: Duration,
    live: RwLock<Option<Live>>,
}

/// A connection, and the number that tells it from others.
#[derive(Clone)]
pub struct Live {
    connection: MultiplexedConnection,
    number: u64,
}

/// A script that runs on the server, in one step.
pub struct Script(redis::Script);

/// Why there is no answer, in the server's words or those of the system. Free of secrets.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct Failure(String);

impl Redis {
    /// A server that is not connected yet.
    ///
    /// # Errors
    /// What is wrong with the settings.
    pub fn new(settings: RedisSettings) -> Result<Self, Failure> {
        let mut info = settings.url.as_str().into_connection_info()?;
        let mut login = info.redis_settings().clone();
        if let Some(password) = &settings.password {
            login = login.set_password(password.as_str());
        }
        info = info.set_redis_settings(login);
        let client = if matches!(info.addr(), ConnectionAddr::TcpTls { .. }) {
            // Whoever was first has installed the same one.
            let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
            Client::build_with_tls(info, TlsCertificates { client_tls: None, root_cert: settings.authorities })?
        } else {
            Client::open(info)?
        };
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECTING))
            .set_response_timeout(None)
            .set_dns_resolver(Resolved);
        Ok(Self { client, config, deadline: settings.deadline, live: RwLock::new(None) })
    }

    /// The connection that works, as far as is known.
    pub fn live(&self) -> Option<Live> {
        self.live.read().clone()
    }

    /// Opens a new connection, which is used by nobody before it is [kept](Self::keep).
    pub async fn connect(&self) -> Result<Live, Failure> {
        let connecting = self.client.get_multiplexed_async_connection_with_config(&self.config);
        let connection =
            tokio::time::timeout(CONNECTING, connecting).await.map_err(|_| Failure::late(CONNECTING))??;
        let number = self.live.read().as_ref().map_or(0, |live| live.number);
        Ok(Live { connection, number: number.wrapping_add(1) })
    }

    /// Lets everybody use this connection from now on.
    pub fn keep(&self, live: Live) {
        *self.live.write() = Some(live);
    }

    /// Lets nobody use it any more. Says whether somebody could.
    pub fn give_up(&self, failed: &Live) -> bool {
        let mut live = self.live.write();
        if live.as_ref().is_some_and(|live| live.number == failed.number) {
            *live = None;
            return true;
        }
        false
    }

    /// Runs a script over keys of one slot, within the deadline.
    pub async fn run(
        &self,
        live: &Live,
        script: &Script,
        keys: &[String],
        arguments: &[i64],
    ) -> Result<Vec<i64>, Failure> {
        let mut call = script.0.prepare_invoke();
        keys.iter().for_each(|key| _ = call.key(key));
        arguments.iter().for_each(|argument| _ = call.arg(argument));
        let mut connection = live.connection.clone();
        let answered = tokio::time::timeout(self.deadline, call.invoke_async(&mut connection)).await;
        Ok(answered.map_err(|_| Failure::late(self.deadline))??)
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Redis(…)")
    }
}

impl Script {
    /// From its text.
    pub fn new(text: &str) -> Self {
        Self(redis::Script::new(text))
    }
}

impl Failure {
    /// An answer that is not one to the question.
    pub fn nonsense() -> Self {
        Self("an answer that says something else".to_owned())
    }

    fn late(deadline: Duration) -> Self {
        Self(format!("no answer within {} ms", deadline.as_millis()))
    }
}

impl From<redis::RedisError> for Failure {
    fn from(error: redis::RedisError) -> Self {
        Self(error.to_string())
    }
}

/// Names as everything else here resolves them.
struct Resolved;

impl AsyncDNSResolver for Resolved {
    fn resolve<'a, 'b: 'a>(
        &'a self,
        host: &'b str,
        port: u16,
    ) -> redis::RedisFuture<'a, Box<dyn Iterator<Item = SocketAddr> + Send + 'a>> {
        Box::pin(async move {
            let found = Names::System.lookup(host).await.map_err(std::io::Error::other)?;
            let found = found.into_iter().map(move |address| SocketAddr::new(address, port));
            Ok(Box::new(found) as Box<dyn Iterator<Item = SocketAddr> + Send>)
        })
    }
}
