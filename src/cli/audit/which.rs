//! Which entries of the log a command is about.

use std::net::IpAddr;

use clap::Args;

use crate::cli::failure::Failure;
use crate::cli::operator::OrgOption;
use crate::domain::audit::{Filter, Outcome, filter};
use crate::domain::id::{BareIntegers, IdRef, Key, Kind, RequestId, User};
use crate::domain::key_text::Environment;
use crate::domain::operation::Operation;
use crate::domain::time::Timestamp;
use crate::service::app::App;
use crate::store::main::users;

/// What narrows it.
#[derive(Debug, Args)]
#[command(next_help_heading = "Which entries")]
pub struct Which {
    #[command(flatten)]
    org: OrgOption,
    /// Calls with this key: its id or its printed prefix.
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// Calls of this user: an id or an e-mail.
    #[arg(long, value_name = "USER")]
    user: Option<String>,
    /// Calls of this operation, such as `keys_create`.
    #[arg(long, value_name = "ID", value_parser = operation)]
    operation: Option<&'static str>,
    /// Calls with this outcome: ok, refused, limited, client, server or gone.
    #[arg(long, value_name = "OUTCOME", value_parser = outcome)]
    outcome: Option<Outcome>,
    /// Calls with this status: 404, or 4xx.
    #[arg(long, value_name = "STATUS", value_parser = status)]
    status: Option<(u16, u16)>,
    /// Calls from this address.
    #[arg(long, value_name = "IP")]
    address: Option<IpAddr>,
    /// The call with this request id.
    #[arg(long, value_name = "REQ", value_parser = request)]
    request_id: Option<RequestId>,
    /// What happened at this time or later, such as 2026-04-06T09:00:00Z.
    #[arg(long, value_name = "TIME", value_parser = instant)]
    after: Option<Timestamp>,
    /// What happened before this time.
    #[arg(long, value_name = "TIME", value_parser = instant)]
    before: Option<Timestamp>,
}

impl Which {
    /// What is asked of the log.
    pub fn filter(&self, app: &App) -> Result<Filter, Failure> {
        let org = match &self.org.org {
            Some(_) => Some(self.org.find(app)?.id.raw()),
            None => None,
        };
        let key_prefix = self.key.as_deref().and_then(public);
        let key = match (&self.key, key_prefix) {
            (Some(text), None) => Some(number::<Key>(text)?),
            _ => None,
        };
        let user = match &self.user {
            Some(text) if text.contains('@') => {
                let email = text.to_lowercase();
                let found = app.store.read_now(|db| Ok(users::find_by_email(db, &email)?))?;
                Some(found.ok_or_else(|| Failure::failed(format!("there is no user `{text}`")))?.id.raw())
            }
            Some(text) => Some(number::<User>(text)?),
            None => None,
        };
        Ok(Filter {
            org,
            key,
            key_prefix,
            user,
            operation: self.operation.map(str::to_owned),
            outcome: self.outcome,
            status: self.status,
            address: self.address.map(|address| address.to_canonical()),
            request: self.request_id.map(|id| id.0.into_bytes()),
            from_ms: self.after.map(Timestamp::millis),
            before_ms: self.before.map(Timestamp::millis),
        })
    }
}

/// The public characters of a printed prefix.
fn public(text: &str) -> Option<[u8; 8]> {
    let rest = Environment::ALL.iter().find_map(|environment| text.strip_prefix(environment.key_prefix()))?;
    rest.as_bytes().try_into().ok()
}

fn number<K: Kind>(text: &str) -> Result<i64, Failure> {
    match IdRef::<K>::parse(text, BareIntegers::Accepted) {
        IdRef::Number(id) => Ok(id.raw()),
        IdRef::Uuid(_) | IdRef::Unknown => {
            Err(Failure::usage(format!("`{text}` is no id of a {}, which begins with {}", K::NOUN, K::PREFIX)))
        }
    }
}

fn operation(text: &str) -> Result<&'static str, String> {
    let found = Operation::find(text).map(|operation| operation.id);
    found.ok_or_else(|| "it is no operation; `claribi openapi --face v1` lists them as `operationId`".to_owned())
}

fn outcome(text: &str) -> Result<Outcome, String> {
    Outcome::parse(text).ok_or_else(|| "there are ok, refused, limited, client, server and gone".to_owned())
}

fn status(text: &str) -> Result<(u16, u16), String> {
    filter::status(text).ok_or_else(|| "it is no status such as 404 or 4xx".to_owned())
}

fn request(text: &str) -> Result<RequestId, String> {
    RequestId::parse(text).ok_or_else(|| "it is no request id: `req_` and 32 characters".to_owned())
}

fn instant(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse(text).ok_or_else(|| "it is no time such as 2026-04-06T09:00:00Z".to_owned())
}
