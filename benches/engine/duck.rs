//! DuckDB in a Python process of its own, on the same cores.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::{Failure, table};

const PYTHON: &str = "CLARIBI_BENCH_ENGINE_PYTHON";

/// The Python that has DuckDB.
pub fn python() -> Result<String, Failure> {
    Ok(std::env::var(PYTHON).map_err(|_| format!("{PYTHON} is not set: run `just bench-engine`"))?)
}

/// The process.
pub struct Duck {
    process: Child,
    answers: BufReader<ChildStdout>,
    /// The most bytes that it has had in memory since [`Duck::forget_peak`].
    pub peak: u64,
    is_fresh: bool,
}

impl Duck {
    /// Starts it in a directory, on so many cores.
    pub fn start(python: &str, directory: &Path, cores: usize) -> Result<Self, Failure> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/engine/duck.py");
        let mut process = Command::new("taskset")
            .args(["-c", &format!("0-{}", cores - 1), python])
            .arg(script)
            .current_dir(directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let answers = BufReader::new(process.stdout.take().ok_or("no standard output")?);
        let mut duck = Self { process, answers, peak: 0, is_fresh: false };
        duck.query(&format!("SET threads = {cores}"))?;
        Ok(duck)
    }

    /// Makes a Parquet file of separated values, compressed as our extracts are, and a view of it.
    pub fn import(&mut self, file: &Path) -> Result<Duration, Failure> {
        let (name, path) = (table(file)?, file.display());
        let (took, _) = self.query(&format!(
            "COPY (SELECT * FROM read_csv('{path}', nullstr = ['', 'NA'])) TO '{name}.parquet' \
             (FORMAT parquet, COMPRESSION lz4_raw)"
        ))?;
        self.query(&format!("CREATE OR REPLACE VIEW {name} AS SELECT * FROM read_parquet('{name}.parquet')"))?;
        Ok(took)
    }

    /// Has the peak counted from the next query on.
    pub fn forget_peak(&mut self) {
        self.is_fresh = true;
    }

    /// Runs a query; gives its time and answer.
    pub fn query(&mut self, sql: &str) -> Result<(Duration, Value), Failure> {
        let mut input = self.process.stdin.as_ref().ok_or("no standard input")?;
        writeln!(input, "{}", json!({"sql": sql, "fresh": std::mem::take(&mut self.is_fresh)}))?;
        input.flush()?;
        let mut line = String::new();
        if self.answers.read_line(&mut line)? == 0 {
            return Err(format!("DuckDB ended with `{sql}`").into());
        }
        let answer: Value = serde_json::from_str(&line)?;
        self.peak = answer["peak"].as_u64().unwrap_or(0);
        Ok((Duration::from_secs_f64(answer["seconds"].as_f64().ok_or("no time")?), answer))
    }
}

impl Drop for Duck {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
