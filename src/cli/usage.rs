//! `claribi usage`: what calls add up to, and what is left of credits.

use clap::Args;
use serde_json::{Value, json};

use super::Globals;
use super::compose::with_instance;
use super::failure::Failure;
use super::operator::OrgOption;
use super::output::{Form, Output, grouped};
use crate::domain::audit::kind::Outcome;
use crate::domain::id::{BareIntegers, IdRef};
use crate::domain::key::Owner;
use crate::domain::time::Timestamp;
use crate::domain::usage::{Bucket, Figures};
use crate::service::usage::{Credits, FiguresRequest, Ranking, Series};

/// `usage`.
#[derive(Debug, Args)]
pub struct Usage {
    /// From this instant on, such as 2026-04-06T00:00:00Z; unless given, an hour of minutes, a day of hours or 30 days of
    /// days.
    #[arg(long, value_name = "INSTANT", value_parser = instant)]
    from: Option<Timestamp>,
    /// Until this instant; now unless given.
    #[arg(long, value_name = "INSTANT", value_parser = instant)]
    to: Option<Timestamp>,
    /// The length of buckets: minutes are kept for 48 hours, hours for 90 days, days for two years.
    #[arg(long, default_value = "hour", value_parser = ["minute", "hour", "day"])]
    bucket: String,
    /// Calls of this key and of those of its rotations, by its id.
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// Calls of this user, by id or e-mail.
    #[arg(long, value_name = "USER")]
    user: Option<String>,
    /// Calls of this operation.
    #[arg(long)]
    operation: Option<String>,
    #[command(flatten)]
    org: OrgOption,
}

fn instant(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse(text).ok_or_else(|| "it must be an instant such as 2026-04-06T09:14:22Z".to_owned())
}

impl Usage {
    fn request(&self) -> FiguresRequest {
        let user = |text: &String| match text.contains('@') {
            true => Owner::Email(text.to_lowercase()),
            false => Owner::Id(IdRef::parse(text, BareIntegers::Accepted)),
        };
        FiguresRequest {
            bucket: Bucket::ALL.into_iter().find(|bucket| bucket.as_str() == self.bucket),
            from: self.from,
            to: self.to,
            key: self.key.as_ref().map(|text| (IdRef::parse(text, BareIntegers::Accepted), text.clone())),
            user: self.user.as_ref().map(|text| (user(text), text.clone())),
            operation: self.operation.clone(),
            top: 10,
        }
    }
}

/// Runs it.
pub fn run(globals: &Globals, usage: &Usage) -> Result<(), Failure> {
    with_instance(globals, async |instance| {
        let (app, caller) = (&instance.app, usage.org.caller(&instance.app)?);
        let credits = app.own_organization(&caller)?.credits;
        let series = app.usage_series(&caller, usage.request()).await?;
        let operations = app.usage_of_operations(&caller, usage.request()).await?;
        let output = Output::new(globals.json);
        if output.form() == Form::Table {
            output.facts(&facts(&credits, &series, &operations), || Value::Null)?;
        }
        let rows: Vec<Vec<String>> = series.points.iter().map(|(start, figures)| row(*start, figures)).collect();
        let heading =
            ["from", "calls", "ok", "refused", "limited", "client", "server", "gone", "credits", "p50 ms", "p95 ms"];
        output.rows(&heading, &rows, || described(&credits, &series, &operations))
    })
}

fn facts(credits: &Credits, series: &Series, operations: &Ranking<String>) -> Vec<(&'static str, String)> {
    let number = |count: i64| grouped(u64::try_from(count).unwrap_or(0));
    let percent = |share: Option<f64>| share.map_or_else(dash, |share| format!("{:.2} %", share * 100.0));
    let most = operations.entries.iter().take(3).map(|(name, figures)| format!("{name} ({})", number(figures.calls())));
    vec![
        ("credits", format!("{} of {} left", number(credits.balance.remaining()), number(credits.balance.limit))),
        ("calls", number(series.total.calls())),
        ("errors", percent(series.total.error_ratio())),
        ("limited", percent(series.total.limited_ratio())),
        ("most called", most.collect::<Vec<_>>().join(", ")),
    ]
}

fn row(start: i64, figures: &Figures) -> Vec<String> {
    let mut row = vec![Timestamp::from_seconds(start).to_string(), figures.calls().to_string()];
    row.extend(figures.outcomes.iter().map(i64::to_string));
    row.push(figures.credits.to_string());
    row.extend([0.5, 0.95].map(|share| millis(figures, share).map_or_else(dash, |millis| format!("{millis:.1}"))));
    row
}

fn described(credits: &Credits, series: &Series, operations: &Ranking<String>) -> Value {
    let points = series.points.iter().map(
        |(start, figures)| json!({"start": Timestamp::from_seconds(*start), "figures": figures_described(figures)}),
    );
    let named = operations
        .entries
        .iter()
        .map(|(operation, figures)| json!({"operation": operation, "figures": figures_described(figures)}));
    json!({
        "credits": {
            "remaining": credits.balance.remaining(), "used": credits.balance.used,
            "reserved": credits.balance.reserved, "limit": credits.balance.limit, "resets_at": credits.resets_at,
        },
        "from": Timestamp::from_seconds(series.window.from),
        "to": Timestamp::from_seconds(series.window.to),
        "bucket": series.window.bucket.as_str(),
        "points": points.collect::<Vec<_>>(),
        "total": figures_described(&series.total),
        "operations": named.collect::<Vec<_>>(),
    })
}

/// As the faces tell them.
fn figures_described(figures: &Figures) -> Value {
    json!({
        "calls": figures.calls(),
        "ok": figures.of(Outcome::Ok),
        "refused": figures.of(Outcome::Refused),
        "limited": figures.of(Outcome::Limited),
        "client_errors": figures.of(Outcome::Client),
        "server_errors": figures.of(Outcome::Server),
        "gone": figures.of(Outcome::Gone),
        "error_ratio": figures.error_ratio(),
        "limited_ratio": figures.limited_ratio(),
        "credits": figures.credits,
        "bytes_in": figures.bytes_in,
        "bytes_out": figures.bytes_out,
        "p50_ms": millis(figures, 0.5),
        "p95_ms": millis(figures, 0.95),
    })
}

fn millis(figures: &Figures, share: f64) -> Option<f64> {
    figures.latency.within(share).map(|micros| f64::from(micros) / 1_000.0)
}

fn dash() -> String {
    "-".to_owned()
}
