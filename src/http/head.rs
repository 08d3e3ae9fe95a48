//! What the head of a request must be, beyond what hyper holds it to: nothing in it may be read in two ways, by us and by
//! a proxy before us.

use http::header::{CONTENT_TYPE, EXPECT, HOST};
use http::{HeaderMap, HeaderName, Request, Version};

use crate::domain::error::{Error, Result};

/// Headers that mean one thing, so that two of them would be a choice.
const SINGLE: [HeaderName; 2] = [HOST, CONTENT_TYPE];

/// Checks a head.
///
/// # Errors
/// `InvalidRequest` for a header that stands twice, for HTTP/1.1 without a host (RFC 9112, section 3.2), and for an
/// expectation that cannot be met (RFC 9110, section 10.1.1).
pub fn check<B>(request: &Request<B>) -> Result<()> {
    let headers = request.headers();
    if let Some(name) = SINGLE.iter().find(|name| count(headers, name) > 1) {
        return Err(Error::InvalidRequest(format!("The header `{name}` stands in the request twice; send it once.")));
    }
    let has_host = headers.contains_key(HOST) || request.uri().authority().is_some();
    if request.version() == Version::HTTP_11 && !has_host {
        return Err(Error::InvalidRequest("The request has no header `host`; send the name that you call.".to_owned()));
    }
    let expects_more =
        headers.get_all(EXPECT).iter().any(|value| !value.as_bytes().eq_ignore_ascii_case(b"100-continue"));
    if expects_more {
        return Err(Error::InvalidRequest("The header `expect` may be `100-continue` only; leave it out.".to_owned()));
    }
    Ok(())
}

fn count(headers: &HeaderMap, name: &HeaderName) -> usize {
    headers.get_all(name).iter().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(version: Version, lines: &[(&'static str, &'static str)]) -> Result<()> {
        let request = Request::builder().version(version).uri("/v1/dashboards");
        let request = lines.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        check(&request.body(()).unwrap())
    }

    #[test]
    fn nothing_in_a_head_can_be_read_in_two_ways() {
        let host = ("host", "localhost");
        assert!(checked(Version::HTTP_11, &[host, ("expect", "100-Continue"), ("content-type", "text/csv")]).is_ok());
        assert!(checked(Version::HTTP_10, &[]).is_ok());
        for lines in [
            &[][..],
            &[host, host],
            &[host, ("host", "other")],
            &[host, ("content-type", "application/json"), ("content-type", "text/csv")],
            &[host, ("expect", "200-ok")],
        ] {
            assert!(matches!(checked(Version::HTTP_11, lines), Err(Error::InvalidRequest(_))), "{lines:?}");
        }
    }
}
