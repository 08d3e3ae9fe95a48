//! What one query of an organisation may use: what every query may, or less where its plan says so.

use std::sync::Arc;

use crate::domain::error::{Error, Result};
use crate::domain::plan::{Plan, QueryCaps};
use crate::service::app::App;
use crate::service::caller::Caller;
use crate::worker::pool::Refused;
use crate::worker::protocol::{Failure, FailureCode, QueryLimits};

/// What a query may use, and which plan says so.
pub(in crate::service) struct Allowance {
    /// What it may use; as many rows as a request gets that does not say.
    pub limits: QueryLimits,
    /// Rows that a request may ask for.
    pub max_rows: u64,
    plan: Arc<Plan>,
}

impl App {
    /// What a query of the caller's organisation may use.
    pub(in crate::service) fn allowance(&self, caller: &Caller) -> Allowance {
        Allowance::under(caller.identity().plan.clone(), self.settings.query, self.settings.max_rows)
    }
}

impl Allowance {
    fn under(plan: Arc<Plan>, all: QueryLimits, max_rows: u64) -> Self {
        let QueryCaps { millis, memory_bytes, rows, result_bytes } = plan.query;
        let least = |all: u64, own: Option<u64>| own.map_or(all, |own| own.min(all));
        let limits = QueryLimits {
            rows: least(all.rows, rows),
            bytes: least(all.bytes, result_bytes),
            memory_bytes: least(all.memory_bytes, memory_bytes),
            spill_bytes: all.spill_bytes,
            millis: least(all.millis, millis),
        };
        Self { limits, max_rows: least(max_rows, rows), plan }
    }

    /// What a request may use that asks for so many rows, or does not say.
    pub fn asked(&self, rows: Option<u64>) -> Result<QueryLimits> {
        let rows = rows.unwrap_or(self.limits.rows);
        if (1..=self.max_rows).contains(&rows) {
            return Ok(QueryLimits { rows, ..self.limits });
        }
        let by_plan = if self.plan.query.rows.is_some() {
            format!(" under the plan `{}`", self.plan.name)
        } else {
            String::new()
        };
        Err(Error::field("limit", format!("must be 1 to {}{by_plan}.", self.max_rows)))
    }

    /// The same refusal, with the plan's limit where one was met.
    pub fn told(&self, refused: Refused) -> Refused {
        match refused {
            Refused::Failed(failure) => Refused::Failed(self.told_of(failure)),
            other => other,
        }
    }

    /// The same failure, with the plan's limit where one was met.
    pub fn told_of(&self, failure: Failure) -> Failure {
        let QueryCaps { millis, memory_bytes, result_bytes, .. } = self.plan.query;
        let gives: Vec<String> = match failure.code {
            FailureCode::Timeout => millis.map(time).into_iter().collect(),
            // It may be either, and whoever meets one will soon meet the other.
            FailureCode::TooLarge => {
                let memory = memory_bytes.map(|bytes| format!("{bytes} bytes of memory"));
                memory.into_iter().chain(result_bytes.map(|bytes| format!("{bytes} bytes of result"))).collect()
            }
            _ => Vec::new(),
        };
        if gives.is_empty() {
            return failure;
        }
        let message =
            format!("{} The plan `{}` gives a query {}.", failure.message, self.plan.name, gives.join(" and "));
        Failure { message, ..failure }
    }
}

fn time(millis: u64) -> String {
    if millis.is_multiple_of(1_000) { format!("{} s", millis / 1_000) } else { format!("{millis} ms") }
}
