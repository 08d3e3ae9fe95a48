//! `claribi openapi`: the OpenAPI document of a face, without a server.

use clap::Args;

use super::Globals;
use super::failure::Failure;
use super::output::Output;
use crate::http::document::{self, Format};
use crate::http::face::Face;

/// `openapi`.
#[derive(Debug, Args)]
pub struct OpenApi {
    /// v1 (under /v1/), api (the platform, under /api/) or api-v1 (the external API, under /api/v1/).
    #[arg(long, value_parser = face)]
    face: Face,
    /// json or yaml.
    #[arg(long, value_parser = format, default_value = "json")]
    format: Format,
}

fn face(text: &str) -> Result<Face, String> {
    let found = Face::ALL.into_iter().find(|face| face.name() == text);
    found.ok_or_else(|| "there are v1, api and api-v1".to_owned())
}

fn format(text: &str) -> Result<Format, String> {
    let found = Format::ALL.into_iter().find(|format| format.name() == text);
    found.ok_or_else(|| "there are json and yaml".to_owned())
}

/// Runs it.
pub fn run(globals: &Globals, command: &OpenApi) -> Result<(), Failure> {
    let document = document::written(command.face, command.format).map_err(Failure::Failed)?;
    Output::new(globals.json).line(document.trim_end())
}
