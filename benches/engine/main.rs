//! The data engine beside DuckDB's Python package, in one run on the same cores: separated values to extracts and to
//! Parquet, six queries over the flights and over a generated table, small answers, and the memory of each.
//!
//! Ours go the whole way: the program as it is released, its API, a warm worker, JSON. DuckDB's run in their own process
//! over the Parquet files that it has made itself, and are fetched as Python's values. Rounds alternate, so that a machine
//! whose speed drifts slows both; figures are medians of the rounds.
//!
//! `just bench-engine` installs DuckDB and runs it. `CLARIBI_BENCH_ROWS` (10000000) says how many rows the generated table
//! has: about 60 bytes of disk each, five times over, while it runs. `CLARIBI_BENCH_ENGINE_PYTHON` is a Python that has
//! `duckdb`.

#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock and writes files of its own")]

mod data;
mod duck;
mod server;

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use self::duck::Duck;
use self::server::Claribi;

type Failure = Box<dyn std::error::Error>;

const ROUNDS: usize = 5;
/// Rounds of imports.
const IMPORTS: usize = 3;
/// Rounds of small answers, which are over soon.
const SMALL_ROUNDS: usize = 200;

/// Name, our SQL and DuckDB's, where they differ: tables have their schema in ours.
type Query = (&'static str, &'static str);

const SALES: [Query; 6] = [
    (
        "monthly",
        "SELECT date_trunc('month', day) AS month, count(*) AS n, sum(amount) AS total FROM sales GROUP BY 1 ORDER BY 1",
    ),
    (
        "top 20",
        "SELECT customer, sum(amount) AS total FROM sales GROUP BY customer ORDER BY total DESC, customer LIMIT 20",
    ),
    ("distinct", "SELECT count(DISTINCT customer) AS customers, count(DISTINCT product) AS products FROM sales"),
    ("sort", "SELECT id, customer, amount FROM sales ORDER BY amount DESC, id LIMIT 10000"),
    (
        "join",
        "SELECT p.category, sum(s.amount) AS total FROM sales s JOIN products p ON s.product = p.product \
         GROUP BY p.category ORDER BY p.category",
    ),
    (
        "window",
        "SELECT region, max(running) AS top FROM (SELECT region, sum(amount) OVER (PARTITION BY region ORDER BY day, id) \
         AS running FROM sales) r GROUP BY region ORDER BY region",
    ),
];

const FLIGHTS: [Query; 6] = [
    ("monthly", "SELECT month, count(*) AS n, avg(dep_delay) AS delay FROM flights GROUP BY month ORDER BY month"),
    (
        "top 20",
        "SELECT tailnum, sum(distance) AS miles FROM flights GROUP BY tailnum ORDER BY miles DESC, tailnum LIMIT 20",
    ),
    ("distinct", "SELECT count(DISTINCT tailnum) AS planes, count(DISTINCT dest) AS places FROM flights"),
    (
        "sort",
        "SELECT carrier, flight, dep_delay FROM flights WHERE dep_delay IS NOT NULL \
      ORDER BY dep_delay DESC, carrier, flight, month, day LIMIT 10000",
    ),
    (
        "join",
        "SELECT a.name, count(*) AS n FROM flights f JOIN airlines a ON f.carrier = a.carrier GROUP BY a.name ORDER BY a.name",
    ),
    (
        "window",
        "SELECT carrier, max(running) AS top FROM (SELECT carrier, sum(distance) OVER (PARTITION BY carrier \
         ORDER BY month, day, flight, origin) AS running FROM flights) r GROUP BY carrier ORDER BY carrier",
    ),
];

/// A small answer: what is above the engine is ours to keep low.
const SMALL: &str = "SELECT count(*) AS n FROM airlines";

fn main() -> Result<(), Failure> {
    let rows = std::env::var("CLARIBI_BENCH_ROWS").map_or(Ok(10_000_000), |text| text.parse())?;
    // Before anything is made that takes minutes.
    let python = duck::python()?;
    let directory = tempfile::tempdir()?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from).min(4);
    let mut out = std::io::stdout();
    writeln!(out, "{cores} cores for each, {rows} generated rows, {ROUNDS} rounds, medians")?;
    let sales = data::generate(directory.path(), rows)?;
    let flights = data::flights(directory.path())?;
    let claribi = Claribi::start(directory.path(), cores)?;
    let mut duck = Duck::start(&python, directory.path(), cores)?;
    imports(&mut out, &claribi, &mut duck, ("sales", &sales))?;
    imports(&mut out, &claribi, &mut duck, ("flights", &flights))?;
    duck.forget_peak();
    queries(&mut out, &claribi, &mut duck, ("sales", &SALES))?;
    queries(&mut out, &claribi, &mut duck, ("flights", &FLIGHTS))?;
    small(&mut out, &claribi)?;
    writeln!(
        out,
        "memory while queries ran: claribi with its workers {}, DuckDB {}",
        mib(claribi.peak()),
        mib(duck.peak)
    )?;
    Ok(())
}

/// Files become tables of a source, and Parquet files.
fn imports(
    out: &mut impl Write,
    claribi: &Claribi,
    duck: &mut Duck,
    (name, files): (&str, &[std::path::PathBuf]),
) -> Result<(), Failure> {
    let (mut ours, mut theirs, mut memory) = (Vec::new(), Vec::new(), (0, 0));
    for _ in 0..IMPORTS {
        duck.forget_peak();
        theirs.push(files.iter().map(|file| duck.import(file)).sum::<Result<Duration, _>>()?);
        let (took, most) = claribi.import(name, files)?;
        ours.push(took);
        memory = (memory.0.max(most), memory.1.max(duck.peak));
    }
    let (ours, theirs) = (median(&mut ours), median(&mut theirs));
    let bytes: u64 = files.iter().map(|file| std::fs::metadata(file).map_or(0, |file| file.len())).sum();
    writeln!(
        out,
        "{name}: {bytes} bytes of CSV: {} to an extract, {} to Parquet, ratio {:.2}; memory {} and {}",
        seconds(ours),
        seconds(theirs),
        ours.as_secs_f64() / theirs.as_secs_f64(),
        mib(memory.0),
        mib(memory.1)
    )?;
    Ok(())
}

fn queries(
    out: &mut impl Write,
    claribi: &Claribi,
    duck: &mut Duck,
    (source, queries): (&str, &[Query]),
) -> Result<(), Failure> {
    for (name, sql) in queries {
        let (first, known) = (claribi.query(source, sql)?, duck.query(sql)?);
        agree(&first.1, &known.1).map_err(|why| format!("{source}, {name}: {why}"))?;
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            theirs.push(duck.query(sql)?.0);
            ours.push(claribi.query(source, sql)?.0);
        }
        let (ours, theirs) = (median(&mut ours), median(&mut theirs));
        let (rows, ratio) = (first.1["row_count"].as_u64().unwrap_or(0), ours.as_secs_f64() / theirs.as_secs_f64());
        writeln!(out, "{source}, {name}: {rows} rows, {} and {}, ratio {ratio:.2}", seconds(ours), seconds(theirs))?;
    }
    Ok(())
}

/// The whole way of a small answer, beside what the engine says that it took of it.
fn small(out: &mut impl Write, claribi: &Claribi) -> Result<(), Failure> {
    let (mut whole, mut above) = (Vec::new(), Vec::new());
    for _ in 0..SMALL_ROUNDS {
        let (took, answer) = claribi.query("flights", SMALL)?;
        let engine = Duration::from_millis(answer["elapsed_ms"].as_u64().ok_or("no elapsed_ms")?);
        whole.push(took);
        above.push(took.saturating_sub(engine));
    }
    let (p50, above) = (median(&mut whole), median(&mut above));
    writeln!(out, "a small answer: {}, at most {} of it above the engine", seconds(p50), seconds(above))?;
    Ok(())
}

/// Holds that both gave as many rows, and the same first one.
fn agree(ours: &Value, theirs: &Value) -> Result<(), String> {
    if ours["row_count"] != theirs["rows"] {
        return Err(format!("{} rows and {}", ours["row_count"], theirs["rows"]));
    }
    let alike = |one: &Value, other: &Value| match (number(one), number(other)) {
        (Some(one), Some(other)) => (one - other).abs() <= 1e-6 * one.abs().max(other.abs()).max(1.0),
        // Dates are told as timestamps by the one and not by the other.
        _ => one.as_str().zip(other.as_str()).is_none_or(|(one, other)| one.get(..10) == other.get(..10)),
    };
    let (one, other) = (ours["rows"][0].as_array(), theirs["first"].as_array());
    match one.zip(other) {
        Some((one, other)) if one.len() == other.len() && one.iter().zip(other).all(|(a, b)| alike(a, b)) => Ok(()),
        _ => Err(format!("first {} and {}", ours["rows"][0], theirs["first"])),
    }
}

fn number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.parse().ok())
}

fn median(rounds: &mut [Duration]) -> Duration {
    rounds.sort_unstable();
    rounds[rounds.len() / 2]
}

fn seconds(span: Duration) -> String {
    format!("{:.1} ms", span.as_secs_f64() * 1_000.0)
}

fn mib(bytes: u64) -> String {
    format!("{} MiB", bytes >> 20)
}

/// A table is named after its file.
fn table(file: &Path) -> Result<&str, Failure> {
    Ok(file.file_stem().and_then(|stem| stem.to_str()).ok_or("a file without a name")?)
}
