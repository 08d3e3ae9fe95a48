//! Parts of files: one range of bytes (RFC 9110, 14). Several at once are answered by the whole, as the RFC lets.

use poem::http::HeaderMap;
use poem::http::header::{self, AsHeaderName};

use crate::domain::condition::is_tag;
use crate::domain::error::{Error, Result};

/// The range that a request's head asks for.
#[derive(Debug, Clone, Default)]
pub struct AskedRange {
    range: Option<String>,
    if_range: Option<String>,
}

/// A part of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// Its first byte.
    pub start: u64,
    /// How many bytes.
    pub length: u64,
}

impl AskedRange {
    /// Reads a head; a field that stands twice is none.
    pub fn of(headers: &HeaderMap) -> Self {
        Self { range: single(headers, header::RANGE), if_range: single(headers, header::IF_RANGE) }
    }

    /// The part of a file of this length and tag that is asked for; `None`: all of it.
    ///
    /// # Errors
    /// `RangeNotSatisfiable` for a part that begins past the end.
    pub fn part(&self, length: u64, opaque: &str) -> Result<Option<Part>> {
        let Some(range) = self.range.as_deref().and_then(Range::read) else { return Ok(None) };
        if self.if_range.as_deref().is_some_and(|held| !is_tag(held, opaque)) {
            return Ok(None);
        }
        range.within(length).map(Some).ok_or(Error::RangeNotSatisfiable { length })
    }
}

fn single(headers: &HeaderMap, name: impl AsHeaderName) -> Option<String> {
    let mut lines = headers.get_all(name).iter();
    let line = lines.next()?;
    if lines.next().is_some() { None } else { line.to_str().ok().map(str::to_owned) }
}

/// One range of bytes as it is asked for.
#[derive(Debug, Clone, Copy)]
enum Range {
    /// From a byte to the end.
    From(u64),
    /// From a byte to a byte.
    Between(u64, u64),
    /// The last bytes.
    Last(u64),
}

impl Range {
    /// Reads one range; everything else is ignored, as if it had not been asked for.
    fn read(text: &str) -> Option<Self> {
        let (unit, range) = text.split_once('=')?;
        if !unit.trim().eq_ignore_ascii_case("bytes") {
            return None;
        }
        let (first, last) = range.trim().split_once('-')?;
        match (first, last) {
            ("", last) => number(last).map(Self::Last),
            (first, "") => number(first).map(Self::From),
            (first, last) => {
                let (first, last) = (number(first)?, number(last)?);
                (first <= last).then_some(Self::Between(first, last))
            }
        }
    }

    fn within(self, length: u64) -> Option<Part> {
        let (start, end) = match self {
            Self::From(first) => (first, length),
            Self::Between(first, last) => (first, last.saturating_add(1).min(length)),
            Self::Last(count) => (length.saturating_sub(count), length),
        };
        (start < end).then(|| Part { start, length: end - start })
    }
}

/// Digits only; more than there are bytes anywhere is as good as the largest number.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(range: &str, if_range: Option<&str>) -> AskedRange {
        AskedRange { range: Some(range.to_owned()), if_range: if_range.map(str::to_owned) }
    }

    fn part(range: &str) -> Option<(u64, u64)> {
        asked(range, None).part(100, "a").unwrap().map(|part| (part.start, part.length))
    }

    #[test]
    fn one_range_is_a_part() {
        assert_eq!(part("bytes=0-0"), Some((0, 1)));
        assert_eq!(part("bytes=10-19"), Some((10, 10)));
        assert_eq!(part("bytes=90-"), Some((90, 10)));
        assert_eq!(part("bytes=-10"), Some((90, 10)));
        assert_eq!(part("bytes=-1000"), Some((0, 100)));
        assert_eq!(part("bytes=10-99999999999999999999999"), Some((10, 90)));
        assert_eq!(part("BYTES= 1-2"), Some((1, 2)));
    }

    #[test]
    fn what_is_no_single_range_is_ignored() {
        for text in
            ["", "bytes", "bytes=", "bytes=-", "bytes=a-b", "bytes=5-4", "bytes=0-1,5-6", "bytes=+1-2", "rows=0-1"]
        {
            assert_eq!(part(text), None, "{text}");
        }
    }

    #[test]
    fn a_part_past_the_end_cannot_be_given() {
        for text in ["bytes=100-", "bytes=100-200", "bytes=-0", "bytes=99999999999999999999999-"] {
            assert!(
                matches!(asked(text, None).part(100, "a"), Err(Error::RangeNotSatisfiable { length: 100 })),
                "{text}"
            );
        }
        assert!(asked("bytes=0-", None).part(0, "a").is_err());
    }

    #[test]
    fn if_range_gives_all_of_a_file_that_is_another_now() {
        assert!(asked("bytes=1-2", Some("\"a\"")).part(100, "a").unwrap().is_some());
        for other in ["\"b\"", "W/\"a\"", "Sat, 21 Nov 2026 06:00:00 GMT"] {
            assert!(asked("bytes=1-2", Some(other)).part(100, "a").unwrap().is_none(), "{other}");
        }
        assert!(asked("bytes=500-", Some("\"b\"")).part(100, "a").unwrap().is_none());
    }
}
