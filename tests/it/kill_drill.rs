//! The real program is killed in the midst of its work, again and again over one data directory. What it had answered is
//! held against what is there when it is up again: each answer has its entry in a log that verifies, no acknowledged
//! write is lost and none is doubled by being repeated, and the ledger adds up.
//!
//! `CLARIBI_TEST_KILL_ROUNDS` (10) says how often, `CLARIBI_TEST_KILL_SEED` repeats the moments of an earlier drill.

mod clients;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use claribi::domain::time::{Clock, Timestamp, monotonic};
use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};

use self::clients::{Board, Call, Create, Reader, Seen, Writer};
use crate::binary::{Installation, Serving, text};
use crate::chance::{Chance, asked};
use crate::line::{Line, request};

const WRITERS: usize = 8;
const READERS: usize = 32;
/// What a refresh of one widget over a few rows costs.
const REFRESH: i64 = 3;

/// One installation and what became of it so far.
struct Drill {
    installation: Installation,
    keys: Vec<String>,
    /// A dashboard with a widget for each writer.
    refreshed: Vec<String>,
    chance: Chance,
    /// Every dashboard that was acknowledged, by its id: the name that it has.
    boards: BTreeMap<String, String>,
    /// Credits that answers told of, and refreshes that nobody heard the end of.
    credits: i64,
    unheard: i64,
    /// Since when entries were not looked at, and up to which change everything was found in the log.
    since: Timestamp,
    covered: i64,
    told: Told,
}

/// What is printed.
#[derive(Default)]
struct Told {
    answers: usize,
    writes: usize,
    repeated: usize,
    hung_up: usize,
    killed_early: usize,
    entries: u64,
    ready: Vec<Duration>,
}

impl Drill {
    fn new(chance: Chance) -> Self {
        let installation = Installation::new();
        let keys: Vec<String> = (0..4).map(|number| installation.key(&format!("key {number}"))).collect();
        let file = installation.data().with_file_name("rows.csv");
        std::fs::write(&file, crate::sources::ORDERS).unwrap();
        let added = installation.run(&["source", "add", file.to_str().unwrap(), "--name", "Rows"]);
        assert!(added.status.success(), "{}", text(&added.stderr));
        let mut drill = Self {
            installation,
            keys,
            refreshed: Vec::new(),
            chance,
            boards: BTreeMap::new(),
            credits: 0,
            unheard: 0,
            since: Timestamp::from_seconds(0),
            covered: 0,
            told: Told::default(),
        };
        let serving = drill.serve();
        for writer in 0..WRITERS {
            let query = json!({"data_source_id": "ds_1", "sql": "SELECT sum(amount) FROM rows"});
            let widgets = json!([{"type": "kpi", "title": "Sum", "query": query}]);
            let name = format!("refreshed by {writer}");
            let body = json!({"name": name, "widgets": widgets}).to_string();
            let made = serving.post("/v1/dashboards", &drill.keys[0], &body).unwrap();
            assert_eq!(made.status, 201, "{}", made.body);
            let id = made.json()["id"].as_str().unwrap().to_owned();
            drill.boards.insert(id.clone(), name);
            drill.refreshed.push(id);
        }
        // The month begins with what it first costs.
        let refresh = format!("/v1/dashboards/{}/refresh", drill.refreshed[0]);
        let refreshed = serving.post(&refresh, &drill.keys[0], "{}").unwrap();
        assert_eq!(refreshed.status, 200, "{}", refreshed.body);
        drill.credits = refreshed.json()["credits_consumed"].as_i64().unwrap();
        assert_eq!((drill.credits, serving.stop()), (REFRESH, Some(0)));
        drill
    }

    /// A server with room in every window; what is tried here is not whether it refuses.
    fn begin(&self) -> Serving {
        let plan = |name: &'static str| (name, "100000000".to_owned());
        let room = [
            plan("CLARIBI_PLANS__ENTERPRISE__REQUESTS_PER_HOUR"),
            plan("CLARIBI_PLANS__ENTERPRISE__REQUESTS_PER_DAY"),
            plan("CLARIBI_PLANS__ENTERPRISE__GENERATION_PER_HOUR"),
            plan("CLARIBI_PLANS__ENTERPRISE__GENERATION_PER_DAY"),
            plan("CLARIBI_PLANS__ENTERPRISE__CREDITS_PER_MONTH"),
        ];
        self.installation.begin_serving(&[], &room)
    }

    fn serve(&mut self) -> Serving {
        let began = monotonic();
        let serving = self.begin();
        serving.until_ready();
        self.told.ready.push(monotonic().saturating_sub(began));
        serving
    }

    /// Everybody works until the server is dead.
    fn work_until_killed(&mut self, round: usize, serving: Serving) -> Seen {
        let (address, over) = (serving.address, AtomicBool::new(false));
        let patience = Duration::from_millis(50 + self.chance.below(650));
        let seeds: Vec<u64> = (0..WRITERS + READERS).map(|_| self.chance.below(u64::MAX)).collect();
        let (keys, refreshed, over) = (&self.keys, &self.refreshed, &over);
        std::thread::scope(|scope| {
            let client = |number: usize| {
                let (chance, key) = (Chance::new(seeds[number]), keys[number % keys.len()].as_str());
                scope.spawn(move || match refreshed.get(number) {
                    Some(board) => {
                        Writer::new(format!("round-{round}-writer-{number}"), key, board, chance).work(address, over)
                    }
                    None => Reader::new(key, &refreshed[0], chance).work(address, over),
                })
            };
            let clients: Vec<_> = (0..WRITERS + READERS).map(client).collect();
            std::thread::park_timeout(patience);
            serving.kill();
            over.store(true, Ordering::Relaxed);
            clients.into_iter().map(|client| client.join().unwrap()).fold(Seen::default(), Seen::with)
        })
    }

    /// One life of the server, its end, and what is there afterwards.
    fn round(&mut self, round: usize, serving: Serving) -> Serving {
        let seen = self.work_until_killed(round, serving);
        if self.chance.below(3) == 0 {
            // And once more while it is putting things in order.
            let early = self.begin();
            std::thread::park_timeout(Duration::from_millis(self.chance.below(300)));
            early.kill();
            self.told.killed_early += 1;
        }
        let serving = self.serve();
        self.log_has(&seen.calls);
        self.credits += seen.credits;
        self.unheard += seen.unheard;
        self.ledger_adds_up(&serving);
        self.writes_are_there(&serving, &seen);
        self.told.answers += seen.calls.len();
        self.told.writes += seen.creates.len() + seen.patches;
        self.told.hung_up += seen.hung_up;
        serving
    }

    /// The log verifies; each answer that was received has its entry, with what it changed; so has every change.
    fn log_has(&mut self, calls: &[Call]) {
        let verified = self.installation.run(&["--json", "audit", "verify"]);
        assert!(verified.status.success(), "{}{}", text(&verified.stdout), text(&verified.stderr));
        let verified: Value = serde_json::from_slice(&verified.stdout).unwrap();
        self.told.entries = verified["entries"].as_u64().unwrap();

        let (since, changes) = (self.since.to_string(), self.changes());
        self.since = Clock::System.now();
        let exported = self.installation.run(&["audit", "export", "--after", &since]);
        assert!(exported.status.success(), "{}", text(&exported.stderr));
        let (mut entries, mut digests) = (HashMap::new(), BTreeSet::new());
        for line in text(&exported.stdout).lines() {
            let entry: Value = serde_json::from_str(line).unwrap();
            let changed = entry["changes"].as_array().unwrap().iter();
            digests.extend(changed.map(|change| change["digest"].as_str().unwrap().to_owned()));
            if let Some(id) = entry["request_id"].as_str() {
                assert!(entries.insert(id.to_owned(), entry.clone()).is_none(), "{id} has two entries");
            }
        }
        for call in calls {
            let entry = entries.get(&call.request);
            let entry = entry.unwrap_or_else(|| panic!("{call:?} was answered and has no entry"));
            assert_eq!(entry["status"], call.status, "{call:?}: {entry}");
            let changed: Vec<&Value> = entry["changes"].as_array().unwrap().iter().map(|one| &one["object"]).collect();
            assert!(call.changed.iter().all(|object| changed == [object]), "{call:?}: {entry}");
        }
        for (id, digest) in changes {
            assert!(digests.contains(&digest), "change {id} is in no entry");
            self.covered = id;
        }
    }

    /// Changes that were not looked for in the log yet, and their digests.
    fn changes(&self) -> Vec<(i64, String)> {
        let database = self.database();
        let mut found =
            database.prepare("SELECT id, lower(hex(digest)) FROM changes WHERE id > ?1 ORDER BY id").unwrap();
        let rows = found.query_map([self.covered], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        rows.map(Result::unwrap).collect()
    }

    /// What is in the database, for who looks past the program.
    fn database(&self) -> Connection {
        Connection::open_with_flags(self.installation.data().join("claribi.db"), OpenFlags::SQLITE_OPEN_READ_ONLY)
            .unwrap()
    }

    /// The balance is the sum of the entries at each of them, nothing is held, and what answers told of was taken.
    fn ledger_adds_up(&self, serving: &Serving) {
        let database = self.database();
        let mut entries = database.prepare("SELECT kind, amount, balance FROM ledger ORDER BY id").unwrap();
        let entries: Vec<(String, i64, i64)> = entries
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        let (mut sum, mut settled) = (0, 0);
        for (kind, amount, balance) in entries {
            match kind.as_str() {
                "grant" | "refund" => sum += amount,
                "settle" => settled += amount,
                _ => sum -= amount,
            }
            assert_eq!(balance, sum, "{kind} of {amount}");
        }
        let held: i64 = database.query_row("SELECT count(*) FROM reservations", [], |row| row.get(0)).unwrap();
        assert_eq!(held, 0, "something is held for work that no longer is");
        let told = serving.get("/v1/usage", &self.keys[0]).unwrap().json()["credits"].clone();
        assert_eq!((&told["remaining"], &told["reserved"]), (&json!(sum), &json!(0)));
        let most = self.credits + self.unheard * REFRESH;
        assert!((self.credits..=most).contains(&settled), "{settled} were taken; answers told of {}", self.credits);
    }

    /// Dashboards are as they were acknowledged; repeating what nobody heard of makes it once.
    fn writes_are_there(&mut self, serving: &Serving, seen: &Seen) {
        let mut line = Line::to(serving.address).unwrap();
        for Board { id, name, attempted } in &seen.boards {
            let found = line.ask(&request("GET", &format!("/v1/dashboards/{id}"), &self.keys[0], "", None)).unwrap();
            let now = found.json()["name"].as_str().map(str::to_owned);
            assert!(now.is_some() && (now.as_ref() == Some(name) || now == *attempted), "{id}, {name}: {}", found.body);
            self.boards.insert(id.clone(), now.unwrap());
        }
        let acknowledged = seen.creates.iter().take(WRITERS).map(|create| (create, true));
        for (create, acknowledged) in acknowledged.chain(seen.unheard_creates.iter().map(|create| (create, false))) {
            let Create { name, key, id } = create;
            let answer = line.ask(&create.request(key)).unwrap();
            assert_eq!(answer.status, 201, "{}", answer.body);
            let repeated = answer.header("idempotent-replayed") == Some("true");
            let now = answer.json()["id"].as_str().unwrap().to_owned();
            assert!(!acknowledged || (repeated && now == *id), "{create:?}: {}", answer.body);
            let created = "SELECT count(*) FROM changes WHERE action = 'dashboard.create' AND after LIKE ?1";
            let like = format!("%\"{name}\"%");
            let made: i64 = self.database().query_row(created, [like], |row| row.get(0)).unwrap();
            assert_eq!(made, 1, "{name} was made that often");
            self.boards.entry(now).or_insert_with(|| name.clone());
            self.told.repeated += usize::from(repeated && !acknowledged);
        }
    }

    /// In the end everything that was ever acknowledged is there, and nothing else.
    fn nothing_was_lost(&self) {
        let database = self.database();
        let mut found = database.prepare("SELECT printf('d_%x', id), name FROM dashboards").unwrap();
        let rows = found.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        let found: BTreeMap<String, String> = rows.map(Result::unwrap).collect();
        assert_eq!(found, self.boards);
    }
}

#[test]
fn what_was_answered_is_there_after_every_sigkill() {
    let rounds = asked("CLARIBI_TEST_KILL_ROUNDS").unwrap_or(10);
    let mut drill = Drill::new(Chance::told_by("CLARIBI_TEST_KILL_SEED"));
    let mut serving = drill.serve();
    for round in 1..=usize::try_from(rounds).unwrap() {
        serving = drill.round(round, serving);
    }
    assert_eq!(serving.stop(), Some(0));
    drill.nothing_was_lost();

    let Told { answers, writes, repeated, hung_up, killed_early, entries, mut ready } = drill.told;
    ready.sort_unstable();
    println!(
        "{rounds} rounds, {killed_early} more kills while it started: {answers} answers, of them {writes} writes; {hung_up} \
         hung up; {repeated} writes that nobody had heard of were done; {entries} entries; {} credits; ready in {:?} \
         (median), {:?} (longest)",
        drill.credits,
        ready[ready.len() / 2],
        ready[ready.len() - 1]
    );
    // What the server promises, and keeps several times over.
    assert!(ready[ready.len() - 1] < Duration::from_secs(5), "it was ready late: {ready:?}");
    assert!(answers > 100 && writes > 20 && hung_up > 20, "nobody was there when it happened");
}
