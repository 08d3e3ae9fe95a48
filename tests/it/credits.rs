//! Credits: estimated before, reserved, settled, given back, and all of it in a ledger that adds up.

use claribi::domain::ledger::{LedgerEntry, LedgerFilter};
use claribi::domain::page::ListRequest;
use claribi::domain::report::ReportFormat;
use serde_json::{Value, json};

use crate::actors::Actor;
use crate::answer::Answer;
use crate::binary::{Installation, text};
use crate::patience::{until, until_so_here};
use crate::sources::sales;
use crate::world::{Background, World};

/// A query that never ends by itself.
const ENDLESS: &str = "SELECT count(*) FROM generate_series(1, 100000000000)";

async fn dashboard(owner: &Actor, sql: &[&str]) -> String {
    let source = sales(owner).await;
    let widget = |sql: &&str| json!({"type": "kpi", "title": "x", "query": {"data_source_id": source, "sql": sql}});
    let widgets: Vec<Value> = sql.iter().map(widget).collect();
    let made = owner.post("/v1/dashboards", json!({"name": "Sales", "widgets": widgets})).await.is(201);
    made["id"].as_str().unwrap().to_owned()
}

async fn profile(owner: &Actor, source: &str, format: &str) -> Value {
    let templates = owner.get("/v1/report-templates?kind=profile").await.is(200);
    json!({"template_id": templates["data"][0]["id"], "data_source_ids": [source], "output_format": format})
}

async fn credits(actor: &Actor) -> Value {
    actor.get("/v1/usage").await.is(200)["credits"].clone()
}

/// The whole ledger, after checking that it adds up, never below zero, to what the balance says.
async fn ledger(world: &World) -> Vec<LedgerEntry> {
    let caller = world.operator_as(world.owner);
    let (mut entries, mut cursor) = (Vec::new(), None);
    loop {
        let page = world.app.ledger(&caller, &ListRequest::<LedgerFilter>::after(cursor, 100)).unwrap();
        entries.extend(page.items);
        cursor = match page.more {
            claribi::domain::page::More::Cursor(Some(next)) => Some(next),
            _ => break,
        };
    }
    let mut sum = 0;
    for entry in &entries {
        sum += entry.kind.change(entry.amount);
        assert!(sum >= 0 && entry.balance == sum, "{entry:?}, by the sum {sum}");
    }
    let told = credits(&world.owner().await).await;
    assert_eq!(told["remaining"], json!(sum), "the balance is the sum of the ledger");
    entries
}

fn estimated(answer: &Answer) -> i64 {
    let estimate = answer.is(200);
    let parts = estimate["parts"].as_array().unwrap();
    let sum: i64 = parts.iter().map(|part| part["credits"].as_i64().unwrap()).sum();
    assert_eq!(estimate["estimated_cost"].as_i64(), Some(sum.max(1)), "{estimate}");
    sum
}

#[tokio::test(flavor = "multi_thread")]
async fn an_estimate_is_what_the_work_reserves_and_costs_nothing_itself() {
    let world = World::with(|plot| plot.background = Background::LeftLying).await;
    let owner = world.owner().await;
    let board = dashboard(&owner, &["SELECT count(*) FROM orders", "SELECT sum(amount) FROM orders"]).await;
    let before = credits(&owner).await;
    for format in ["pdf", "csv", "json"] {
        let wanted = profile(&owner, "ds_1", format).await;
        let said = estimated(&owner.post("/v1/reports/generate/estimate", wanted.clone()).await);
        assert_eq!(said, if format == "pdf" { 9 } else { 7 }, "base 5, a section, a million begun, the format");
        assert_eq!(estimated(&owner.post("/api/reports/generate/estimate/", wanted.clone()).await), said);
        let report = owner.post("/v1/reports", wanted).await.is(201)["id"].as_str().unwrap().to_owned();
        let run = format!("/v1/reports/{report}/run");
        assert_eq!(estimated(&owner.post(&format!("{run}/estimate"), json!({})).await), said);
        assert_eq!(estimated(&owner.post(&format!("{run}/estimate"), json!({"format": "pdf"})).await), 9);
        assert_eq!(credits(&owner).await, before, "estimates cost nothing");
        assert_eq!(owner.get(&format!("/v1/reports/{report}/runs")).await.is(200)["data"], json!([]));
        owner.post(&run, json!({})).await.is(202);
        let held = credits(&owner).await["reserved"].as_i64().unwrap();
        assert_eq!(held - before["reserved"].as_i64().unwrap(), said, "the run holds what was estimated");
        owner.delete(&format!("/v1/reports/{report}")).await.is(200);
        assert_eq!(credits(&owner).await, before, "a run that nobody began to make gives back what it held");
    }
    let refresh = format!("/v1/dashboards/{board}/refresh");
    let said = estimated(&owner.post(&format!("{refresh}/estimate"), json!({})).await);
    assert_eq!(owner.post(&refresh, json!({})).await.is(200)["credits_consumed"], said);
    assert!(ledger(&world).await.iter().any(|entry| entry.kind.as_str() == "settle" && entry.amount == said));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_estimate_says_what_would_refuse_the_work_and_refuses_what_the_work_refuses() {
    let world = World::with(|plot| {
        plot.plan("enterprise", |plan| (plan.credits_per_month, plan.generation_per_hour) = (3, 2));
    })
    .await;
    let owner = world.owner().await;
    let board = dashboard(&owner, &["SELECT 1", "SELECT 2"]).await;
    let refresh = format!("/v1/dashboards/{board}/refresh");
    let estimate = owner.post(&format!("{refresh}/estimate"), json!({})).await.is(200);
    let facts = owner.post(&refresh, json!({})).await.refuses(402, "insufficient_credits");
    for name in ["estimated_cost", "credits_remaining"] {
        assert_eq!(estimate[name], facts[name], "{name}");
    }
    assert_eq!((&estimate["allowed"], &estimate["refused_by"]), (&json!(false), &json!("credits")));
    owner.post(&refresh, json!({})).await.refuses(402, "insufficient_credits");
    let full = owner.post(&format!("{refresh}/estimate"), json!({})).await.is(200);
    assert_eq!((&full["allowed"], &full["refused_by"]), (&json!(false), &json!("limit")));
    owner.post(&refresh, json!({})).await.refuses(429, "rate_limited");
    world.app.grant_credits(&world.app.operator_of(world.org, "root").unwrap(), 5).await.unwrap();
    world.pass(3_600);
    let room = owner.post(&format!("{refresh}/estimate"), json!({})).await.is(200);
    assert_eq!((&room["allowed"], &room["refused_by"]), (&json!(true), &Value::Null));
    owner.post(&refresh, json!({})).await.is(200);

    let estimate = "/v1/reports/generate/estimate";
    owner.post(estimate, profile(&owner, "ds_99", "pdf").await).await.refuses(404, "not_found");
    let mut wrong = profile(&owner, "ds_1", "pdf").await;
    wrong["dashboard_id"] = json!(board);
    owner.post(estimate, wrong).await.refuses(400, "invalid_request");
    owner.post("/v1/dashboards/d_99/refresh/estimate", json!({})).await.refuses(404, "not_found");
    owner.post("/v1/reports/r_99/run/estimate", json!({})).await.refuses(404, "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ledger_is_told_to_owners_with_who_what_when_and_the_balance() {
    let world = World::new().await;
    let (owner, session) = (world.owner().await, world.owner_session().await);
    let board = dashboard(&owner, &["SELECT sum(amount) FROM orders"]).await;
    world.app.grant_credits(&world.app.operator_of(world.org, "root").unwrap(), 50).await.unwrap();
    world.pass(60);
    owner.post(&format!("/v1/dashboards/{board}/refresh"), json!({})).await.is(200);
    owner.get("/v1/usage/ledger").await.refuses(403, "permission_missing");
    let listed = session.get("/v1/usage/ledger").await.is(200);
    let entries = listed["data"].as_array().unwrap();
    let told: Vec<_> = entries
        .iter()
        .map(|entry| {
            (entry["kind"].as_str().unwrap(), entry["change"].as_i64().unwrap(), entry["balance"].as_i64().unwrap())
        })
        .collect();
    let expected = [("grant", 10_000, 10_000), ("grant", 50, 10_050), ("reserve", -3, 10_047), ("settle", 0, 10_047)];
    assert_eq!(told, expected);
    assert_eq!((&entries[1]["operator"], &entries[1]["user_id"]), (&json!("root"), &Value::Null));
    let settled = &entries[3];
    assert_eq!((&settled["user_id"], &settled["key_id"]), (&json!("u_1"), &json!("key_1")));
    assert_eq!((&settled["operation"], &settled["dashboard_id"]), (&json!("dashboards_refresh"), &json!(board)));
    assert_eq!((&settled["amount"], &settled["created_at"]), (&json!(3), &json!("2026-04-06T09:01:00Z")));
    assert_eq!(settled["reservation"], entries[2]["reservation"]);

    let platform = session.get("/api/usage/ledger/?kind=settle").await.is(200);
    assert_eq!((&platform["count"], &platform["results"][0]["key_id"]), (&json!(1), &json!(1)));
    for (narrowed, count) in
        [("user=owner@example.com", 2), ("user=u_9", 0), ("key=key_1", 2), ("key=key_9", 0), ("kind=grant", 2)]
    {
        let found = session.get(&format!("/v1/usage/ledger?{narrowed}")).await.is(200);
        assert_eq!(found["data"].as_array().unwrap().len(), count, "{narrowed}");
    }
    let first = session.get("/v1/usage/ledger?sort=-created_at&limit=3").await.is(200);
    let cursor = first["next_cursor"].as_str().unwrap();
    let rest = session.get(&format!("/v1/usage/ledger?sort=-created_at&limit=3&cursor={cursor}")).await.is(200);
    assert_eq!(rest["data"], json!([entries[0]]), "the oldest comes last");
}

#[tokio::test(flavor = "multi_thread")]
async fn parallel_work_of_every_kind_never_overspends_and_the_ledger_adds_up() {
    let world = World::with(|plot| plot.plan("enterprise", |plan| plan.credits_per_month = 60)).await;
    let owner = world.owner().await;
    let board = dashboard(&owner, &["SELECT count(*) FROM orders"]).await;
    let wanted = profile(&owner, "ds_1", ReportFormat::Json.as_str()).await;
    let report = owner.post("/v1/reports", wanted.clone()).await.is(201)["id"].as_str().unwrap().to_owned();
    let work = [
        (format!("/v1/dashboards/{board}/refresh"), json!({})),
        (format!("/v1/reports/{report}/run"), json!({})),
        ("/v1/reports/generate".to_owned(), wanted),
    ];
    let asking: Vec<_> = (0..24)
        .map(|index| {
            let (owner, (path, body)) = (owner.clone(), work[index % 3].clone());
            tokio::spawn(async move { owner.post(&path, body).await })
        })
        .collect();
    let mut refused = 0;
    for answer in asking {
        let answer = answer.await.unwrap();
        match answer.status {
            402 => {
                let facts = answer.refuses(402, "insufficient_credits");
                assert!(facts["credits_remaining"].as_i64() >= Some(0));
                assert!(facts["credits_remaining"].as_i64() < facts["estimated_cost"].as_i64());
                refused += 1;
            }
            status => assert!([200, 201, 202].contains(&status), "{}", answer.text()),
        }
    }
    assert!(refused > 0, "there was not enough for all of it");
    until("the end of all runs", async || (credits(&owner).await["reserved"] == 0).then_some(())).await;
    let entries = ledger(&world).await;
    let of =
        |kind: &str| entries.iter().filter(|entry| entry.kind.as_str() == kind).map(|entry| entry.amount).sum::<i64>();
    assert_eq!(of("reserve"), of("settle") + of("refund"), "all that was held was taken or given back");
    assert_eq!(credits(&owner).await["used"], of("settle"));
    assert!(of("settle") <= 60 && of("settle") > 40, "{}", of("settle"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dashboard_that_is_deleted_while_it_refreshes_costs_nothing() {
    let world = World::with(|plot| plot.settings.query.millis = 1_500).await;
    let owner = world.owner().await;
    let board = dashboard(&owner, &[ENDLESS]).await;
    let before = credits(&owner).await;
    let refreshing = tokio::spawn({
        let (owner, path) = (owner.clone(), format!("/v1/dashboards/{board}/refresh"));
        async move { owner.post(&path, json!({})).await }
    });
    until("what the refresh reserves", async || (credits(&owner).await["reserved"] != 0).then_some(())).await;
    owner.delete(&format!("/v1/dashboards/{board}")).await.is(200);
    refreshing.await.unwrap().refuses(404, "not_found");
    assert_eq!(credits(&owner).await, before);
    let last = ledger(&world).await.pop().unwrap();
    assert_eq!((last.kind.as_str(), last.key.is_some()), ("refund", true));
}

#[test]
fn what_a_killed_server_had_reserved_is_given_back_when_it_starts_again() {
    let installation = Installation::new();
    let key = installation.key("interrupted");
    let file = installation.data().with_file_name("rows.csv");
    std::fs::write(&file, "n\n1\n2\n").unwrap();
    assert!(installation.run(&["source", "add", file.to_str().unwrap(), "--name", "Rows"]).status.success());
    let serving = installation.serve();
    let widget = json!({"type": "kpi", "title": "x", "query": {"data_source_id": "ds_1", "sql": ENDLESS}});
    let made = serving.post("/v1/dashboards", &key, &json!({"name": "x", "widgets": [widget]}).to_string()).unwrap();
    assert_eq!(made.status, 201, "{}", made.body);
    let credits = |serving: &crate::binary::Serving| serving.get("/v1/usage", &key).unwrap().json()["credits"].clone();
    let serving = std::thread::scope(|scope| {
        let refreshing = scope.spawn({
            let (address, key) = (serving.address, &key);
            move || {
                let request = format!(
                    "POST /v1/dashboards/d_1/refresh HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {key}\r\n\
                     Content-Length: 0\r\nConnection: close\r\n\r\n"
                );
                crate::binary::ask(address, &request)
            }
        });
        until_so_here("what the refresh reserves", || credits(&serving)["reserved"] != 0);
        serving.kill();
        assert!(refreshing.join().unwrap().is_none(), "the server died before it had answered");
        installation.serve()
    });
    let after = credits(&serving);
    assert_eq!((&after["reserved"], &after["used"], &after["remaining"]), (&json!(0), &json!(0), &json!(10_000)));
    let listed = installation.run(&["--json", "org", "credits"]);
    assert!(listed.status.success(), "{}", text(&listed.stderr));
    let listed: Value = serde_json::from_str(&text(&listed.stdout)).unwrap();
    let kinds: Vec<_> = listed.as_array().unwrap().iter().map(|entry| entry["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["refund", "reserve", "grant"], "newest first");
    assert_eq!((&listed[0]["balance"], &listed[0]["dashboard_id"]), (&json!(10_000), &json!("d_1")));
    let printed = installation.run(&["org", "credits", "--limit", "1"]);
    assert_eq!(text(&printed.stdout).lines().count(), 1);
}
