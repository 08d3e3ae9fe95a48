//! `?explain=METHOD /path`: from a call that is written down to the operation that it would reach, on any face. Whether
//! it would be allowed is `service::explain`'s to say.

use std::net::IpAddr;

use poem::http::Method;

use super::exchange::Exchange;
use super::face::Face;
use super::incoming::plain_path;
use super::operations::Found;
use crate::domain::error::{Error, Result};
use crate::service::explain::Question;

impl Exchange {
    /// The call that `explain` asks about, if it asks, and the `address` that it would come from. Its query is ignored.
    ///
    /// # Errors
    /// `InvalidParameter` for what no face answers, for what is no address, and for an address without a call.
    pub fn question(&self, explain: Option<&str>, address: Option<&str>) -> Result<Option<Question>> {
        let address = address.map(parsed).transpose()?;
        let Some(text) = explain else {
            return match address {
                None => Ok(None),
                Some(_) => Err(Error::parameter("address", "goes with `explain`; give the call that it is about.")),
            };
        };
        let question = self.asked(text).ok_or_else(|| {
            Error::parameter("explain", "must be the method and path of an operation, such as `GET /v1/dashboards`.")
        })?;
        Ok(Some(Question { address, ..question }))
    }

    fn asked(&self, text: &str) -> Option<Question> {
        let (method, path) = text.trim().split_once(' ')?;
        let method = Method::from_bytes(method.to_ascii_uppercase().as_bytes()).ok()?;
        let path = path.trim_start().split(['?', '#']).next()?;
        let face = Face::of_path(path)?;
        let routes = &self.routes[face as usize];
        match routes.find(&method, plain_path(path).ok()?) {
            Found::Route(id, _) => {
                let operation = routes.route(id).operation;
                Some(Question { operation, surface: face.surface(), address: None })
            }
            Found::OtherMethods(_) | Found::Nothing => None,
        }
    }
}

fn parsed(address: &str) -> Result<IpAddr> {
    let parsed = address.parse::<IpAddr>().map(|address| address.to_canonical());
    parsed.map_err(|_| Error::parameter("address", "must be an IP address, such as `203.0.113.9` or `2001:db8::9`."))
}
