//! What calls add up to: counted once each, told over time and by who called what, to whoever may know.

use std::sync::atomic::{AtomicBool, Ordering};

use claribi::domain::access::{Permission, Role, Scope};
use claribi::domain::audit::Call;
use claribi::domain::id::OrgId;
use claribi::domain::usage::{Bucket, Callers, Window};
use claribi::store::audit::usage::{self, Calls};
use serde_json::{Value, json};

use crate::actors::Actor;
use crate::binary::{Installation, ask, text};
use crate::patience::until_so_here;
use crate::sources::sales;
use crate::world::World;

const LIST: &str = "/v1/dashboards";
const SERIES: &str = "/v1/usage/series";

async fn told(actor: &Actor, path: &str) -> Value {
    actor.get(path).await.is(200)
}

/// The calls of all points of a series.
fn calls(series: &Value) -> Vec<i64> {
    series["points"].as_array().unwrap().iter().map(|point| point["figures"]["calls"].as_i64().unwrap()).collect()
}

async fn total(actor: &Actor, query: &str) -> i64 {
    told(actor, &format!("{SERIES}?{query}")).await["total"]["calls"].as_i64().unwrap()
}

/// A key that may read usage and nothing of others, with what reading dashboards takes.
async fn modest(world: &World) -> Actor {
    world.key_with(&[Permission::UsageRead, Permission::DashboardsRead]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_series_tells_every_bucket_with_what_became_of_its_calls() {
    let world = World::with(|plot| plot.plan("enterprise", |plan| plan.requests_per_hour = 6)).await;
    let key = modest(&world).await;
    key.get(LIST).await.is(200);
    key.get("/v1/dashboards/d_9").await.refuses(404, "not_found");
    world.pass(120);
    key.post(LIST, json!({"name": "x"})).await.refuses(403, "permission_missing");
    for _ in 0..3 {
        key.get(LIST).await.is(200);
    }
    key.get(LIST).await.refuses(429, "rate_limited");
    world.pass(60);
    let asked = format!("{SERIES}?bucket=minute&from=2026-04-06T09:00:00Z&to=2026-04-06T09:04:00Z");
    let series = told(&world.key(Scope::ReadOnly).await, &format!("{asked}&key=key_1")).await;
    assert_eq!((&series["from"], &series["to"]), (&json!("2026-04-06T09:00:00Z"), &json!("2026-04-06T09:04:00Z")));
    assert_eq!((calls(&series), &series["bucket"]), (vec![2, 0, 5, 0], &json!("minute")));
    let (empty, full) = (&series["points"][1]["figures"], &series["points"][2]);
    assert_eq!((&empty["p50_ms"], &empty["error_ratio"]), (&Value::Null, &Value::Null));
    assert_eq!(full["start"], "2026-04-06T09:02:00Z");
    let figures = &full["figures"];
    let names = ["calls", "ok", "refused", "limited", "client_errors", "server_errors", "gone"];
    assert_eq!(names.map(|name| figures[name].as_i64().unwrap()), [5, 3, 1, 1, 0, 0, 0]);
    assert_eq!((&figures["error_ratio"], &figures["limited_ratio"]), (&json!(0.2), &json!(0.2)));
    assert_eq!((&figures["bytes_in"], figures["bytes_out"].as_i64() > Some(100)), (&json!(12), true));
    assert!(figures["p50_ms"].as_f64() > Some(0.0) && figures["p95_ms"].as_f64() >= figures["p50_ms"].as_f64());
    assert_eq!((&series["total"]["calls"], &series["total"]["error_ratio"]), (&json!(7), &json!(0.2857)));

    let owner = world.owner_session().await;
    assert_eq!(total(&owner, "key=key_1&operation=dashboards_list").await, 5);
    assert_eq!(total(&owner, "key=key_1&operation=dashboards_get").await, 1);
    assert_eq!(total(&owner, "key=key_1&operation=query_run").await, 0);
    assert_eq!(total(&owner, "key=key_1&bucket=day").await, 7);
    let hours = told(&owner, &format!("{SERIES}?key=key_1")).await;
    assert_eq!(calls(&hours).len(), 24, "a day of hours by default");
    assert_eq!(calls(&hours)[23], 7);
    let platform = told(&owner, "/api/usage/series/?key=1&bucket=day").await;
    assert_eq!((calls(&platform).len(), &platform["total"]["calls"]), (30, &json!(7)));
}

#[tokio::test(flavor = "multi_thread")]
async fn windows_that_make_no_sense_are_refused_saying_what_would_be_right() {
    let world = World::with(|plot| plot.settings.key_per_minute = 10_000).await;
    let owner = world.owner().await;
    for path in ["series", "operations", "keys", "users"] {
        for (query, parameter, said) in [
            ("from=2026-04-06T08:00:00Z&to=2026-04-06T08:00:00Z", "to", "later than"),
            ("from=2026-04-06T08:00:00Z&to=2026-04-05T08:00:00Z", "to", "later than"),
            ("from=1026-04-06T08:00:00Z", "from", "90 days"),
            ("from=1026-04-06T08:00:00Z&bucket=day", "from", "two years"),
            ("from=2026-04-06T09:00:01Z", "from", "future"),
            ("from=2999-04-06T09:00:01Z&to=3999-04-06T09:00:01Z", "from", "future"),
            ("from=2026-04-04T08:59:59Z&bucket=minute", "from", "bucket=hour"),
            ("from=yesterday", "from", "RFC 3339"),
            ("to=-1", "to", "RFC 3339"),
            ("bucket=week", "bucket", "minute, hour, day"),
            ("operation=nonsense", "operation", "operationId"),
            ("surprise=1", "surprise", ""),
        ] {
            for base in ["/v1/usage/", "/api/usage/"] {
                let answer = owner.get(&format!("{base}{path}?{query}")).await;
                let facts = answer.refuses(400, "invalid_parameter");
                assert_eq!(facts["parameter"], parameter, "{path}?{query}: {}", answer.text());
                assert!(answer.text().contains(said), "{path}?{query}: {}", answer.text());
            }
        }
    }
    for query in ["top=0", "top=101", "top=x"] {
        let answer = owner.get(&format!("/v1/usage/operations?{query}")).await;
        assert_eq!(answer.refuses(400, "invalid_parameter")["parameter"], "top");
    }
    owner.get(&format!("{SERIES}?key=key_99")).await.refuses(404, "not_found");
    owner.get(&format!("{SERIES}?user=nobody@example.com")).await.refuses(404, "not_found");
    for all in [
        "bucket=minute&from=2026-04-04T09:00:00Z",
        "bucket=hour&from=2026-01-06T09:00:00Z",
        "bucket=day&from=2024-04-06T00:00:00Z",
    ] {
        let series = told(&owner, &format!("{SERIES}?{all}")).await;
        assert!((700..3_000).contains(&calls(&series).len()), "{all}: {}", calls(&series).len());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_sees_its_own_figures_and_more_only_by_its_owners_rights() {
    let world = World::new().await;
    let (first, second) = (modest(&world).await, modest(&world).await);
    let analyst = world.key_of(Role::Analyst, Scope::ReadWrite).await;
    let viewer = world.session(Role::Viewer).await;
    let stranger = world.stranger().await;
    for (actor, times) in [(&first, 2), (&second, 3), (&analyst, 4), (&viewer, 5), (&stranger, 6)] {
        for _ in 0..times {
            actor.get(LIST).await.is(200);
        }
    }
    let listed = "operation=dashboards_list";
    assert_eq!(total(&first, listed).await, 2, "without the right to read the audit log, a key sees itself");
    assert_eq!(total(&first, &format!("{listed}&key=key_1")).await, 2);
    first.get(&format!("{SERIES}?key=key_2")).await.refuses(404, "not_found");
    first.get(&format!("{SERIES}?user=u_1")).await.refuses(403, "permission_missing");
    assert_eq!(total(&analyst, listed).await, 4);
    let hidden = analyst.get(&format!("{SERIES}?key=key_1")).await.refuses(404, "not_found");
    let unknown = analyst.get(&format!("{SERIES}?key=key_99")).await.refuses(404, "not_found");
    assert_eq!(hidden["code"], unknown["code"]);
    assert_eq!(total(&viewer, listed).await, 5, "a session sees its user");
    assert_eq!(total(&viewer, &format!("{listed}&user=a-viewer@example.com")).await, 5);
    viewer.get(&format!("{SERIES}?user=owner@example.com")).await.refuses(403, "permission_missing");
    assert_eq!(
        total(&world.key(Scope::ReadOnly).await, listed).await,
        14,
        "an owner's read-only key may read the audit log"
    );
    let session = world.owner_session().await;
    assert_eq!(total(&session, listed).await, 14);
    assert_eq!(total(&session, &format!("{listed}&user=a-viewer@example.com")).await, 5);
    assert_eq!(total(&session, &format!("{listed}&user=u_1")).await, 5, "by both of the owner's keys");
    assert_eq!(total(&stranger, listed).await, 6, "other organisations never");
    stranger.get(&format!("{SERIES}?key=key_1")).await.refuses(404, "not_found");
    stranger.get(&format!("{SERIES}?user=owner@example.com")).await.refuses(404, "not_found");

    let keys = told(&session, &format!("/v1/usage/keys?{listed}")).await;
    let of_keys: Vec<_> = keys["keys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| (key["key_id"].clone(), key["figures"]["calls"].clone()))
        .collect();
    assert_eq!(of_keys[..3], [(json!("key_3"), json!(4)), (json!("key_2"), json!(3)), (json!("key_1"), json!(2))]);
    assert_eq!(keys["total"]["calls"], 9, "what sessions called is no key's");
    let users = told(&session, &format!("/v1/usage/users?{listed}&top=2")).await;
    let of_users: Vec<_> = users["users"]
        .as_array()
        .unwrap()
        .iter()
        .map(|user| (user["email"].clone(), user["figures"]["calls"].clone()))
        .collect();
    assert_eq!(of_users, [(json!("owner@example.com"), json!(5)), (json!("a-viewer@example.com"), json!(5))]);
    assert_eq!(users["total"]["calls"], 14, "those that are not listed included");
    let own = told(&first, &format!("/v1/usage/keys?{listed}")).await;
    assert_eq!((own["keys"].as_array().unwrap().len(), &own["keys"][0]["key_id"]), (1, &json!("key_1")));
    let own = told(&viewer, &format!("/v1/usage/users?{listed}")).await;
    assert_eq!(
        (own["users"].as_array().unwrap().len(), &own["users"][0]["email"]),
        (1, &json!("a-viewer@example.com"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_keys_figures_go_with_the_pair() {
    let world = World::new().await;
    let old = world.owner().await;
    old.get(LIST).await.is(200);
    let made = old.post("/v1/keys/key_1/rotate", json!({})).await.is(201);
    let new = world.bearer(made["key"].as_str().unwrap());
    new.get(LIST).await.is(200);
    for key in ["key_1", "key_2"] {
        assert_eq!(total(&new, &format!("key={key}&operation=dashboards_list")).await, 2, "{key}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn operations_are_ranked_and_credits_of_background_work_are_whose_it_was() {
    let world = World::new().await;
    let owner = world.owner().await;
    let source = sales(&owner).await;
    let template = owner.get("/v1/report-templates?kind=profile").await.is(200)["data"][0]["id"].clone();
    let wanted = json!({"template_id": template, "data_source_ids": [source], "output_format": "json"});
    let cost = owner.post("/v1/reports/generate", wanted.clone()).await.is(201)["credits_consumed"].as_i64().unwrap();
    let report = owner.post("/v1/reports", wanted).await.is(201)["id"].as_str().unwrap().to_owned();
    let mut finished = world.app.finished.subscribe();
    owner.post(&format!("/v1/reports/{report}/run"), json!({})).await.is(202);
    finished.recv().await.unwrap();
    for _ in 0..9 {
        owner.get(LIST).await.is(200);
    }
    let ranking = told(&owner, "/v1/usage/operations?bucket=minute").await;
    let operations = ranking["operations"].as_array().unwrap();
    assert_eq!(
        (&operations[0]["operation"], &operations[0]["figures"]["calls"]),
        (&json!("dashboards_list"), &json!(9))
    );
    for operation in ["reports_generate", "reports_run"] {
        let found = operations.iter().find(|found| found["operation"] == operation).unwrap();
        assert_eq!(found["figures"]["credits"], cost, "{operation}");
    }
    assert_eq!(ranking["total"]["credits"], 2 * cost);
    let top = told(&owner, "/v1/usage/operations?bucket=minute&top=1").await;
    assert_eq!((top["operations"].as_array().unwrap().len(), &top["total"]["credits"]), (1, &json!(2 * cost)));
    for path in ["/v1/usage/keys", "/v1/usage/users", "/api/usage/users/"] {
        let ranking = told(&owner, path).await;
        let first = ranking["keys"][0].as_object().or_else(|| ranking["users"][0].as_object()).unwrap();
        assert_eq!(first["figures"]["credits"], 2 * cost, "{path}");
    }
    let series = told(&owner, &format!("{SERIES}?bucket=minute")).await;
    assert_eq!(series["points"].as_array().unwrap().last().unwrap()["figures"]["credits"], 2 * cost);
    assert_eq!(told(&owner, &format!("{SERIES}?operation=reports_run")).await["total"]["credits"], cost);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_keys_have_left_is_told_of_each_and_asking_consumes_nothing_beyond_itself() {
    let world = World::with(|plot| plot.plan("enterprise", |plan| plan.requests_per_hour = 100)).await;
    let (first, second) = (modest(&world).await, modest(&world).await);
    for _ in 0..3 {
        first.get(LIST).await.is(200);
    }
    let session = world.owner_session().await;
    let left = |told: &Value| -> Vec<(String, i64)> {
        let of = |key: &Value| {
            let remaining = key["limits"]["general"]["hour"]["remaining"].as_i64().unwrap();
            (key["key_id"].as_str().unwrap().to_owned(), remaining)
        };
        told["keys"].as_array().unwrap().iter().map(of).collect()
    };
    for _ in 0..2 {
        let all = told(&session, "/v1/usage/headroom").await;
        assert_eq!(left(&all), [("key_2".to_owned(), 100), ("key_1".to_owned(), 97)], "the newest first");
    }
    let own = told(&second, "/v1/usage/headroom").await;
    assert_eq!(left(&own), [("key_2".to_owned(), 99)], "a key sees itself, with this call");
    second.get("/v1/usage/headroom?key=key_1").await.refuses(404, "not_found");
    session.get("/v1/usage/headroom?key=key_9").await.refuses(404, "not_found");
    let platform = told(&session, "/api/usage/headroom/?key=1").await;
    assert_eq!(
        (&platform["keys"][0]["key_id"], &platform["keys"][0]["limits"]["minute"]["remaining"]),
        (&json!(1), &json!(100))
    );
    assert_eq!(told(&world.stranger().await, "/v1/usage/headroom").await["keys"].as_array().unwrap().len(), 1);
    let rotated = session.post("/v1/keys/key_1/rotate", json!({})).await.is(201);
    let pair = told(&session, &format!("/v1/usage/headroom?key={}", rotated["id"].as_str().unwrap())).await;
    assert_eq!(left(&pair)[0].1, 97, "the pair has one set of windows");
}

/// All calls that the rollups know, in buckets of this length.
fn counted(world: &World, bucket: Bucket) -> i64 {
    let now = world.clock.now();
    let window = Window { bucket, from: 0, to: now.seconds() + 86_400 };
    let sum = world.app.store.read_usage_now(|usage| {
        let mut sum = 0;
        for org in 0..10 {
            let calls = Calls { org: OrgId::new(org), callers: &Callers::Everyone, operation: None };
            usage::each(usage, &calls, &window, |counted| sum += counted.figures.calls())?;
        }
        Ok(sum)
    });
    sum.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn under_load_and_after_a_restart_the_figures_are_the_rows_of_the_audit_log() {
    let world = World::with(|plot| plot.plan("enterprise", |plan| plan.requests_per_hour = 60)).await;
    let actors = [
        world.owner().await,
        modest(&world).await,
        world.owner_session().await,
        world.stranger().await,
        world.anonymous(),
    ];
    let calling: Vec<_> = (0..200)
        .map(|index| {
            let actor = actors[index % actors.len()].clone();
            let path = [LIST, "/v1/nothing", "/v1/dashboards/d_9", "/v1/usage"][index % 4];
            tokio::spawn(async move { drop(actor.get(path).await) })
        })
        .collect();
    for call in calling {
        call.await.unwrap();
    }
    let rows = world.calls().len() as i64;
    assert_eq!(rows, 200);
    for bucket in Bucket::ALL {
        assert_eq!(counted(&world, bucket), rows, "{bucket:?}");
    }
    let own: Vec<Call> = world.calls().into_iter().filter(|call| call.key_id == Some(1)).collect();
    let told_of_it = total(&actors[2], "key=key_1&bucket=day").await;
    assert_eq!(told_of_it, own.len() as i64);
    let world = world.restarted().await;
    for bucket in Bucket::ALL {
        assert_eq!(counted(&world, bucket), rows + 1, "{bucket:?}, after a restart");
    }
}

#[test]
fn after_sigkill_under_load_the_figures_are_the_rows_of_the_audit_log() {
    let installation = Installation::new();
    let key = installation.key("load");
    let stop = AtomicBool::new(false);
    let serving = installation.serve();
    std::thread::scope(|scope| {
        for path in [LIST, "/v1/nothing", "/v1/usage"] {
            let (address, key, stop) = (serving.address, &key, &stop);
            scope.spawn(move || {
                let request =
                    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {key}\r\nConnection: close\r\n\r\n");
                while !stop.load(Ordering::Relaxed) && ask(address, &request).is_some() {}
            });
        }
        let requests = || serving.get("/v1/usage", &key).map(|answer| answer.json()["requests"]["last_24h"].clone());
        until_so_here("400 requests", || requests().is_none_or(|count| count.as_u64() >= Some(400)));
        serving.kill();
        stop.store(true, Ordering::Relaxed);
    });
    let printed = |arguments: &[&str]| {
        let output = installation.run(arguments);
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout)
    };
    let listed: Value = serde_json::from_str(&printed(&["--json", "audit", "list", "--limit", "10000"])).unwrap();
    let listed = listed.as_array().unwrap();
    let rows = listed.iter().filter(|row| row["type"] == "call" && row["organization_id"] == "org_1").count();
    let usage: Value = serde_json::from_str(&printed(&["--json", "usage", "--bucket", "day"])).unwrap();
    assert!(rows > 300);
    assert_eq!(usage["total"]["calls"], json!(rows), "each row once, also those that were in memory alone");
    assert_eq!(usage["credits"]["remaining"], 10_000);
    assert!(usage["operations"].as_array().unwrap().iter().any(|found| found["operation"] == "dashboards_list"));

    let hours = printed(&["usage", "--user", "ada@example.com"]);
    assert_eq!(hours.lines().count(), 24, "a line for each hour of a day, in a pipe");
    let wrong = installation.run(&["usage", "--from", "yesterday"]);
    assert_eq!(wrong.status.code(), Some(2));
    let wrong = installation.run(&["usage", "--from", "1026-01-01T00:00:00Z"]);
    assert!(!wrong.status.success() && text(&wrong.stderr).contains("90 days"), "{}", text(&wrong.stderr));
}
