//! Tables to ask in tests.

use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use datafusion::arrow::array::{ArrayRef, RecordBatch};
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::file::properties::WriterProperties;
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::watch;

use super::query;
use super::session::{Engine, Settings};
use crate::engine::control::Control;
use crate::engine::threads::Threads;
use crate::worker::protocol::{Failure, QueryJob, QueryLimits, ResultFormat, TableFile};

const LIMITS: QueryLimits =
    QueryLimits { rows: 100, bytes: 1 << 20, memory_bytes: 512 << 20, spill_bytes: 1 << 20, millis: 60_000 };

/// Rows of a row group: few, so that what was learned of the first can do harm in the next.
const GROUP_ROWS: usize = 64;

/// Tables of the source `t`, and an engine.
pub struct Tables {
    directory: TempDir,
    files: Vec<TableFile>,
    engine: Arc<Engine>,
    threads: Option<Threads>,
}

impl Tables {
    pub fn of<const N: usize>(tables: [(&str, Vec<(&str, ArrayRef)>); N]) -> Self {
        Self::on(2, tables)
    }

    /// The same with so many cores.
    pub fn on<const N: usize>(cores: usize, tables: [(&str, Vec<(&str, ArrayRef)>); N]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let files = tables.into_iter().map(|(name, columns)| {
            let path = directory.path().join(name);
            let batch = RecordBatch::try_from_iter_with_nullable(
                columns.into_iter().map(|(column, values)| (column, values, true)),
            );
            let batch = batch.unwrap();
            let properties = WriterProperties::builder().set_max_row_group_row_count(Some(GROUP_ROWS)).build();
            let file = File::create(&path).unwrap();
            let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).unwrap();
            writer.write(&batch).unwrap();
            writer.close().unwrap();
            TableFile { source: "t".into(), table: name.into(), path, columns: Vec::new() }
        });
        let files = files.collect();
        let threads = Threads::start(cores).unwrap();
        let settings = Settings { cores, scratch: None };
        let engine = Arc::new(Engine::new(settings, threads.hands()).unwrap());
        Self { directory, files, engine, threads: Some(threads) }
    }

    /// The rows of the answer.
    pub fn ask(&self, sql: &str) -> Result<Value, Failure> {
        let job = QueryJob {
            tables: self.files.clone(),
            source: Some("t".into()),
            live: Vec::new(),
            sql: sql.into(),
            parameters: Vec::new(),
            limits: LIMITS,
            format: ResultFormat::Json,
            into: self.directory.path().join("result"),
        };
        let (_keep, canceled) = watch::channel(false);
        let control = Control::new(canceled, Duration::from_secs(60), Arc::new(|_, _| {}));
        let (_, body) = self.threads().watch(query::run(self.engine.clone(), job, &control))?;
        Ok(serde_json::from_slice::<Value>(&body).unwrap()["rows"].take())
    }

    /// How a query would run, a line for each step.
    pub fn steps(&self, sql: &str) -> String {
        self.threads().watch(async {
            let session = self.engine.session(&self.files, Some("t"), &LIMITS).await.unwrap();
            session.told(sql).await
        })
    }

    fn threads(&self) -> &Threads {
        self.threads.as_ref().unwrap()
    }
}

impl Drop for Tables {
    fn drop(&mut self) {
        self.threads.take().into_iter().for_each(Threads::abandon);
    }
}
