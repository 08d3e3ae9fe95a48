//! `multipart/form-data` (RFC 7578) as a stream: parts in their order, each piece by piece, with no more in memory than
//! one chunk of the body and one part's headers. What parts mean is the business of [`super::upload`].

use bytes::{Buf, Bytes, BytesMut};
use futures_util::{Stream, StreamExt};

use crate::domain::error::{Error, Result};

/// The longest headers of a part, and what may stand before the first.
const HEADERS_LENGTH: usize = 16 << 10;
/// The longest boundary that RFC 2046 knows.
const BOUNDARY_LENGTH: usize = 70;

/// The form of a body.
pub struct Form<S> {
    chunks: S,
    buffer: BytesMut,
    /// What ends each part: line break, two hyphens, boundary.
    delimiter: Vec<u8>,
    in_part: bool,
}

/// What the headers of a part say.
#[derive(Debug, PartialEq, Eq)]
pub struct Part {
    /// The field's name.
    pub name: String,
    /// The file's name, when it is a file.
    pub file_name: Option<String>,
}

impl<S: Stream<Item = Result<Bytes>> + Unpin> Form<S> {
    /// The form in a body with this boundary.
    pub fn new(boundary: &str, chunks: S) -> Self {
        // The first delimiter may stand at the very beginning, where no line break is before it.
        Self {
            chunks,
            buffer: BytesMut::from("\r\n"),
            delimiter: format!("\r\n--{boundary}").into_bytes(),
            in_part: true,
        }
    }

    /// The next part; `None` at the end, when all of the body was read. What is left of the part before is skipped.
    ///
    /// # Errors
    /// `InvalidRequest` when it is no form, and what reading the body gives.
    pub async fn next_part(&mut self) -> Result<Option<Part>> {
        while self.data().await?.is_some() {}
        while self.buffer.len() < 2 {
            self.fill().await?;
        }
        if self.buffer.starts_with(b"--") {
            self.buffer.clear();
            while let Some(chunk) = self.chunks.next().await {
                drop(chunk?);
            }
            return Ok(None);
        }
        let end = loop {
            match find(&self.buffer, b"\r\n\r\n") {
                Some(end) => break end,
                None if self.buffer.len() > HEADERS_LENGTH => {
                    return Err(malformed("the headers of a part are too long"));
                }
                None => self.fill().await?,
            }
        };
        let headers = self.buffer.split_to(end + 4);
        self.in_part = true;
        part(&headers).map(Some)
    }

    /// The next piece of the present part; `None` at its end.
    ///
    /// # Errors
    /// As [`Form::next_part`].
    pub async fn data(&mut self) -> Result<Option<Bytes>> {
        while self.in_part {
            match find(&self.buffer, &self.delimiter) {
                Some(0) => {
                    self.buffer.advance(self.delimiter.len());
                    self.in_part = false;
                }
                Some(end) => return Ok(Some(self.buffer.split_to(end).freeze())),
                None => {
                    // The end of the buffer may be the beginning of a delimiter.
                    let safe = (self.buffer.len() + 1).saturating_sub(self.delimiter.len());
                    if safe > 0 {
                        return Ok(Some(self.buffer.split_to(safe).freeze()));
                    }
                    self.fill().await?;
                }
            }
        }
        Ok(None)
    }

    async fn fill(&mut self) -> Result<()> {
        let chunk = self.chunks.next().await.ok_or_else(|| malformed("it breaks off"))??;
        self.buffer.extend_from_slice(&chunk);
        Ok(())
    }
}

/// The boundary of a form, from its `Content-Type`.
pub fn boundary(content_type: &str) -> Option<String> {
    let (media_type, parameters) = content_type.split_once(';')?;
    if !media_type.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let boundary = parameter(parameters, "boundary")?;
    let fits =
        (1..=BOUNDARY_LENGTH).contains(&boundary.len()) && boundary.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    fits.then_some(boundary)
}

fn malformed(what: &str) -> Error {
    Error::InvalidRequest(format!("The body is no multipart form: {what}."))
}

fn part(headers: &[u8]) -> Result<Part> {
    let headers = std::str::from_utf8(headers).map_err(|_| malformed("the headers of a part are not UTF-8"))?;
    let disposition = headers.split("\r\n").find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.trim().eq_ignore_ascii_case("content-disposition").then_some(value.trim())
    });
    let parameters = disposition.and_then(|value| {
        let (kind, parameters) = value.split_once(';')?;
        kind.trim().eq_ignore_ascii_case("form-data").then_some(parameters)
    });
    let parameters = parameters.ok_or_else(|| malformed("a part has no `Content-Disposition: form-data`"))?;
    let name = parameter(parameters, "name").ok_or_else(|| malformed("a part has no name"))?;
    let encoded = parameter(parameters, "filename*").and_then(|value| extended(&value));
    Ok(Part { name, file_name: encoded.or_else(|| parameter(parameters, "filename")) })
}

/// A parameter of a header, unquoted.
fn parameter(parameters: &str, sought: &str) -> Option<String> {
    let mut rest = parameters;
    loop {
        let (name, after) = rest.split_once('=')?;
        let (value, after) = value(after.trim_start());
        if name.trim_matches([' ', '\t', ';']).eq_ignore_ascii_case(sought) {
            return Some(value);
        }
        rest = after;
    }
}

/// A token or a quoted string, and what stands behind it. A backslash only escapes quotes and backslashes: browsers send
/// the others of old paths as they are.
fn value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(';').unwrap_or(text.len());
        return (text[..end].trim_end().to_owned(), &text[end..]);
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices().peekable();
    while let Some((index, character)) = characters.next() {
        match character {
            '"' => return (value, &quoted[index + 1..]),
            '\\' => match characters.next_if(|(_, next)| matches!(next, '"' | '\\')) {
                Some((_, escaped)) => value.push(escaped),
                None => value.push('\\'),
            },
            other => value.push(other),
        }
    }
    (value, "")
}

/// `UTF-8''na%C3%AFve.csv` (RFC 8187), which some clients send though RFC 7578 would not have it.
fn extended(text: &str) -> Option<String> {
    let (charset, rest) = text.split_once('\'')?;
    let (_, encoded) = rest.split_once('\'')?;
    if !charset.eq_ignore_ascii_case("utf-8") {
        return None;
    }
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits = [rest.next()?, rest.next()?];
        bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
    }
    String::from_utf8(bytes).ok()
}

/// Where `needle`, which begins with a carriage return, first stands.
fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    let mut from = 0;
    while let Some(step) = haystack[from..].iter().position(|byte| *byte == b'\r') {
        let start = from + step;
        if haystack[start..].starts_with(needle) {
            return Some(start);
        }
        from = start + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    const FORM: &str = "preamble\r\n--b--x\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\nNYC \r\n--b flights\r\n--b--x\r\n\
        content-type: text/csv\r\ncontent-disposition: form-data; name=file; filename=\"a \\\"b\\\".csv\"\r\n\r\n\r\na,b\r\n1,2\r\n\
        \r\n--b--x  \r\nContent-Disposition: form-data; name=\"empty\"\r\n\r\n\r\n--b--x--\r\nepilogue";

    async fn read(text: &str, boundary: &str, chunk: usize) -> Result<Vec<(Part, String)>> {
        let chunks: Vec<Result<Bytes>> =
            text.as_bytes().chunks(chunk).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
        let mut form = Form::new(boundary, stream::iter(chunks));
        let mut parts = Vec::new();
        while let Some(part) = form.next_part().await? {
            let mut data = Vec::new();
            while let Some(piece) = form.data().await? {
                assert!(!piece.is_empty());
                data.extend_from_slice(&piece);
            }
            parts.push((part, String::from_utf8(data).unwrap()));
        }
        Ok(parts)
    }

    fn part_of(name: &str, file_name: Option<&str>) -> Part {
        Part { name: name.to_owned(), file_name: file_name.map(str::to_owned) }
    }

    #[tokio::test]
    async fn parts_are_the_same_however_the_body_is_cut() {
        for chunk in 1..FORM.len() {
            let parts = read(FORM, "b--x", chunk).await.unwrap();
            let expected = [
                (part_of("name", None), "NYC \r\n--b flights".to_owned()),
                (part_of("file", Some("a \"b\".csv")), "\r\na,b\r\n1,2\r\n".to_owned()),
                (part_of("empty", None), String::new()),
            ];
            assert_eq!(parts, expected, "in pieces of {chunk}");
        }
    }

    #[tokio::test]
    async fn parts_that_are_not_read_are_skipped() {
        let mut form = Form::new("b--x", stream::iter([Ok(Bytes::from(FORM))]));
        let mut names = Vec::new();
        while let Some(part) = form.next_part().await.unwrap() {
            names.push(part.name);
        }
        assert_eq!(names, ["name", "file", "empty"]);
    }

    #[tokio::test]
    async fn what_is_no_form_is_refused_wherever_it_breaks_off() {
        let whole = FORM.find("--b--x--").unwrap() + "--b--x--".len();
        for end in 0..whole {
            assert!(read(&FORM[..end], "b--x", 7).await.is_err(), "up to {end}");
        }
        let nameless = "--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--";
        assert!(read(nameless, "b", 9).await.is_err());
        let endless = format!("--b\r\nX: {}\r\n", "x".repeat(HEADERS_LENGTH * 2));
        assert!(read(&endless, "b", 1000).await.unwrap_err().to_string().contains("too long"));
    }

    #[test]
    fn boundaries_are_read_and_other_media_types_are_not() {
        assert_eq!(boundary("multipart/form-data; boundary=abc").as_deref(), Some("abc"));
        assert_eq!(boundary("Multipart/Form-Data; charset=utf-8; Boundary=\"a b\"").as_deref(), Some("a b"));
        for bad in [
            "multipart/form-data",
            "multipart/mixed; boundary=a",
            "application/json",
            "multipart/form-data; boundary=\"\"",
        ] {
            assert_eq!(boundary(bad), None, "{bad}");
        }
    }

    #[test]
    fn file_names_are_read_in_every_spelling_of_clients() {
        let name = |line: &str| part(format!("\r\nContent-Disposition: form-data; {line}\r\n\r\n").as_bytes()).unwrap();
        assert_eq!(name(r#"name="file"; filename="C:\data\a.csv""#).file_name.as_deref(), Some(r"C:\data\a.csv"));
        assert_eq!(name(r#"filename="x;name=y"; name="file""#), part_of("file", Some("x;name=y")));
        assert_eq!(name("name=file; filename*=utf-8''na%C3%AFve.csv").file_name.as_deref(), Some("naïve.csv"));
    }
}
