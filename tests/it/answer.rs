//! An answer as a client sees it, and the ways in which tests look at one. Reading it off the wire is here too; judging
//! what it says is the tests' business.

use serde_json::Value;

/// A response, read whole.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    /// Reads what a server sent on a connection that it then closed.
    pub fn read(wire: &[u8]) -> Self {
        let end = find(wire, b"\r\n\r\n").unwrap_or_else(|| panic!("no head in {:?}", String::from_utf8_lossy(wire)));
        let head = std::str::from_utf8(&wire[..end]).unwrap();
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|code| code.parse().ok()).unwrap();
        let headers: Vec<(String, String)> = lines
            .map(|line| line.split_once(':').unwrap())
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let mut answer = Self { status, headers, body: Vec::new() };
        let rest = &wire[end + 4..];
        answer.body = match answer.header("transfer-encoding") {
            Some("chunked") => dechunked(rest),
            _ => rest.to_vec(),
        };
        answer
    }

    /// The value of a header that is there at most once.
    #[track_caller]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(found, _)| found == name).map(|(_, value)| value.as_str());
        let value = values.next();
        assert_eq!(values.next(), None, "the header {name} stands twice");
        value
    }

    /// A header as a number.
    #[track_caller]
    pub fn number(&self, name: &str) -> i64 {
        let value = self.header(name).unwrap_or_else(|| panic!("no header {name} in {:?}", self.headers));
        value.parse().unwrap()
    }

    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {}", self.text()))
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The JSON of an answer that must have this status.
    #[track_caller]
    pub fn is(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        if self.body.is_empty() { Value::Null } else { self.json() }
    }

    /// The envelope of an answer that must be this refusal, whatever the face.
    #[track_caller]
    pub fn refuses(&self, status: u16, code: &str) -> Value {
        assert_eq!((self.status, self.code().as_str()), (status, code), "{}", self.text());
        assert!(self.message().len() > 10, "a refusal without a sentence: {}", self.text());
        self.request_id();
        self.envelope()
    }

    /// What stands beside the code: the inner object on `/v1/`, the body on the others.
    #[track_caller]
    pub fn envelope(&self) -> Value {
        let body = self.json();
        if body["error"].is_object() { body["error"].clone() } else { body }
    }

    /// The stable code of an error, in any face's envelope.
    #[track_caller]
    pub fn code(&self) -> String {
        let envelope = self.envelope();
        let code = envelope["code"].as_str().or_else(|| envelope["error"].as_str());
        code.unwrap_or_else(|| panic!("no code in {}", self.text())).to_owned()
    }

    /// The sentence of an error: on `/api/` it is the detail.
    #[track_caller]
    pub fn message(&self) -> String {
        let envelope = self.envelope();
        let message = envelope["detail"].as_str().or_else(|| envelope["message"].as_str());
        message.unwrap_or_else(|| panic!("no message in {}", self.text())).to_owned()
    }

    /// The request's id: well formed, and in an error's body the same as in the header.
    #[track_caller]
    pub fn request_id(&self) -> String {
        let id =
            self.header("x-request-id").unwrap_or_else(|| panic!("no X-Request-Id: {:?}", self.headers)).to_owned();
        let digits = id.strip_prefix("req_").unwrap_or_default();
        assert!(digits.len() == 32 && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')), "{id}");
        if self.status >= 400 && !self.body.is_empty() {
            let body = self.envelope();
            let told = if body["instance"].is_string() { &body["instance"] } else { &body["request_id"] };
            assert_eq!(told, id.as_str());
        }
        id
    }

    /// The body with the request's id and these words masked: for comparing answers.
    pub fn masked(&self, words: &[&str]) -> String {
        let id = self.header("x-request-id").unwrap_or_default();
        words.iter().fold(self.text().replace(id, "ID"), |text, word| text.replace(word, "WORD"))
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

fn dechunked(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let line = find(rest, b"\r\n").expect("a chunk's size");
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..line]).unwrap().trim(), 16).unwrap();
        rest = &rest[line + 2..];
        if size == 0 {
            return body;
        }
        body.extend_from_slice(&rest[..size]);
        rest = &rest[size + 2..];
    }
}
