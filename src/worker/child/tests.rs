//! A worker at the other end of a socket, on a thread of this process: what the server would see.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::domain::import::ImportOptions;
use crate::domain::profile::Profile;
use crate::domain::result::{Cell, ColumnType, WidgetData};
use crate::domain::widget::{Format, WidgetKind};
use crate::worker::protocol::{
    ImportFile, QueryJob, QueryLimits, QueryOutcome, ResultFormat, TableFile, WidgetQuery, parse_head,
};

const TABLES: [&str; 5] = ["airlines", "airports", "flights", "planes", "weather"];

/// On a thread of this process, which goes on.
const LOOSE: Confinement = Confinement { landlock: false, seccomp: false };

/// The server's side.
struct Server {
    socket: UnixStream,
    worker: Option<JoinHandle<io::Result<()>>>,
    directory: TempDir,
}

impl Server {
    fn start() -> Self {
        let (socket, other) = UnixStream::pair().unwrap();
        let surroundings = Surroundings { confine: |_| Ok(LOOSE), at_end: || {} };
        let worker = Some(thread::spawn(move || serve(other, &surroundings)));
        let mut server = Self { socket, worker, directory: tempfile::tempdir().unwrap() };
        let write = server.path("scratch");
        fs::create_dir(&write).unwrap();
        let limits = ProcessLimits {
            memory_bytes: 1 << 30,
            file_bytes: 1 << 30,
            read: Vec::new(),
            files: Vec::new(),
            write: vec![write],
            ports: Vec::new(),
            nice: 0,
        };
        server.send(&ToWorker::Hello { build: BUILD.into(), limits });
        assert!(matches!(server.receive(), FromWorker::Ready { build, .. } if build == BUILD));
        server
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn send(&mut self, message: &ToWorker) {
        write_message(&mut self.socket, message).unwrap();
    }

    fn receive(&mut self) -> FromWorker {
        read_message(&mut self.socket).unwrap().expect("the worker lives")
    }

    /// The answer to a job, and how often the worker told its progress.
    fn run(&mut self, job: Job) -> (Result<Outcome, Failure>, usize) {
        self.send(&ToWorker::Run { deadline_ms: 600_000, job: Box::new(job) });
        self.answer()
    }

    fn answer(&mut self) -> (Result<Outcome, Failure>, usize) {
        let mut told = 0;
        loop {
            match self.receive() {
                FromWorker::Progress { fraction, .. } => {
                    assert!((0.0..=1.0).contains(&fraction));
                    told += 1;
                }
                FromWorker::Done { outcome } => return (Ok(*outcome), told),
                FromWorker::Failed { failure } => return (Err(failure), told),
                // Said after the job before this one.
                FromWorker::Ready { .. } => {}
            }
        }
    }

    fn query(&mut self, job: QueryJob) -> Result<(QueryOutcome, String), Failure> {
        let into = job.into.clone();
        let Outcome::Queried(outcome) = self.run(Job::Query(job)).0? else { panic!("another outcome") };
        let body = if outcome.file_bytes.is_some() {
            fs::read(into).unwrap()
        } else {
            let mut head = [0; 5];
            self.socket.read_exact(&mut head).unwrap();
            let (kind, length) = parse_head(head).unwrap();
            assert_eq!(kind, FrameKind::Bytes);
            let mut bytes = vec![0; length];
            self.socket.read_exact(&mut bytes).unwrap();
            bytes
        };
        Ok((outcome, String::from_utf8(body).unwrap()))
    }

    fn json(&mut self, sql: &str, tables: &[TableFile]) -> serde_json::Value {
        let job = self.job(sql, tables);
        serde_json::from_str(&self.query(job).unwrap().1).unwrap()
    }

    fn job(&self, sql: &str, tables: &[TableFile]) -> QueryJob {
        QueryJob {
            tables: tables.to_vec(),
            source: Some("nyc_flights".into()),
            live: Vec::new(),
            sql: sql.into(),
            parameters: Vec::new(),
            limits: LIMITS,
            format: ResultFormat::Json,
            into: self.path("result"),
        }
    }

    /// Hangs up; the worker ends without complaint.
    fn stop(mut self) {
        self.socket.shutdown(std::net::Shutdown::Both).unwrap();
        self.worker.take().unwrap().join().unwrap().unwrap();
    }
}

const LIMITS: QueryLimits =
    QueryLimits { rows: 10_000, bytes: 64 << 20, memory_bytes: 512 << 20, spill_bytes: 1 << 30, millis: 300_000 };

fn sandbox_files() -> Vec<ImportFile> {
    let assets = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/sandbox");
    let file = |table: &&str| ImportFile {
        path: assets.join(format!("{table}.csv.zst")),
        name: format!("{table}.csv.zst"),
        table: (*table).into(),
        options: ImportOptions::default(),
    };
    TABLES.iter().map(file).collect()
}

fn widget(widget: i64, kind: WidgetKind, sql: &str) -> WidgetQuery {
    WidgetQuery {
        widget,
        kind,
        source: Some("nyc_flights".into()),
        sql: sql.into(),
        title: String::new(),
        format: Format::default(),
    }
}

/// One test, because importing the flights is most of its time.
#[test]
fn the_sandbox_is_imported_queried_refreshed_and_profiled() {
    let mut server = Server::start();
    let extracts = server.path("extracts");
    fs::create_dir(&extracts).unwrap();
    let (imported, told) = server.run(Job::Import { files: sandbox_files(), into: extracts.clone(), append_to: None });
    let Ok(Outcome::Imported { tables: imported }) = imported else { panic!("{imported:?}") };
    assert!(told > 5, "progress was told {told} times");
    let rows: Vec<(&str, u64)> = imported.iter().map(|table| (table.name.as_str(), table.rows)).collect();
    assert_eq!(
        rows,
        [("airlines", 16), ("airports", 1_458), ("flights", 336_776), ("planes", 3_322), ("weather", 26_115)]
    );
    let kinds: Vec<String> =
        imported[2].columns.iter().map(|column| format!("{} {}", column.name, column.kind.as_str())).collect();
    assert_eq!(
        kinds.join(", "),
        "year integer, month integer, day integer, dep_time integer, sched_dep_time integer, dep_delay integer, \
         arr_time integer, sched_arr_time integer, arr_delay integer, carrier text, flight integer, tailnum text, \
         origin text, dest text, air_time integer, distance integer, hour integer, minute integer, time_hour timestamp"
    );
    let tables: Vec<TableFile> = TABLES
        .iter()
        .map(|table| TableFile {
            columns: Vec::new(),
            source: "nyc_flights".into(),
            table: (*table).into(),
            path: extracts.join(format!("{table}.parquet")),
        })
        .collect();

    queries(&mut server, &tables);
    refreshes(&mut server, &tables);
    profiles(&mut server, &tables);
    server.stop();
}

fn queries(server: &mut Server, tables: &[TableFile]) {
    let answer = server.json(
        "SELECT count(*) AS flights, count(DISTINCT carrier) AS carriers, count(*) - count(dep_time) AS canceled, \
         avg(dep_delay) AS delay, min(time_hour) AS first FROM flights",
        tables,
    );
    assert_eq!(
        answer["columns"],
        json!([
            {"name": "flights", "type": "integer"}, {"name": "carriers", "type": "integer"},
            {"name": "canceled", "type": "integer"}, {"name": "delay", "type": "double"},
            {"name": "first", "type": "timestamp"}
        ])
    );
    assert_eq!(answer["rows"], json!([[336_776, 16, 8_255, 12.639_070_257_304_708, "2013-01-01T10:00:00Z"]]));
    assert_eq!((&answer["row_count"], &answer["truncated"]), (&json!(1), &json!(false)));

    let joined = server.json(
        "SELECT a.name, count(*) AS n FROM nyc_flights.flights f JOIN airlines a ON a.carrier = f.carrier \
         GROUP BY a.name ORDER BY n DESC LIMIT 2",
        tables,
    );
    assert_eq!(joined["rows"], json!([["United Air Lines Inc.", 58_665], ["JetBlue Airways", 54_635]]));

    // A large result goes to the file, is cut at the limit, and says so.
    let job = server.job("SELECT * FROM flights", tables);
    let (outcome, body) = server.query(job).unwrap();
    assert_eq!((outcome.rows, outcome.truncated, outcome.file_bytes), (10_000, true, Some(body.len() as u64)));
    assert!(outcome.rows_scanned >= 10_001);
    let answer: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(answer["rows"].as_array().unwrap().len(), 10_000);
    assert_eq!(answer["truncated"], json!(true));

    let mut job =
        server.job("SELECT dest FROM flights WHERE origin = $1 AND time_hour >= $2 ORDER BY 1 LIMIT $3", tables);
    job.parameters = vec![json!("LGA"), json!("2013-12-31T12:00:00Z"), json!(1)];
    let (outcome, body) = server.query(job).unwrap();
    assert_eq!(outcome.rows, 1);
    assert!(body.contains("[\"ATL\"]"), "{body}");
}

fn refreshes(server: &mut Server, tables: &[TableFile]) {
    let widgets = vec![
        widget(1, WidgetKind::Kpi, "SELECT count(*) FROM flights"),
        widget(
            2,
            WidgetKind::LineChart,
            "SELECT month, count(*) AS n, avg(dep_delay) AS d FROM flights GROUP BY 1 ORDER BY 1",
        ),
        widget(3, WidgetKind::BarChart, "SELECT origin FROM flights"),
        widget(4, WidgetKind::BarChart, "SELECT month, origin FROM flights"),
        widget(5, WidgetKind::Table, "SELECT carrier, origin FROM flights"),
        widget(6, WidgetKind::Kpi, "SELECT nothing FROM flights"),
        widget(7, WidgetKind::Kpi, "SELECT 1 WHERE 1 = 2"),
    ];
    let into = server.path("widgets.json");
    let job = Job::Refresh { tables: tables.to_vec(), widgets, limits: LIMITS, into: into.clone() };
    let Ok(Outcome::Refreshed { rows_scanned }) = server.run(job).0 else { panic!("no refresh") };
    let widgets: Vec<WidgetOutcome> = serde_json::from_slice(&fs::read(into).unwrap()).unwrap();
    assert!(widgets[1].svg.as_ref().is_some_and(|svg| svg.starts_with("<svg")) && widgets[0].svg.is_none());
    assert!(rows_scanned >= 336_776);
    let mut results = widgets.into_iter().map(|outcome| outcome.result);
    assert_eq!(results.next(), Some(Ok(WidgetData::Kpi { value: Cell::Integer(336_776) })));
    let Some(Ok(WidgetData::Chart { x, series })) = results.next() else { panic!("no chart") };
    assert_eq!((x, series.len(), series[0].points.len()), (ColumnType::Integer, 2, 12));
    assert_eq!((series[0].name.as_str(), &series[0].points[0]), ("n", &(Cell::Integer(1), Cell::Integer(27_004))));
    for needle in ["two columns", "`origin` is text"] {
        let failure = results.next().unwrap().unwrap_err();
        assert_eq!(failure.code, FailureCode::InvalidSql);
        assert!(failure.message.contains(needle), "{}", failure.message);
    }
    let Some(Ok(WidgetData::Table(table))) = results.next() else { panic!("no table") };
    assert_eq!((table.columns.len(), table.rows.len()), (2, 1_000));
    assert!(results.next().unwrap().unwrap_err().message.contains("`nothing`"));
    assert_eq!(results.next(), Some(Ok(WidgetData::Kpi { value: Cell::Null })));
}

fn profiles(server: &mut Server, tables: &[TableFile]) {
    let into = server.path("profile.json");
    let job = Job::Profile { tables: tables.to_vec(), spill_bytes: 1 << 30, into: into.clone() };
    let (outcome, _) = server.run(job);
    let Ok(Outcome::Profiled { rows_scanned }) = outcome else { panic!("{outcome:?}") };
    assert!(rows_scanned >= 336_776);
    let profile: Profile = serde_json::from_slice(&fs::read(into).unwrap()).unwrap();
    let flights = &profile.tables[2];
    assert_eq!((flights.name.as_str(), flights.rows, flights.columns.len()), ("flights", 336_776, 19));
    let column = |name: &str| flights.columns.iter().find(|column| column.name == name).unwrap();
    let carrier = column("carrier");
    assert_eq!((carrier.distinct, carrier.nulls), (16, 0));
    assert_eq!(carrier.top[0], (Cell::Text("UA".into()), 58_665));
    assert_eq!(carrier.top.len(), 10);
    let delay = column("dep_delay");
    assert_eq!((delay.nulls, delay.mean), (8_255, Some(12.639_070_257_304_708)));
    assert_eq!((&delay.minimum, &delay.maximum), (&Some(Cell::Integer(-43)), &Some(Cell::Integer(1_301))));
    assert!((delay.deviation.unwrap() - 40.210_060_922_6).abs() < 1e-6, "{:?}", delay.deviation);
    assert!((2..=20).contains(&delay.histogram.len()));
    assert_eq!(delay.histogram.iter().map(|bin| bin.rows).sum::<u64>(), 336_776 - 8_255);
    let month = column("month");
    assert_eq!((month.histogram.len(), month.top.len()), (12, 10));
    let trend = flights.trend.as_ref().unwrap();
    assert_eq!((trend.column.as_str(), trend.grain.as_str()), ("time_hour", "week"));
    assert_eq!(trend.points.iter().map(|point| point.1).sum::<u64>(), 336_776);
    assert_eq!(trend.points[0].0, "2012-12-31");
    assert!(profile.tables[0].trend.is_none());
}

#[test]
fn a_canceled_query_answers_so_and_the_worker_takes_the_next_job() {
    let mut server = Server::start();
    let endless = "WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
    let job = server.job(endless, &[]);
    server.send(&ToWorker::Run { deadline_ms: 600_000, job: Box::new(Job::Query(job)) });
    server.send(&ToWorker::Cancel);
    assert_eq!(server.answer().0.map(|_| ()).unwrap_err().code, FailureCode::Canceled);
    assert_eq!(server.json("SELECT 1 AS one", &[])["rows"], json!([[1]]));
    server.stop();
}

#[test]
fn a_query_that_keeps_its_thread_past_its_deadline_is_answered_and_costs_at_most_its_worker() {
    let mut server = Server::start();
    let series = "(SELECT unnest(range(1, 200000)) AS n)";
    let mut job = server.job(&format!("SELECT count(*) FROM {series} a, {series} b WHERE a.n * b.n < 0"), &[]);
    job.limits.millis = 100;
    assert_eq!(server.query(job).unwrap_err().code, FailureCode::Timeout);
    let next = Job::Query(server.job("SELECT 1", &[]));
    // A worker that hung up may be noticed while writing or while reading; both are an end, never silence.
    let sent = write_message(&mut server.socket, &ToWorker::Run { deadline_ms: 60_000, job: Box::new(next) });
    if sent.is_err() {
        return;
    }
    // One that let go of its thread says first that it is ready.
    while let Ok(Some(answer)) = read_message::<FromWorker>(&mut server.socket) {
        match answer {
            FromWorker::Ready { .. } => {}
            answer => return assert!(matches!(answer, FromWorker::Done { .. }), "{answer:?}"),
        }
    }
}

#[test]
fn a_failing_job_is_answered_and_the_worker_lives_on() {
    let mut server = Server::start();
    let into = server.path("extracts");
    fs::create_dir(&into).unwrap();
    let upload = server.path("upload");
    fs::write(&upload, "a,b\n1\n").unwrap();
    let files =
        vec![ImportFile { path: upload, name: "x.csv".into(), table: "x".into(), options: ImportOptions::default() }];
    let failure = server.run(Job::Import { files, into: into.clone(), append_to: None }).0.map(|_| ()).unwrap_err();
    assert_eq!(failure.code, FailureCode::InvalidFile);
    assert_eq!(fs::read_dir(into).unwrap().count(), 0);
    assert_eq!(server.json("SELECT 1 AS one", &[])["rows"], json!([[1]]));
    server.stop();
}

#[test]
fn a_worker_of_another_build_refuses_to_serve() {
    let (mut socket, other) = UnixStream::pair().unwrap();
    let surroundings = Surroundings { confine: |_| Ok(LOOSE), at_end: || {} };
    let worker = thread::spawn(move || serve(other, &surroundings));
    let limits = ProcessLimits {
        memory_bytes: 0,
        file_bytes: 0,
        read: Vec::new(),
        files: Vec::new(),
        write: Vec::new(),
        ports: Vec::new(),
        nice: 0,
    };
    write_message(&mut socket, &ToWorker::Hello { build: "another".into(), limits }).unwrap();
    let answer: FromWorker = read_message(&mut socket).unwrap().unwrap();
    assert!(matches!(answer, FromWorker::Failed { failure } if failure.code == FailureCode::Internal));
    assert!(worker.join().unwrap().is_err());
}

#[test]
fn panics_are_told_in_their_own_words() {
    let panic = catch_unwind(|| panic!("at row {}", 7)).unwrap_err();
    assert_eq!(describe(panic.as_ref()), "a job panicked: at row 7");
}
