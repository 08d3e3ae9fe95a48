//! `claribi openapi`: the OpenAPI document of a face, without a server.

use clap::{Args, ValueEnum};

use super::Globals;
use super::failure::Failure;
use super::output::Output;
use crate::http::document;
use crate::http::face::Face;

/// `openapi`.
#[derive(Debug, Args)]
pub struct OpenApi {
    /// Which.
    #[arg(long, value_enum)]
    face: FaceName,
}

/// The faces as they are called here.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum FaceName {
    /// The platform API under /api/.
    Api,
    /// The external API under /api/v1/.
    ApiV1,
    /// The API under /v1/.
    V1,
}

/// Runs it.
pub fn run(globals: &Globals, command: &OpenApi) -> Result<(), Failure> {
    let face = match command.face {
        FaceName::Api => Face::Platform,
        FaceName::ApiV1 => Face::External,
        FaceName::V1 => Face::V1,
    };
    let document = document::of(face).map_err(Failure::Failed)?;
    Output::new(globals.json).line(&document)
}
