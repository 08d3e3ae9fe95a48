//! Logs: to standard error, as text for people or JSON for machines.
//!
//! Nothing secret gets there: whatever reads like a key or a token is masked in each line before it is written, beside
//! the rule that nobody logs one. Deliberately not here: what is worth a line, and the span of a call, which is the
//! edge's.

use std::io::{self, Write};

use tracing_subscriber::fmt::{self, MakeWriter};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, reload};

use crate::domain::key_text::scrub;

/// How a line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// One JSON object.
    Json,
    /// For people, in colours.
    Colours,
    /// For people, without colours.
    Plain,
}

/// What is logged can be changed while the program runs.
pub struct Logs(Box<dyn Fn(EnvFilter) -> Result<(), reload::Error> + Send + Sync>);

impl Logs {
    /// Starts logging for the rest of the process. `level` is a level, or directives such as `info,claribi=debug`.
    ///
    /// # Errors
    /// A sentence when the level cannot be read, or when logging was started before.
    pub fn start(level: &str, shape: Shape) -> Result<Self, String> {
        let (filter, handle) = reload::Layer::new(filter(level)?);
        let lines = fmt::layer().with_writer(Scrubbed).with_target(false);
        let lines = match shape {
            Shape::Json => lines.json().flatten_event(true).with_current_span(true).with_span_list(false).boxed(),
            // The library itself looks whether colours are wanted (`NO_COLOR`).
            Shape::Colours => lines.boxed(),
            Shape::Plain => lines.with_ansi(false).boxed(),
        };
        tracing_subscriber::registry().with(filter).with(lines).try_init().map_err(|error| error.to_string())?;
        Ok(Self(Box::new(move |filter| handle.reload(filter))))
    }

    /// Logs at another level from now on.
    ///
    /// # Errors
    /// A sentence when the level cannot be read; the old one stays.
    pub fn set_level(&self, level: &str) -> Result<(), String> {
        (self.0)(filter(level)?).map_err(|error| error.to_string())
    }
}

fn filter(level: &str) -> Result<EnvFilter, String> {
    EnvFilter::try_new(level).map_err(|_| {
        format!("the setting `log.level` cannot be used: `{level}` is neither error, warn, info, debug or trace nor a list of directives")
    })
}

/// Standard error, behind the scrubber.
struct Scrubbed;

impl<'w> MakeWriter<'w> for Scrubbed {
    type Writer = Self;

    fn make_writer(&'w self) -> Self {
        Self
    }
}

impl Write for Scrubbed {
    /// A line comes in one piece.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        io::stderr().lock().write_all(scrub(&text).as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
