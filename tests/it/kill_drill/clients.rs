//! Those who work while the server is killed: writers who remember what was acknowledged, readers some of whom hang up.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use crate::binary::Answer;
use crate::chance::Chance;
use crate::line::{Line, request};

/// An answer that was received, or the head of it.
#[derive(Debug)]
pub struct Call {
    pub request: String,
    pub status: u16,
    /// The object that it says it changed.
    pub changed: Option<String>,
}

/// A dashboard with its acknowledged name, and a later one that nobody heard of.
#[derive(Debug)]
pub struct Board {
    pub id: String,
    pub name: String,
    pub attempted: Option<String>,
}

/// A dashboard that was to be made, with the key that was used; its id when that was acknowledged.
#[derive(Debug, Clone)]
pub struct Create {
    pub name: String,
    pub key: String,
    pub id: String,
}

impl Create {
    /// The same each time.
    pub fn request(&self, key: &str) -> String {
        let once = format!("Idempotency-Key: {}\r\n", self.name);
        request("POST", "/v1/dashboards", key, &once, Some(&json!({"name": self.name})))
    }
}

/// What clients saw until the server died.
#[derive(Default)]
pub struct Seen {
    pub calls: Vec<Call>,
    pub boards: Vec<Board>,
    pub creates: Vec<Create>,
    pub unheard_creates: Vec<Create>,
    pub patches: usize,
    pub credits: i64,
    /// Refreshes that were sent and never answered.
    pub unheard: i64,
    pub hung_up: usize,
}

impl Seen {
    pub fn with(mut self, other: Self) -> Self {
        self.calls.extend(other.calls);
        self.boards.extend(other.boards);
        self.creates.extend(other.creates);
        self.unheard_creates.extend(other.unheard_creates);
        self.patches += other.patches;
        self.credits += other.credits;
        self.unheard += other.unheard;
        self.hung_up += other.hung_up;
        self
    }

    fn note(&mut self, answer: &Answer, changed: Option<&str>) {
        let status = answer.status;
        assert!(status < 500 || status == 503, "{}\n\n{}", answer.head, answer.body);
        let request = answer.header("x-request-id").unwrap().to_owned();
        self.calls.push(Call { request, status, changed: changed.map(str::to_owned) });
    }
}

/// Makes dashboards, renames them, refreshes its own one.
pub struct Writer<'d> {
    name: String,
    key: &'d str,
    /// The dashboard with a widget.
    refreshed: &'d str,
    chance: Chance,
    made: usize,
    seen: Seen,
}

impl<'d> Writer<'d> {
    pub fn new(name: String, key: &'d str, refreshed: &'d str, chance: Chance) -> Self {
        Self { name, key, refreshed, chance, made: 0, seen: Seen::default() }
    }

    pub fn work(mut self, address: SocketAddr, over: &AtomicBool) -> Seen {
        if let Some(mut line) = Line::to(address) {
            while !over.load(Ordering::Relaxed) && self.act(&mut line).is_some() {}
        }
        self.seen
    }

    fn act(&mut self, line: &mut Line) -> Option<()> {
        match self.chance.below(10) {
            0..6 => self.create(line),
            6..9 => self.rename(line),
            _ => self.refresh(line),
        }
    }

    fn create(&mut self, line: &mut Line) -> Option<()> {
        self.made += 1;
        let name = format!("{}-board-{}", self.name, self.made);
        let mut create = Create { name: name.clone(), key: self.key.to_owned(), id: String::new() };
        let Some(answer) = line.ask(&create.request(self.key)) else {
            self.seen.unheard_creates.push(create);
            return None;
        };
        assert_eq!(answer.status, 201, "{}", answer.body);
        let id = answer.json()["id"].as_str().unwrap().to_owned();
        self.seen.note(&answer, Some(&id));
        create.id.clone_from(&id);
        self.seen.creates.push(create);
        self.seen.boards.push(Board { id, name, attempted: None });
        Some(())
    }

    fn rename(&mut self, line: &mut Line) -> Option<()> {
        let Some(place) = self.seen.boards.len().checked_sub(1) else { return Some(()) };
        let board = &mut self.seen.boards[place];
        let name = format!("{}-renamed", board.name);
        board.attempted = Some(name.clone());
        let body = json!({"name": name});
        let answer = line.ask(&request("PATCH", &format!("/v1/dashboards/{}", board.id), self.key, "", Some(&body)))?;
        assert_eq!(answer.status, 200, "{}", answer.body);
        (board.name, board.attempted) = (name, None);
        let id = board.id.clone();
        self.seen.note(&answer, Some(&id));
        self.seen.patches += 1;
        Some(())
    }

    fn refresh(&mut self, line: &mut Line) -> Option<()> {
        let path = format!("/v1/dashboards/{}/refresh", self.refreshed);
        let Some(answer) = line.ask(&request("POST", &path, self.key, "", Some(&json!({})))) else {
            self.seen.unheard += 1;
            return None;
        };
        self.seen.note(&answer, None);
        if answer.status == 200 {
            self.seen.credits += answer.json()["credits_consumed"].as_i64().unwrap();
        }
        Some(())
    }
}

/// Asks for this and that, and does not always wait for the answer.
pub struct Reader<'d> {
    key: &'d str,
    board: &'d str,
    chance: Chance,
    seen: Seen,
}

impl<'d> Reader<'d> {
    pub fn new(key: &'d str, board: &'d str, chance: Chance) -> Self {
        Self { key, board, chance, seen: Seen::default() }
    }

    pub fn work(mut self, address: SocketAddr, over: &AtomicBool) -> Seen {
        while !over.load(Ordering::Relaxed) && self.visit(address, over).is_some() {}
        self.seen
    }

    /// A few requests on one connection, until one of them is broken off.
    fn visit(&mut self, address: SocketAddr, over: &AtomicBool) -> Option<()> {
        let mut line = Line::to(address)?;
        while !over.load(Ordering::Relaxed) {
            let path = match self.chance.below(6) {
                0 => "/v1/dashboards?limit=5".to_owned(),
                1 => format!("/v1/dashboards/{}", self.board),
                2 => "/v1/usage".to_owned(),
                3 => "/v1/audit?limit=3&sort=-created_at".to_owned(),
                // A path that leads nowhere would be nobody's call, which past a rate are counted together.
                4 => "/v1/dashboards/d_fffffff".to_owned(),
                // Past a hundred of these in a minute it is refused, and that is an answer too.
                _ => "/api/data-sources/".to_owned(),
            };
            let request = request("GET", &path, self.key, "", None);
            let whole = match self.chance.below(12) {
                0 => {
                    line.send(&request.as_bytes()[..request.len() / 2])?;
                    false
                }
                1 => {
                    line.send(request.as_bytes())?;
                    false
                }
                2 => {
                    line.send(request.as_bytes())?;
                    let head = line.head()?;
                    self.seen.note(&head, None);
                    false
                }
                _ => {
                    let answer = line.ask(&request)?;
                    self.seen.note(&answer, None);
                    true
                }
            };
            if !whole {
                self.seen.hung_up += 1;
                return Some(());
            }
        }
        None
    }
}
