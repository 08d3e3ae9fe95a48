//! Files from the web: one GET, through the guard, into a file.
//!
//! Each hop is settled anew and connected to by its address; redirects are bounded; headers that somebody gave for one
//! origin go to no other; there is no proxy, no cookie and no pool. Everything is bounded: time, bytes, silence.
//!
//! Deliberately not here: what the file is, which a worker finds out.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{self, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Response, StatusCode, Url};
use tokio::io::AsyncWriteExt;

use super::guard::{Guard, Refusal};
use crate::domain::connection::SecretText;

/// Redirects that are followed.
const HOPS: usize = 3;
/// The longest that connecting may take.
const CONNECTING: Duration = Duration::from_secs(10);
/// The longest silence.
const SILENCE: Duration = Duration::from_secs(30);
/// The longest that an answer may take to begin, however it trickles.
const ANSWERING: Duration = Duration::from_secs(60);
/// Bytes of which each lot has to come within the request's patience, but the last.
const LOT: usize = 64 << 10;
/// The longest tag or date that is kept, in bytes.
const VALIDATOR: usize = 1_000;

/// What is asked for.
#[derive(Debug)]
pub struct Request {
    /// Where.
    pub url: String,
    /// What is sent along to that origin and no other.
    pub headers: Vec<(String, SecretText)>,
    /// What came the last time.
    pub known: Validators,
    /// The most bytes.
    pub limit: u64,
    /// The longest that all of it may take.
    pub deadline: Duration,
    /// The longest that each 64 KiB may take: who is slower keeps others waiting.
    pub patience: Duration,
    /// Where the body goes: a file that is not there yet.
    pub into: PathBuf,
}

/// What tells one version of a file from another (RFC 9110, 8.8).
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Validators {
    /// `ETag`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// `Last-Modified`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_modified: Option<String>,
    /// A digest of the URL that it was said of, where redirects led there: they may lead elsewhere the next time, and
    /// what is asked with may be a secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<String>,
}

impl Validators {
    /// Whether they tell anything.
    fn tell(&self) -> bool {
        self.etag.is_some() || self.last_modified.is_some()
    }

    /// Whether they are those of a URL, which was led to from `first`.
    fn are_of(&self, url: &Url, first: &Url) -> bool {
        self.of.as_ref().map_or(url == first, |of| *of == told(url))
    }
}

/// What came.
#[derive(Debug, PartialEq, Eq)]
pub enum Fetched {
    /// The same as the last time.
    Unchanged,
    /// A file.
    File {
        /// Its length.
        bytes: u64,
        /// What tells it from the next.
        validators: Validators,
    },
}

/// Why nothing came, in words for whoever named the URL. Nothing of a body is in it.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The guard says no.
    #[error("`connection.url` {0}")]
    Refused(Refusal),
    /// The guard says no to where the server sent us.
    #[error("The server redirects to a place that {0}")]
    Redirected(Refusal),
    /// Around and around.
    #[error("The server redirects more than {HOPS} times; name the URL that it leads to.")]
    Hops,
    /// From what is encrypted to what is not, or to nowhere.
    #[error("The server redirects to a place that cannot be followed; name another URL.")]
    Astray,
    /// Nobody answers.
    #[error("The server cannot be reached: {0}.")]
    Unreachable(&'static str),
    /// It says something else than 200.
    #[error("The server answered {0} instead of 200; check the URL, and what opens it.")]
    Status(u16),
    /// A page where a file should be.
    #[error("The server answered with a web page; the URL must be of the file itself.")]
    Page,
    /// Over the limit.
    #[error("The file is over the limit of {0} bytes; split it, or raise `outbound.file_limit`.")]
    TooLarge(u64),
    /// The end never came.
    #[error("The file ended before it was complete; try again.")]
    Cut,
    /// Whoever asked for it does not go on.
    #[error("The file is not wanted any more.")]
    Unwanted,
    /// Too slow as a whole.
    #[error("The file did not come in time; try again, or split it.")]
    Late,
    /// Too slow all along.
    #[error("The file comes too slowly, less than 64 KiB in {0} seconds; try again.")]
    Slow(u64),
    /// A fault of ours.
    #[error("The file cannot be fetched.")]
    Broken(String),
    /// What came cannot be written.
    #[error("The file cannot be kept.")]
    Unwritten(std::io::Error),
}

/// Told how many bytes of a file came, of how many where the server says that, before they are kept; whether to go on.
pub type Arrived<'a> = &'a mut (dyn FnMut(u64, Option<u64>) -> bool + Send);

/// Fetches a file.
pub async fn fetch(guard: &Guard, request: Request, arrived: Arrived<'_>) -> Result<Fetched, Failure> {
    let deadline = request.deadline;
    tokio::time::timeout(deadline, follow(guard, request, arrived)).await.map_err(|_| Failure::Late)?
}

async fn follow(guard: &Guard, request: Request, arrived: Arrived<'_>) -> Result<Fetched, Failure> {
    let first = guard.url(&request.url).map_err(Failure::Refused)?;
    let mut url = first.clone();
    for hop in 0..=HOPS {
        let refused = |refusal| if hop == 0 { Failure::Refused(refusal) } else { Failure::Redirected(refusal) };
        let addresses = guard.settle_url(&url).await.map_err(refused)?;
        let known = Some(&request.known).filter(|known| known.are_of(&url, &first));
        let secrets = if url.origin() == first.origin() { &request.headers[..] } else { &[] };
        let asked = ask(guard, &url, addresses, headers(secrets, known)?);
        let answered = tokio::time::timeout(ANSWERING, asked).await;
        let response = answered.map_err(|_| Failure::Unreachable("it does not answer in time"))??;
        match response.status() {
            StatusCode::OK => {
                let of = (url != first).then(|| told(&url));
                return keep(response, &request, of, arrived).await;
            }
            StatusCode::NOT_MODIFIED if known.is_some_and(Validators::tell) => return Ok(Fetched::Unchanged),
            StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::SEE_OTHER
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT => url = target(guard, &url, &response)?,
            other => return Err(Failure::Status(other.as_u16())),
        }
    }
    Err(Failure::Hops)
}

/// What tells a URL from others, and nothing of it.
fn told(url: &Url) -> String {
    hex::encode(digest(&SHA256, url.as_str().as_bytes()))
}

/// Where a redirect leads. Never from what is encrypted to what is not: who listens would choose the data.
fn target(guard: &Guard, from: &Url, response: &Response) -> Result<Url, Failure> {
    let location = response.headers().get(header::LOCATION).and_then(|value| value.to_str().ok());
    let joined = location.and_then(|location| from.join(location).ok()).ok_or(Failure::Astray)?;
    let url = guard.url(joined.as_str()).map_err(Failure::Redirected)?;
    if from.scheme() == "https" && url.scheme() != "https" { Err(Failure::Astray) } else { Ok(url) }
}

fn headers(secrets: &[(String, SecretText)], known: Option<&Validators>) -> Result<HeaderMap, Failure> {
    let mut headers = HeaderMap::new();
    headers.insert(header::USER_AGENT, HeaderValue::from_static(concat!("claribi/", env!("CARGO_PKG_VERSION"))));
    headers.insert(header::ACCEPT, HeaderValue::from_static("*/*"));
    // The length that counts is the one on the wire.
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    let broken = |_| Failure::Broken("a header that was checked cannot be sent".to_owned());
    for (name, value) in secrets {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| broken(()))?;
        let mut value = HeaderValue::from_str(value.expose()).map_err(|_| broken(()))?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    let Some(Validators { etag, last_modified, .. }) = known else { return Ok(headers) };
    for (name, known) in [(header::IF_NONE_MATCH, etag), (header::IF_MODIFIED_SINCE, last_modified)] {
        if let Some(value) = known.as_deref().and_then(|text| HeaderValue::from_str(text).ok()) {
            headers.insert(name, value);
        }
    }
    Ok(headers)
}

async fn ask(guard: &Guard, url: &Url, addresses: Vec<SocketAddr>, headers: HeaderMap) -> Result<Response, Failure> {
    // Whoever was first has installed the same one.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let mut builder = Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .http1_only()
        .pool_max_idle_per_host(0)
        .connect_timeout(CONNECTING)
        .read_timeout(SILENCE)
        .dns_resolver(Arc::new(Settled(addresses)));
    if url.scheme() == "http" {
        // A machine without certificates can still fetch what needs none.
        builder = builder.tls_certs_only([]);
    } else {
        builder = builder.tls_certs_merge(guard.authorities());
    }
    let client = builder.build().map_err(|error| Failure::Broken(error.without_url().to_string()))?;
    client.get(url.clone()).headers(headers).send().await.map_err(|error| unreachable(&error))
}

fn unreachable(error: &reqwest::Error) -> Failure {
    if error.is_timeout() {
        return Failure::Unreachable("it does not answer in time");
    }
    let mut cause: Option<&dyn std::error::Error> = std::error::Error::source(error);
    while let Some(found) = cause {
        if found.is::<rustls::Error>() {
            return Failure::Unreachable("its certificate or its TLS is not one that can be trusted");
        }
        if let Some(io) = found.downcast_ref::<std::io::Error>() {
            if io.kind() == std::io::ErrorKind::ConnectionRefused {
                return Failure::Unreachable("it refuses the connection");
            }
            if is_of_tls(io) {
                return Failure::Unreachable("its certificate or its TLS is not one that can be trusted");
            }
        }
        cause = found.source();
    }
    let reason = if error.is_connect() { "the connection fails" } else { "it does not speak HTTP as it should" };
    Failure::Unreachable(reason)
}

/// Whether it comes from TLS. What is wrapped in an error of input and output is none of its sources.
fn is_of_tls(error: &std::io::Error) -> bool {
    let mut wrapped = Some(error);
    while let Some(error) = wrapped {
        if error.kind() == std::io::ErrorKind::InvalidData {
            return true;
        }
        let Some(inner) = error.get_ref() else { return false };
        if inner.is::<rustls::Error>() {
            return true;
        }
        wrapped = inner.downcast_ref();
    }
    false
}

/// Writes the body to its file.
async fn keep(
    mut response: Response,
    request: &Request,
    of: Option<String>,
    arrived: Arrived<'_>,
) -> Result<Fetched, Failure> {
    let text = |name: HeaderName| response.headers().get(name).and_then(|value| value.to_str().ok());
    if text(header::CONTENT_TYPE).is_some_and(is_page) {
        return Err(Failure::Page);
    }
    if response.content_length().is_some_and(|length| length > request.limit) {
        return Err(Failure::TooLarge(request.limit));
    }
    let kept = |name| text(name).filter(|text| text.len() <= VALIDATOR).map(str::to_owned);
    let validators = Validators { etag: kept(header::ETAG), last_modified: kept(header::LAST_MODIFIED), of };
    let mut file = create(&request.into).await.map_err(Failure::Unwritten)?;
    let (mut bytes, whole) = (0u64, response.content_length().filter(|length| *length > 0));
    loop {
        let lot = tokio::time::timeout(request.patience, lot(&mut response)).await;
        let lot = lot.map_err(|_| Failure::Slow(request.patience.as_secs()))?.map_err(|error| cut(&error))?;
        if lot.is_empty() {
            break;
        }
        bytes += lot.iter().map(|chunk| chunk.len() as u64).sum::<u64>();
        if bytes > request.limit {
            return Err(Failure::TooLarge(request.limit));
        }
        if !arrived(bytes, whole) {
            return Err(Failure::Unwanted);
        }
        for chunk in lot {
            file.write_all(&chunk).await.map_err(Failure::Unwritten)?;
        }
    }
    file.flush().await.map_err(Failure::Unwritten)?;
    Ok(Fetched::File { bytes, validators })
}

/// The next pieces of a body, as many as make a lot; none at its end.
async fn lot(response: &mut Response) -> reqwest::Result<Vec<bytes::Bytes>> {
    let (mut lot, mut length) = (Vec::new(), 0);
    while length < LOT
        && let Some(chunk) = response.chunk().await?
    {
        length += chunk.len();
        lot.push(chunk);
    }
    Ok(lot)
}

async fn create(path: &Path) -> std::io::Result<tokio::fs::File> {
    tokio::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).await
}

fn cut(error: &reqwest::Error) -> Failure {
    if error.is_timeout() { Failure::Late } else { Failure::Cut }
}

fn is_page(content_type: &str) -> bool {
    let kind = content_type.split(';').next().unwrap_or_default().trim();
    ["text/html", "application/xhtml+xml"].iter().any(|page| kind.eq_ignore_ascii_case(page))
}

/// The addresses that the guard has settled, whatever is asked.
struct Settled(Vec<SocketAddr>);

impl Resolve for Settled {
    fn resolve(&self, _name: Name) -> Resolving {
        let addresses: Addrs = Box::new(self.0.clone().into_iter());
        Box::pin(async move { Ok(addresses) })
    }
}
