//! `claribi openapi`: the OpenAPI document of a face, without a server.

use clap::Args;

use super::Globals;
use super::failure::Failure;
use super::output::Output;
use crate::http::document;
use crate::http::face::Face;

/// `openapi`.
#[derive(Debug, Args)]
pub struct OpenApi {
    /// v1 (under /v1/), api (the platform, under /api/) or api-v1 (the external API, under /api/v1/).
    #[arg(long, value_parser = face)]
    face: Face,
}

fn face(text: &str) -> Result<Face, String> {
    let found = Face::ALL.into_iter().find(|face| face.name() == text);
    found.ok_or_else(|| "there are v1, api and api-v1".to_owned())
}

/// Runs it.
pub fn run(globals: &Globals, command: &OpenApi) -> Result<(), Failure> {
    let document = document::of(command.face).map_err(Failure::Failed)?;
    Output::new(globals.json).line(&document)
}
