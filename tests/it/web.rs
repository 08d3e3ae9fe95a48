//! Somebody else's web server, on loopback: files with tags, and what else servers do.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

/// What lies at a path.
#[derive(Clone)]
pub enum Page {
    /// A file under the tag of its content.
    File(String),
    /// The same, once the site is let go on.
    Held(String),
    /// The first half of a file, and the rest once the site is let go on.
    Halved(String),
    /// Another place.
    Redirect(String),
    /// An answer as it goes over the wire.
    Raw(String),
    /// Bytes without end.
    Endless,
    /// Nothing, over an open connection.
    Silent,
    /// The beginning of a file, and nothing more.
    Stalled,
}

/// The server, which ends with the test.
pub struct Site {
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    pages: Mutex<HashMap<String, Page>>,
    heads: Mutex<Vec<String>>,
    going_on: Semaphore,
}

impl Site {
    pub async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared { pages: Mutex::default(), heads: Mutex::default(), going_on: Semaphore::new(0) });
        let serving = shared.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let shared = serving.clone();
                // Clients hang up in the middle, which is no fault of this side.
                tokio::spawn(async move { drop(shared.answer(stream).await) });
            }
        });
        Self { address, shared }
    }

    /// The URL of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Puts something at a path; gives its URL.
    pub fn put(&self, path: &str, page: Page) -> String {
        self.shared.pages.lock().insert(path.to_owned(), page);
        self.url(path)
    }

    /// Lets one held answer go.
    pub fn go_on(&self) {
        self.shared.going_on.add_permits(1);
    }

    /// The heads of all requests so far, in lower case.
    pub fn heads(&self) -> Vec<String> {
        self.shared.heads.lock().clone()
    }
}

impl Shared {
    async fn answer(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await?);
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        let path = head.split(' ').nth(1).unwrap().to_owned();
        let head = head.to_lowercase();
        self.heads.lock().push(head.clone());
        let page = self.pages.lock().get(path.split('?').next().unwrap()).cloned();
        let answer = match page {
            Some(Page::File(text)) => file(&head, &text),
            Some(Page::Held(text)) => {
                self.going_on.acquire().await.unwrap().forget();
                file(&head, &text)
            }
            Some(Page::Halved(text)) => {
                let answer = file(&head, &text);
                let (first, rest) = answer.split_at(answer.len() - text.len() / 2);
                stream.write_all(first.as_bytes()).await?;
                self.going_on.acquire().await.unwrap().forget();
                rest.to_owned()
            }
            Some(Page::Redirect(to)) => {
                format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            }
            Some(Page::Raw(text)) => text,
            Some(Page::Endless) => {
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\nConnection: close\r\n\r\na\n").await?;
                loop {
                    stream.write_all(&[b'1', b'\n'].repeat(32_768)).await?;
                }
            }
            Some(Page::Stalled) => {
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\nContent-Length: 99\r\n\r\na\n").await?;
                let _ = stream.read_u8().await;
                return Ok(());
            }
            Some(Page::Silent) => {
                let _ = stream.read_u8().await;
                return Ok(());
            }
            None => "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_owned(),
        };
        stream.write_all(answer.as_bytes()).await?;
        stream.shutdown().await
    }
}

fn file(head: &str, text: &str) -> String {
    let tag = format!("\"{}-{}\"", text.len(), text.bytes().map(u64::from).sum::<u64>());
    if head.contains(&format!("if-none-match: {tag}")) {
        return format!("HTTP/1.1 304 Not Modified\r\nETag: {tag}\r\nConnection: close\r\n\r\n");
    }
    let length = text.len();
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\nETag: {tag}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{text}"
    )
}
