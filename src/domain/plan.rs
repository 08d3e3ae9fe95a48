//! Plans: what an organisation may do and how much of it (PRODUCT 3). All figures are configuration.

use super::window::Limits;

/// One plan.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Its name, as in `[plans.<name>]`.
    pub name: String,
    /// Whether keys can be made and used.
    pub api_access: bool,
    /// General requests per hour and key.
    pub requests_per_hour: u32,
    /// General requests per day and key.
    pub requests_per_day: u32,
    /// Generation requests per hour and key.
    pub generation_per_hour: u32,
    /// Generation requests per day and key.
    pub generation_per_day: u32,
    /// Credits per calendar month.
    pub credits_per_month: i64,
    /// Whether keys may have allowlists of addresses.
    pub ip_allowlist: bool,
    /// Whether keys may have limits of their own.
    pub own_limits: bool,
    /// Whether the organisation may have a sandbox organisation.
    pub sandbox_organization: bool,
    /// Days after which the plan only reads; `None` never.
    pub trial_days: Option<u32>,
}

impl Plan {
    /// The windows of a key, with the minute window of the platform face.
    pub fn key_limits(&self, per_minute: u32) -> Limits {
        Limits {
            minute: Some(per_minute),
            hour: Some(self.requests_per_hour),
            day: Some(self.requests_per_day),
            generation_hour: Some(self.generation_per_hour),
            generation_day: Some(self.generation_per_day),
        }
    }
}
