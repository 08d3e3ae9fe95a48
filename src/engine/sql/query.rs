//! One query, from its text to an encoded result.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;

use super::encode::{Body, Encoder};
use super::session::Engine;
use crate::engine::control::{Control, Stopwatch};
use crate::worker::protocol::{Failure, FailureCode, QueryJob, QueryOutcome};

/// Runs the query; the body comes beside the outcome unless it is in the job's file.
pub async fn run(engine: Arc<Engine>, job: QueryJob, control: &Control) -> Result<(QueryOutcome, Vec<u8>), Failure> {
    let control = control.within(Duration::from_millis(job.limits.millis));
    let (job, hands) = (Arc::new(job), engine.hands.clone());
    let asked = job.clone();
    let result = hands.run(async move { execute(&engine, &asked).await }, control.stopped()).await;
    if result.is_err() {
        // A result that was cut off is of no use; mostly there is no file.
        let _ = std::fs::remove_file(&job.into);
    }
    result.map_err(|failure| hinted(failure, &job.sql, &job.live))
}

/// The same failure, with where to ask if the query is about live sources.
pub(super) fn hinted(failure: Failure, sql: &str, live: &[String]) -> Failure {
    if failure.code != FailureCode::InvalidSql || live.is_empty() {
        return failure;
    }
    let text = sql.to_lowercase();
    let Some(slug) = live.iter().find(|slug| is_schema(slug, &text)) else { return failure };
    let hint = format!(
        "`{slug}` is live, so it is queried alone and in its own SQL: send the query with its `data_source_id`, and without \
         `{slug}.`."
    );
    Failure { message: format!("{} {hint}", failure.message), ..failure }
}

/// Whether the text has the slug as a schema: before a point, by itself or alone in quotes. Names end in it that are others.
fn is_schema(slug: &str, text: &str) -> bool {
    let is_of_name = |character: char| character.is_alphanumeric() || matches!(character, '_' | '$');
    text.match_indices(slug).any(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + slug.len()..]);
        let is_within = |quote: char| before.matches(quote).count() % 2 == 1;
        match before.strip_suffix('"').filter(|_| is_within('"')) {
            // Two quotes are one within a name.
            Some(before) => after.starts_with("\".") && !before.ends_with('"'),
            None => after.starts_with('.') && !before.ends_with(is_of_name) && !is_within('"') && !is_within('\''),
        }
    })
}

async fn execute(engine: &Engine, job: &QueryJob) -> Result<(QueryOutcome, Vec<u8>), Failure> {
    let watch = Stopwatch::start();
    let session = engine.session(&job.tables, job.source.as_deref(), &job.limits).await?;
    // One row more than is returned tells whether there are more.
    let mut running = session.start(&job.sql, &job.parameters, job.limits.rows.saturating_add(1)).await?;
    let columns = std::mem::take(&mut running.columns);
    let mut encoder = Encoder::new(job.format, &columns, &running.stream.schema(), &job.into, job.limits.bytes)?;
    let mut truncated = false;
    while let Some(batch) = running.stream.next().await {
        let batch = batch.map_err(|error| session.failure(&error))?;
        let room = usize::try_from(job.limits.rows - encoder.rows()).unwrap_or(usize::MAX);
        truncated |= batch.num_rows() > room;
        encoder.write(&batch, room)?;
    }
    let is_lasting = running.is_lasting;
    let (rows, rows_scanned, elapsed_ms) = (encoder.rows(), running.rows_scanned(), watch.millis());
    let (file_bytes, body) = match encoder.finish(truncated, elapsed_ms, &[])? {
        Body::Inline(bytes) => (None, bytes),
        Body::File(length) => (Some(length), Vec::new()),
    };
    Ok((QueryOutcome { file_bytes, columns, rows, truncated, is_lasting, rows_scanned, elapsed_ms }, body))
}

#[cfg(test)]
mod tests {
    use super::is_schema;

    #[test]
    fn a_source_is_named_by_its_whole_name() {
        for named in ["select * from sales.orders", "select (sales.orders.id)", r#"select * from "sales"."orders""#] {
            assert!(is_schema("sales", named), "{named}");
        }
        for other in [
            "select * from acme_sales.orders",
            r#"select * from "acme sales"."orders""#,
            r#"select * from "the ""sales"".x"#,
            r#"select * from "acme sales.x".y"#,
            "select * from orders where site = 'sales.example'",
            "select * from sales",
            "select * from sales_2.orders",
        ] {
            assert!(!is_schema("sales", other), "{other}");
        }
        assert!(is_schema("sales", "select * from acme_sales.orders a join sales.orders b on a.id = b.id"));
    }
}
