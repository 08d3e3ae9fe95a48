//! A connection that is kept, for clients that send and read bytes as they please.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

use crate::binary::Answer;

/// Nobody waits for an answer that long: what lasts longer is a hang, and a test that hangs tells nothing.
const PATIENCE: Duration = Duration::from_secs(60);

/// The connection.
pub struct Line {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// A request as it is sent. `fields` are further header fields, each with its line's end.
pub fn request(method: &str, path: &str, credential: &str, fields: &str, body: Option<&Value>) -> String {
    let body = body.map(Value::to_string).unwrap_or_default();
    let typed = if body.is_empty() { "" } else { "Content-Type: application/json\r\n" };
    format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {credential}\r\n{typed}{fields}\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

impl Line {
    /// Connects; `None` when nobody listens.
    pub fn to(address: SocketAddr) -> Option<Self> {
        let stream = TcpStream::connect(address).ok()?;
        stream.set_nodelay(true).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        Some(Self { stream, buffer: Vec::new() })
    }

    /// Sends a request and reads the whole answer. `None` when the server hung up before that.
    pub fn ask(&mut self, request: &str) -> Option<Answer> {
        self.send(request.as_bytes())?;
        self.answer()
    }

    /// Sends bytes.
    pub fn send(&mut self, bytes: &[u8]) -> Option<()> {
        self.buffer.clear();
        self.stream.write_all(bytes).ok()
    }

    /// Reads a whole answer.
    pub fn answer(&mut self) -> Option<Answer> {
        let mut answer = self.head()?;
        let length: usize = answer.header("content-length")?.parse().ok()?;
        let begun = answer.head.len() + 4;
        while self.buffer.len() < begun + length {
            self.read()?;
        }
        answer.body = String::from_utf8(self.buffer[begun..begun + length].to_vec()).ok()?;
        Some(answer)
    }

    /// Reads an answer's head, and of its body only what comes with it.
    pub fn head(&mut self) -> Option<Answer> {
        loop {
            if let Some(end) = self.buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                let head = String::from_utf8(self.buffer[..end].to_vec()).ok()?;
                let status = head.split(' ').nth(1)?.parse().ok()?;
                return Some(Answer { status, head, body: String::new() });
            }
            self.read()?;
        }
    }

    fn read(&mut self) -> Option<()> {
        let mut chunk = [0; 4_096];
        let read = self.stream.read(&mut chunk).ok()?;
        self.buffer.extend_from_slice(&chunk[..read]);
        (read > 0).then_some(())
    }
}
