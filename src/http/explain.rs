//! `?explain=METHOD /path`: from a call that is written down to the operation that it would reach, on any face. Whether
//! it would be allowed is `service::explain`'s to say.

use poem::http::Method;

use super::edge::plain_path;
use super::exchange::Exchange;
use super::face::Face;
use super::operations::Found;
use crate::domain::error::{Error, Result};
use crate::service::explain::Question;

impl Exchange {
    /// The call that `explain` asks about, if it asks. Its query is ignored.
    ///
    /// # Errors
    /// `InvalidParameter` for what no face answers.
    pub fn question(&self, explain: Option<&str>) -> Result<Option<Question>> {
        let Some(text) = explain else { return Ok(None) };
        self.asked(text).map(Some).ok_or_else(|| {
            Error::parameter("explain", "must be the method and path of an operation, such as `GET /v1/dashboards`.")
        })
    }

    fn asked(&self, text: &str) -> Option<Question> {
        let (method, path) = text.trim().split_once(' ')?;
        let method = Method::from_bytes(method.to_ascii_uppercase().as_bytes()).ok()?;
        let path = path.trim_start().split(['?', '#']).next()?;
        let face = Face::of_path(path)?;
        match self.routes[face as usize].find(&method, plain_path(path).ok()?) {
            Found::Route(route, _) => Some(Question { operation: route.operation, surface: face.surface() }),
            Found::OtherMethods(_) | Found::Nothing => None,
        }
    }
}
