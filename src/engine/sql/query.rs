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
    let (into, sql, live) = (job.into.clone(), job.sql.clone(), job.live.clone());
    let hands = engine.hands.clone();
    let result = hands.run(async move { execute(&engine, &job).await }, control.stopped()).await;
    if result.is_err() {
        // A result that was cut off is of no use; mostly there is no file.
        let _ = std::fs::remove_file(into);
    }
    result.map_err(|failure| hinted(failure, &sql, &live))
}

/// The same failure, with where to ask if the query is about live sources.
fn hinted(failure: Failure, sql: &str, live: &[String]) -> Failure {
    let text = sql.to_lowercase();
    let is_named = |slug: &&String| text.contains(&format!("{slug}.")) || text.contains(&format!("\"{slug}\"."));
    let named = live.iter().find(is_named).filter(|_| failure.code == FailureCode::InvalidSql);
    let Some(slug) = named else { return failure };
    let hint = format!(
        "`{slug}` is live, so it is queried alone and in its own SQL: send the query with its `data_source_id`, and without \
         `{slug}.`."
    );
    Failure { message: format!("{} {hint}", failure.message), ..failure }
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
