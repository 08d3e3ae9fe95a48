//! Writing an extract: batches are encoded on a thread of their own while the next rows are parsed.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::arrow::arrow_writer::ArrowWriterOptions;
use datafusion::parquet::basic::Compression;
use datafusion::parquet::errors::ParquetError;
use datafusion::parquet::file::properties::WriterProperties;

use super::fault::Fault;

/// Rows of a row group: the unit that scans are divided by and that statistics let them skip. Few enough that a table of
/// some hundred thousand rows keeps more than one core busy.
const GROUP_ROWS: usize = 64 << 10;
/// Encoded bytes after which a row group ends early.
const GROUP_BYTES: usize = 64 << 20;
/// Batches that wait for the encoder.
const WAITING: usize = 3;

/// A Parquet file in the making; it is removed unless [`Extract::finish`] succeeds.
pub struct Extract {
    path: PathBuf,
    batches: Option<SyncSender<RecordBatch>>,
    encoder: Option<JoinHandle<Result<u64, Fault>>>,
    finished: bool,
}

impl Extract {
    /// Creates the file and starts its encoder.
    pub fn create(path: &Path, schema: SchemaRef) -> Result<Self, Fault> {
        let file = File::create(path)?;
        let (batches, received) = sync_channel(WAITING);
        let mut extract = Self { path: path.to_owned(), batches: Some(batches), encoder: None, finished: false };
        extract.encoder =
            Some(thread::Builder::new().name("encode".into()).spawn(move || encode(file, schema, &received))?);
        Ok(extract)
    }

    /// Hands over the next rows.
    pub fn write(&mut self, batch: RecordBatch) -> Result<(), Fault> {
        let sent = self.batches.as_ref().is_some_and(|batches| batches.send(batch).is_ok());
        // The encoder hangs up only when it failed.
        if sent { Ok(()) } else { self.join().and(Err(Fault::Extract("the encoder stopped early".into()))) }
    }

    /// Completes the file, makes it durable, and tells its length.
    pub fn finish(mut self) -> Result<u64, Fault> {
        let length = self.join()?;
        self.finished = true;
        Ok(length)
    }

    fn join(&mut self) -> Result<u64, Fault> {
        drop(self.batches.take());
        match self.encoder.take().map(JoinHandle::join) {
            Some(Ok(result)) => result,
            Some(Err(_)) | None => Err(Fault::Extract("the encoder died".into())),
        }
    }
}

impl Drop for Extract {
    fn drop(&mut self) {
        if self.finished {
            return;
        }
        // Why it failed was said already; here only nothing may stay behind.
        if self.encoder.is_some() {
            let _ = self.join();
        }
        let _ = fs::remove_file(&self.path);
    }
}

fn encode(file: File, schema: SchemaRef, batches: &Receiver<RecordBatch>) -> Result<u64, Fault> {
    let properties = WriterProperties::builder()
        .set_compression(Compression::LZ4_RAW)
        .set_max_row_group_row_count(Some(GROUP_ROWS))
        .set_created_by("claribi".into())
        .build();
    // The columns' types are those of Parquet itself; a second description in Arrow's terms would say nothing more.
    let options = ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(true);
    let durable = file.try_clone()?;
    let mut writer = ArrowWriter::try_new_with_options(file, schema, options)?;
    for batch in batches {
        writer.write(&batch)?;
        if writer.in_progress_size() > GROUP_BYTES {
            writer.flush()?;
        }
    }
    writer.close()?;
    durable.sync_all()?;
    Ok(durable.metadata()?.len())
}

impl From<ParquetError> for Fault {
    fn from(error: ParquetError) -> Self {
        Self::Extract(error.into())
    }
}
