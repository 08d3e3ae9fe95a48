//! Which media type a client wants of those that an operation has (RFC 9110, section 12.5.1).

use poem::http::HeaderMap;
use poem::http::header::ACCEPT;
use poem::{Request, RequestBody, Result};
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};

use super::fault::Fault;
use crate::domain::error::Error;
use crate::service::query::ResultFormat;

/// The forms of a query's result, from the one that is given to who accepts several as much.
pub const RESULT_FORMS: [(&str, ResultFormat); 4] = [
    ("application/json", ResultFormat::Json),
    ("text/csv", ResultFormat::Csv),
    ("application/vnd.apache.arrow.stream", ResultFormat::Arrow),
    ("application/vnd.apache.parquet", ResultFormat::Parquet),
];

/// The form of a query's result that the client accepts best; JSON when it accepts it as much as another.
pub struct AcceptedFormat(pub ResultFormat);

impl<'a> ApiExtractor<'a> for AcceptedFormat {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::PoemExtractor];

    type ParamType = ();
    type ParamRawType = ();

    async fn from_request(
        request: &'a Request,
        _body: &mut RequestBody,
        _options: ExtractParamOptions<()>,
    ) -> Result<Self> {
        let best = best(&accepted(request.headers()), RESULT_FORMS);
        let refusal = || {
            let forms =
                "application/json, text/csv, application/vnd.apache.arrow.stream or application/vnd.apache.parquet";
            Fault(Error::NotAcceptable(forms)).into()
        };
        best.map(Self).ok_or_else(refusal)
    }
}

/// Whether the client prefers one media type to another that it is given otherwise. It must name it: `*/*` asks for
/// nothing in particular, and where both are named and worth the same, nothing is preferred.
pub fn prefers(headers: &HeaderMap, wanted: &str, otherwise: &str) -> bool {
    if !headers.contains_key(ACCEPT) {
        return false;
    }
    let list = accepted(headers);
    let (wanted, other) = (rated(&list, wanted), rated(&list, otherwise));
    match wanted {
        (EXACT, worth) if worth > 0 => worth > other.1 || (worth == other.1 && other.0 < EXACT),
        _ => false,
    }
}

/// All lines of `Accept` as one list; none accepts everything.
fn accepted(headers: &HeaderMap) -> String {
    let lines: Vec<&str> = headers.get_all(ACCEPT).iter().filter_map(|line| line.to_str().ok()).collect();
    if lines.is_empty() { "*/*".to_owned() } else { lines.join(",") }
}

/// The offer of the greatest quality, the earliest of equals; `None` when none is accepted.
fn best<T, const N: usize>(accept: &str, offered: [(&str, T); N]) -> Option<T> {
    let mut best = None;
    for (media_type, offer) in offered {
        let quality = quality(accept, media_type);
        let better = match &best {
            Some((found, _)) => quality > *found,
            None => quality > 0,
        };
        if better {
            best = Some((quality, offer));
        }
    }
    best.map(|(_, offer)| offer)
}

/// What a list says of a media type, in thousandths.
fn quality(accept: &str, media_type: &str) -> u16 {
    rated(accept, media_type).1
}

/// How specific a range is that names the media type itself.
const EXACT: u8 = 3;

/// The most specific range that holds a media type decides: how specific it is, and its quality in thousandths.
fn rated(accept: &str, media_type: &str) -> (u8, u16) {
    let kind = media_type.split('/').next().unwrap_or_default();
    let mut decided = (0, 0);
    for range in accept.split(',') {
        let mut parts = range.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default().to_ascii_lowercase();
        let specific = match name.as_str() {
            "*/*" | "*" => 1,
            name if name.strip_suffix("/*") == Some(kind) => 2,
            name if name == media_type => EXACT,
            _ => continue,
        };
        let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
        if specific > decided.0 {
            decided = (specific, weight.map_or(1000, thousandths));
        }
    }
    decided
}

/// A weight of at most three decimals; what is none counts as refused.
pub(super) fn thousandths(weight: &str) -> u16 {
    let (whole, decimals) = weight.split_once('.').unwrap_or((weight, ""));
    let digits = decimals.len() <= 3 && decimals.bytes().all(|byte| byte.is_ascii_digit());
    match whole {
        "1" if digits => 1000,
        "0" if digits => format!("{decimals:0<3}").parse().unwrap_or(0),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choice(accept: &str) -> Option<&'static str> {
        best(accept, [("application/json", "json"), ("text/csv", "csv")])
    }

    #[test]
    fn the_best_accepted_form_is_given_and_json_of_equals() {
        for accept in
            ["*/*", "application/*", "text/html, */*;q=0.1", "text/csv;q=0.5, application/json", "text/*, */*"]
        {
            assert_eq!(choice(accept), Some("json"), "{accept}");
        }
        for accept in [
            "text/csv",
            "text/*",
            "TEXT/CSV; charset=utf-8",
            "application/json;q=0.2, text/csv;q=0.3",
            "*/*, application/json;q=0",
        ] {
            assert_eq!(choice(accept), Some("csv"), "{accept}");
        }
    }

    #[test]
    fn what_accepts_neither_gets_nothing() {
        for accept in ["text/html", "application/pdf, image/*", "*/*;q=0", "", "text/csv;q=0, application/json;q=x"] {
            assert_eq!(choice(accept), None, "{accept}");
        }
    }

    #[test]
    fn a_type_is_preferred_when_it_is_named_and_worth_more_than_the_other() {
        let asked = |accept: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT, accept.parse().unwrap());
            prefers(&headers, "application/problem+json", "application/json")
        };
        for accept in [
            "application/problem+json",
            "application/problem+json, application/json;q=0.9",
            "application/json;q=0.5,application/problem+json;q=0.6",
            "application/problem+json, */*",
            "text/csv, application/problem+json",
            "Application/Problem+JSON; q=0.1",
        ] {
            assert!(asked(accept), "{accept}");
        }
        for accept in [
            "*/*",
            "application/*",
            "application/json",
            "application/json, application/problem+json",
            "application/problem+json;q=0.5, */*",
            "application/problem+json;q=0",
            "text/html",
            "",
        ] {
            assert!(!asked(accept), "{accept}");
        }
        assert!(!prefers(&HeaderMap::new(), "application/problem+json", "application/json"));
    }
}
