//! Who calls: an actor is an HTTP client with a credential and an address, over the real listener's connection code.

use std::net::SocketAddr;
use std::sync::Arc;

use claribi::http::edge::Edge;
use claribi::http::listener::{Peer, Server};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use crate::answer::Answer;

/// What an actor shows to come in.
#[derive(Debug, Clone)]
pub enum Credential {
    Nothing,
    Bearer(String),
    ApiKey(String),
}

/// A client. Clones are the same actor.
#[derive(Clone)]
pub struct Actor {
    server: Arc<Server<Edge>>,
    peer: SocketAddr,
    headers: Vec<(String, String)>,
    pub credential: Credential,
}

/// What stands between the parts of uploads.
pub const BOUNDARY: &str = "----between-the-parts";

/// A part of an upload.
pub enum Part<'a> {
    Field(&'a str, &'a str),
    File(&'a str, &'a [u8]),
}

/// A request that is being put together.
#[derive(Clone)]
pub struct Request {
    actor: Actor,
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
    host: Option<String>,
    framing: Framing,
}

/// How a body's end is told.
#[derive(Clone, Copy, PartialEq)]
enum Framing {
    Length,
    Chunks,
}

impl Actor {
    pub fn new(server: Arc<Server<Edge>>, credential: Credential) -> Self {
        Self { server, peer: "127.0.0.1:40000".parse().unwrap(), headers: Vec::new(), credential }
    }

    /// The same credential from elsewhere.
    pub fn from(&self, address: &str) -> Self {
        Self { peer: SocketAddr::new(address.parse().unwrap(), 40000), ..self.clone() }
    }

    /// The same with a header on each request.
    pub fn with(&self, name: &str, value: &str) -> Self {
        let mut actor = self.clone();
        actor.headers.push((name.to_owned(), value.to_owned()));
        actor
    }

    /// The same text in the other header.
    pub fn by_the_other_header(&self) -> Self {
        let credential = match &self.credential {
            Credential::Nothing => Credential::Nothing,
            Credential::Bearer(text) => Credential::ApiKey(text.clone()),
            Credential::ApiKey(text) => Credential::Bearer(text.clone()),
        };
        Self { credential, ..self.clone() }
    }

    /// The text of the credential.
    pub fn secret(&self) -> &str {
        match &self.credential {
            Credential::Nothing => "",
            Credential::Bearer(text) | Credential::ApiKey(text) => text,
        }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.request("GET", path).send().await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.request("DELETE", path).send().await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.request("POST", path).json(&body).send().await
    }

    pub async fn patch(&self, path: &str, body: Value) -> Answer {
        self.request("PATCH", path).json(&body).send().await
    }

    pub async fn upload(&self, path: &str, parts: &[Part<'_>]) -> Answer {
        self.form(path, parts, BOUNDARY).send().await
    }

    /// An upload that is not sent yet.
    pub fn form(&self, path: &str, parts: &[Part<'_>], boundary: &str) -> Request {
        let mut body = Vec::new();
        for part in parts {
            body.extend_from_slice(format!("--{boundary}\r\n").as_bytes());
            match part {
                Part::Field(name, value) => {
                    let head = format!("Content-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}");
                    body.extend_from_slice(head.as_bytes());
                }
                Part::File(name, bytes) => {
                    let head = format!(
                        "Content-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\
                         Content-Type: application/octet-stream\r\n\r\n"
                    );
                    body.extend_from_slice(head.as_bytes());
                    body.extend_from_slice(bytes);
                }
            }
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
        let media_type = format!("multipart/form-data; boundary={boundary}");
        self.request("POST", path).header("content-type", &media_type).body(body)
    }

    pub fn request(&self, method: &str, path: &str) -> Request {
        Request {
            actor: self.clone(),
            method: method.to_owned(),
            path: path.to_owned(),
            headers: self.headers.clone(),
            body: None,
            host: Some("localhost:8080".to_owned()),
            framing: Framing::Length,
        }
    }

    /// Sends these bytes on a connection of their own and reads until the server closes it.
    pub async fn send_raw(&self, wire: &[u8]) -> Answer {
        let client = self.connect();
        let (mut reading, mut writing) = tokio::io::split(client);
        let mut received = Vec::new();
        // A server that refuses a body early stops reading it: then writing fails, and the answer is there.
        let (_written, read) = tokio::join!(writing.write_all(wire), reading.read_to_end(&mut received));
        read.unwrap();
        Answer::read(&received)
    }

    /// Sends a request's head, waits until its handler asks for the body, sends `body` of its `length` and hangs up. Returns when the
    /// connection is over for the server.
    pub async fn send_and_leave(&self, request: Request, body: &[u8], length: usize) {
        let head = request.header("expect", "100-continue").header("content-length", &length.to_string()).wire();
        let (mut client, server) = tokio::io::duplex(64 * 1024);
        let (service, peer) = (Arc::clone(&self.server), Peer::at(self.peer));
        let serving = tokio::spawn(async move { service.serve_stream(server, peer).await });
        client.write_all(&head).await.unwrap();
        let mut asked = [0; 25];
        client.read_exact(&mut asked).await.unwrap();
        assert_eq!(&asked, b"HTTP/1.1 100 Continue\r\n\r\n");
        client.write_all(body).await.unwrap();
        drop(client);
        serving.await.unwrap();
    }

    /// Sends a request and leaves its answer to be read.
    pub async fn open(&self, request: Request) -> DuplexStream {
        let mut client = self.connect();
        client.write_all(&request.wire()).await.unwrap();
        client
    }

    fn connect(&self) -> DuplexStream {
        let (client, server) = tokio::io::duplex(64 * 1024);
        let (service, peer) = (Arc::clone(&self.server), Peer::at(self.peer));
        tokio::spawn(async move { service.serve_stream(server, peer).await });
        client
    }
}

impl Request {
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn json(self, body: &Value) -> Self {
        self.header("content-type", "application/json").body(body.to_string().into_bytes())
    }

    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// Sends the body in chunks, without telling its length before.
    pub fn chunked(mut self) -> Self {
        self.framing = Framing::Chunks;
        self
    }

    pub fn host(mut self, host: &str) -> Self {
        self.host = Some(host.to_owned());
        self
    }

    pub async fn send(self) -> Answer {
        self.actor.send_raw(&self.wire()).await
    }

    /// The request as it goes over the wire.
    pub fn wire(&self) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\nconnection: close\r\n", self.method, self.path);
        let mut line = |name: &str, value: &str| head.push_str(&format!("{name}: {value}\r\n"));
        if let Some(host) = &self.host {
            line("host", host);
        }
        match &self.actor.credential {
            Credential::Nothing => {}
            Credential::Bearer(text) => line("authorization", &format!("Bearer {text}")),
            Credential::ApiKey(text) => line("x-api-key", text),
        }
        for (name, value) in &self.headers {
            line(name, value);
        }
        let body = self.body.as_deref();
        match (body, self.framing) {
            (None, _) => {}
            (Some(body), Framing::Length) => line("content-length", &body.len().to_string()),
            (Some(_), Framing::Chunks) => line("transfer-encoding", "chunked"),
        }
        let mut wire = head.into_bytes();
        wire.extend_from_slice(b"\r\n");
        match (body, self.framing) {
            (None, _) => {}
            (Some(body), Framing::Length) => wire.extend_from_slice(body),
            (Some(body), Framing::Chunks) => {
                for chunk in body.chunks(10_000) {
                    wire.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                    wire.extend_from_slice(chunk);
                    wire.extend_from_slice(b"\r\n");
                }
                wire.extend_from_slice(b"0\r\n\r\n");
            }
        }
        wire
    }
}
