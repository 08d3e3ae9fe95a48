//! Plans: what an organisation may do and how much of it. All figures are configuration.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::time::Timestamp;
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
    /// What one query may use, where that is less than what every query may.
    pub query: QueryCaps,
    /// The plan with which an organisation goes on when the trial is over; `None` where there is no trial, or no such plan.
    pub goes_on: Option<String>,
}

/// What one query of an organisation may use under its plan; `None` is as much as any query may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct QueryCaps {
    /// Milliseconds it may run.
    pub millis: Option<u64>,
    /// Bytes of memory, beyond which it spills.
    pub memory_bytes: Option<u64>,
    /// Rows of a result that a request may ask for.
    pub rows: Option<u64>,
    /// Bytes of a result.
    pub result_bytes: Option<u64>,
}

/// Tells each plan that is a trial which one comes after it: the one with the fewest credits that never ends, and has
/// API access if the trial has it.
pub fn follow_trials(plans: &mut BTreeMap<String, Arc<Plan>>) {
    let mut lasting: Vec<Arc<Plan>> = plans.values().filter(|plan| plan.trial_days.is_none()).cloned().collect();
    lasting.sort_by_key(|plan| plan.credits_per_month);
    for plan in plans.values_mut().filter(|plan| plan.trial_days.is_some()) {
        let next = lasting.iter().find(|next| next.api_access || !plan.api_access);
        let goes_on = next.map(|next| next.name.clone());
        Arc::make_mut(plan).goes_on = goes_on;
    }
}

impl Plan {
    /// Whether the plan is a trial that is over for an organisation which was made then.
    pub fn is_over(&self, made: Timestamp, now: Timestamp) -> bool {
        self.trial_days.is_some_and(|days| now.millis() >= made.millis() + i64::from(days) * 86_400_000)
    }

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
