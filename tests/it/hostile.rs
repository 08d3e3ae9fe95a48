//! Statements of people who mean no good, or know no better: refused or stopped, each with a code and words that help,
//! and the next one is served.

use std::time::Duration;

use claribi::domain::time::monotonic;
use serde_json::{Value, json};

use crate::actors::Actor;
use crate::answer::Answer;
use crate::sources::{sales, upload};
use crate::world::World;

const QUERY: &str = "/v1/query";
const REFUSED: &str = include_str!("hostile/refused.sql");
const BOUNDED: &str = include_str!("hostile/bounded.sql");

fn statements(corpus: &'static str) -> impl Iterator<Item = &'static str> {
    corpus.lines().filter(|line| !line.is_empty() && !line.starts_with('#'))
}

async fn ask(actor: &Actor, sql: &str) -> Answer {
    actor.post(QUERY, json!({"sql": sql})).await
}

/// What no answer may show: where things lie, and what they are made of.
fn shows_nothing(world: &World, sql: &str, answer: &Answer) {
    let text = answer.text();
    for inside in [world.data().to_str().unwrap(), ".parquet", "/root", "src/", "DataFusion", "datafusion", "panicked"]
    {
        let said = sql.contains(inside);
        assert!(said || !text.contains(inside), "{sql} shows {inside}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_one_query_over_ones_own_tables_is_refused() {
    let world = World::new().await;
    let owner = world.owner().await;
    sales(&owner).await;
    assert!(statements(REFUSED).count() >= 150);
    let mut taken = Vec::new();
    for sql in statements(REFUSED) {
        let answer = ask(&owner, sql).await;
        shows_nothing(&world, sql, &answer);
        if answer.status == 400 && ["invalid_sql", "invalid_request"].contains(&answer.code().as_str()) {
            answer.refuses(400, &answer.code());
            continue;
        }
        taken.push(format!("{} {}: {}", answer.status, sql, answer.text().chars().take(200).collect::<String>()));
    }
    assert!(taken.is_empty(), "{}", taken.join("\n"));
    let kept = ask(&owner, "SELECT count(*) FROM sales.orders").await.is(200);
    assert_eq!(kept["rows"], json!([[4]]), "nothing was changed");
}

/// Text that is made, because nobody wants to read it.
fn nested() -> Vec<String> {
    let deep =
        |before: &str, after: &str, times: usize| format!("SELECT {}1{}", before.repeat(times), after.repeat(times));
    vec![
        deep("(", ")", 10_000),
        deep("(SELECT ", ")", 2_000),
        deep("NOT ", "", 10_000),
        deep("- ", "", 10_000),
        deep("CASE WHEN true THEN ", " END", 2_000),
        deep("abs(", ")", 2_000),
        deep("CAST(", " AS INT)", 2_000),
        deep("[", "]", 10_000),
        deep("1 + ", "", 20_000),
        format!("SELECT * FROM {}sales.numbers{}", "(SELECT * FROM ".repeat(1_000), ")".repeat(1_000)),
        format!("SELECT 1{}", " UNION ALL SELECT 1".repeat(5_000)),
        format!(
            "WITH a0 AS (SELECT 1 AS n){} SELECT * FROM a30",
            (1..=30).map(|n| format!(", a{n} AS (SELECT x.n FROM a{m} x, a{m} y)", m = n - 1)).collect::<String>()
        ),
        format!("SELECT 1 IN ({}0)", "1,".repeat(20_000)),
        format!("SELECT {}0", "1,".repeat(20_000)),
        format!("SELECT {} FROM sales.numbers", vec!["*"; 2_000].join(", ")),
        format!("SELECT * FROM sales.numbers{}", (0..200).map(|n| format!(", sales.numbers o{n}")).collect::<String>()),
        format!("SELECT \"{}\"", "x".repeat(90_000)),
        format!("SELECT * FROM {}", vec!["a"; 5_000].join(".")),
    ]
}

/// Text that is not read, with its refusal.
fn too_long() -> [(String, u16, &'static str); 3] {
    [
        (format!("SELECT {}1", "1 = 1 AND ".repeat(10_000)), 400, "invalid_request"),
        (format!("SELECT /*{}*/ 1", "/*".repeat(100_000)), 400, "invalid_request"),
        (format!("SELECT '{}'", "x".repeat(10 << 20)), 413, "too_large"),
    ]
}

/// Holds that a statement was stopped at a limit, which its answer names.
#[track_caller]
fn is_stopped(sql: &str, answer: &Answer) {
    assert_eq!(answer.status, 422, "{sql}: {}", answer.text());
    let code = answer.code();
    assert!(["query_timeout", "query_too_large"].contains(&code.as_str()), "{sql}: {}", answer.text());
    answer.refuses(422, &code);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_never_end_or_never_fit_ends_at_a_limit_and_the_next_is_served() {
    let world = World::with(|plot| {
        plot.settings.query.millis = 300;
        plot.settings.query.memory_bytes = 64 << 20;
    })
    .await;
    let owner = world.owner().await;
    let numbers = (1..=3_000).map(|number| format!("{number}\n")).collect::<String>();
    upload(&owner, "Sales", "numbers.csv", format!("n\n{numbers}").as_bytes()).await.is(201);
    let mut longest = (Duration::ZERO, String::new());
    let mut ask_one = async |sql: &str| {
        let (begun, shown) = (monotonic(), sql.chars().take(120).collect::<String>());
        let answer = ask(&owner, sql).await;
        longest = std::mem::take(&mut longest).max((monotonic().saturating_sub(begun), shown.clone()));
        shows_nothing(&world, &shown, &answer);
        let next: Value = ask(&owner, "SELECT 1").await.is(200);
        assert_eq!(next["rows"], json!([[1]]), "after {shown}");
        (answer, shown)
    };
    let (endless, others) = BOUNDED.split_once("\n# And").unwrap();
    assert!(statements(endless).count() >= 14 && statements(others).count() >= 30);
    for sql in statements(endless) {
        let (answer, shown) = ask_one(sql).await;
        is_stopped(&shown, &answer);
    }
    for sql in statements(others).skip(1).map(str::to_owned).chain(nested()) {
        let (answer, shown) = ask_one(&sql).await;
        match answer.status {
            200 => {}
            400 => drop(answer.refuses(400, "invalid_sql")),
            _ => is_stopped(&shown, &answer),
        }
    }
    for (sql, status, code) in too_long() {
        let (answer, _) = ask_one(&sql).await;
        answer.refuses(status, code);
    }
    println!("the longest was answered after {:?}: {}", longest.0, longest.1);
}
