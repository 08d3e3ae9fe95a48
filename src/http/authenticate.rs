//! From headers to a credential, and from a credential to an identity: before anything of the request is believed.

use std::sync::Arc;

use http::header::AUTHORIZATION;
use http::{HeaderMap, Uri};

use crate::domain::error::{Error, Result};
use crate::domain::key_text::KeyText;
use crate::domain::time::Timestamp;
use crate::service::app::App;
use crate::service::caller::Identity;

/// What was presented.
#[derive(Debug)]
pub enum Presented {
    /// Nothing.
    Nothing,
    /// A key, well formed.
    Key(KeyText),
    /// A key by its place or its look, and malformed.
    MalformedKey,
    /// A session token.
    Token(String),
}

/// The one credential of a request.
///
/// # Errors
/// `TwoCredentials` for more than one, even when they are equal; `KeyInUrl` for a key in the query, even beside a good
/// header; `InvalidToken` for an `Authorization` that is no bearer's.
pub fn presented(headers: &HeaderMap, query: Option<&str>) -> Result<Presented> {
    if headers.get_all(AUTHORIZATION).iter().count() + headers.get_all("x-api-key").iter().count() > 1 {
        return Err(Error::TwoCredentials);
    }
    if query.is_some_and(has_key) {
        return Err(Error::KeyInUrl);
    }
    if let Some(value) = headers.get("x-api-key") {
        let text = value.to_str().unwrap_or_default().trim();
        return Ok(KeyText::parse(text).map_or(Presented::MalformedKey, Presented::Key));
    }
    let Some(value) = headers.get(AUTHORIZATION) else { return Ok(Presented::Nothing) };
    let value = value.to_str().map_err(|_| Error::InvalidToken)?;
    let (scheme, text) = value.split_once(' ').unwrap_or((value, ""));
    let text = text.trim();
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Error::InvalidToken);
    }
    if !text.starts_with("eyJ") {
        return Ok(KeyText::parse(text).map_or(Presented::MalformedKey, Presented::Key));
    }
    Ok(Presented::Token(text.to_owned()))
}

/// Whole keys anywhere in a request's head, wherever they belong: what whoever reads along has seen.
pub fn shown_keys(uri: &Uri, headers: &HeaderMap) -> Vec<KeyText> {
    let address = percent_encoding(&uri.to_string());
    let values = headers.values().filter_map(|value| value.to_str().ok());
    let mut keys: Vec<KeyText> = Vec::new();
    for key in std::iter::once(address.as_str()).chain(values).flat_map(KeyText::all_in).take(4) {
        if keys.iter().all(|seen| seen.expose() != key.expose()) {
            keys.push(key);
        }
    }
    keys
}

/// Whether a query string holds what looks like a key, in whatever spelling.
fn has_key(query: &str) -> bool {
    let decoded: String = percent_encoding(query).to_ascii_lowercase();
    decoded.contains("claribi_sk_") || decoded.contains("api_key=") || decoded.contains("apikey=")
}

/// Percent-decoding for recognition: what does not decode stays as it is.
fn percent_encoding(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut index = 0;
    while index < bytes.len() {
        let digits = bytes.get(index + 1..index + 3).and_then(|pair| std::str::from_utf8(pair).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) if bytes[index] == b'%' => {
                decoded.push(byte);
                index += 3;
            }
            _ => {
                decoded.push(bytes[index]);
                index += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

/// Who presents it.
///
/// # Errors
/// The 401 of what was presented.
pub fn identify(app: &App, presented: &Presented, now: Timestamp) -> Result<Arc<Identity>> {
    match presented {
        Presented::Nothing => Err(Error::CredentialsMissing),
        Presented::MalformedKey => Err(Error::InvalidKey),
        Presented::Key(text) => app.identify_key(text, now),
        Presented::Token(token) => app.identify_token(token, now),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in lines {
            map.append(*name, value.parse().unwrap());
        }
        map
    }

    #[test]
    fn two_credentials_are_refused_even_when_they_are_equal() {
        for lines in [
            [("authorization", "Bearer a"), ("x-api-key", "a")],
            [("x-api-key", "a"), ("x-api-key", "a")],
            [("authorization", "Bearer a"), ("authorization", "Bearer a")],
        ] {
            assert!(matches!(presented(&headers(&lines), None), Err(Error::TwoCredentials)));
        }
    }

    #[test]
    fn a_key_in_the_url_is_refused_in_every_spelling() {
        for query in [
            "key=claribi_sk_live_x",
            "q=CLARIBI_SK_test_x",
            "a=%63laribi_sk_live_x",
            "api_key=x",
            "claribi%5Fsk%5Flive",
        ] {
            assert!(matches!(presented(&HeaderMap::new(), Some(query)), Err(Error::KeyInUrl)), "{query}");
        }
        assert!(matches!(presented(&HeaderMap::new(), Some("limit=5&q=claribi")), Ok(Presented::Nothing)));
    }

    #[test]
    fn keys_are_recognised_in_both_headers_alike() {
        for line in [("authorization", "Bearer claribi_x"), ("x-api-key", "claribi_x"), ("x-api-key", "")] {
            assert!(matches!(presented(&headers(&[line]), None), Ok(Presented::MalformedKey)));
        }
        assert!(matches!(presented(&headers(&[("authorization", "bearer eyJ.a.b")]), None), Ok(Presented::Token(_))));
        assert!(matches!(presented(&headers(&[("authorization", "Basic abc")]), None), Err(Error::InvalidToken)));
    }
}
