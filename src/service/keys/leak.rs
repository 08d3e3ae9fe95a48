//! Keys that somebody found: whoever holds the text of a key can end it, and learns nothing by that.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;
use parking_lot::Mutex;
use serde_json::json;

use crate::domain::error::{Error, Result};
use crate::domain::id::RequestId;
use crate::domain::key_text::KeyText;
use crate::domain::time::Timestamp;
use crate::domain::window::{Class, Limits, Surface, Verdict, WindowName, WindowSet};
use crate::service::app::App;
use crate::store::main::changes::{self, NewChange, Origin};
use crate::store::main::keys;

/// Reports of one address in any 60 minutes.
const REPORTS_PER_HOUR: u32 = 60;
/// Addresses that are remembered at the same time.
const ADDRESSES: u64 = 100_000;
/// Why such a key was revoked.
const REASON: &str = "reported as leaked";

/// How many keys each address has reported.
pub struct LeakReports(Cache<IpAddr, Arc<Mutex<WindowSet>>>);

impl LeakReports {
    pub(in crate::service) fn new() -> Self {
        Self(Cache::builder().max_capacity(ADDRESSES).time_to_idle(Duration::from_secs(3_600)).build())
    }

    fn admit(&self, address: IpAddr, now_ms: i64) -> Result<()> {
        let limits = Limits { hour: Some(REPORTS_PER_HOUR), ..Limits::default() };
        let windows = self.0.get_with(network_of(address), || Arc::new(Mutex::new(WindowSet::new())));
        let admission = windows.lock().admit(now_ms, Class::General, Surface::Other, &limits);
        match admission.verdict {
            Verdict::Admitted => Ok(()),
            Verdict::Refused { retry_at_ms, .. } => Err(Error::RateLimited {
                window: WindowName::Hour,
                limit: REPORTS_PER_HOUR,
                retry_after: u64::try_from(retry_at_ms - now_ms).unwrap_or(0).div_ceil(1_000).max(1),
            }),
        }
    }
}

/// An IPv6 client has a whole /64 to itself.
fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
        address => address,
    }
}

impl App {
    /// Revokes the key whose text this is. What is no key, is none of this server's or works no more is the same to the
    /// caller.
    ///
    /// # Errors
    /// `RateLimited` by the caller's address.
    pub async fn report_leak(
        &self,
        text: Option<&KeyText>,
        request: RequestId,
        address: IpAddr,
        now: Timestamp,
    ) -> Result<()> {
        self.leaks.admit(address, self.moment().at_ms)?;
        let owner = text.map(|text| self.owner_of_key(text)).transpose()?.flatten();
        let Some((org, id)) = owner.and_then(|owner| Some((owner.holder.org, owner.key()?.id))) else { return Ok(()) };
        self.store
            .write(move |tx| {
                if !keys::revoke(tx, org, id, Some(REASON), now)? {
                    return Ok(());
                }
                let after = json!({"status": "revoked", "reason": REASON, "request_id": request.to_string()});
                let change = NewChange {
                    at: now,
                    org: Some(org),
                    origin: Origin::Api,
                    actor: &format!("address {}", address.to_canonical()),
                    // The call has a row of its own, which tells of no organisation.
                    request: None,
                    action: "key.revoke",
                    object: &id.prefixed(),
                    before: None,
                    after: Some(after),
                };
                changes::insert(tx, &change)?;
                Ok(())
            })
            .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_addresses_of_one_network_report_together() {
        let of = |text: &str| network_of(text.parse().unwrap()).to_string();
        assert_eq!(of("2001:db8:1:2:3::4"), of("2001:db8:1:2::9"));
        assert_ne!(of("2001:db8:1:2::9"), of("2001:db8:1:3::9"));
        assert_eq!(of("::ffff:203.0.113.9"), "203.0.113.9");
    }
}
