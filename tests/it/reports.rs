//! Reports: generated while the client waits, or run, polled and downloaded.

use std::time::Duration;

use serde_json::{Value, json};

use crate::actors::Actor;
use crate::sources::sales;
use crate::world::World;

async fn template(owner: &Actor, kind: &str) -> String {
    let templates = owner.get("/v1/report-templates").await.is(200);
    let found = templates["data"].as_array().unwrap().iter().find(|template| template["kind"] == kind);
    found.unwrap()["id"].as_str().unwrap().to_owned()
}

pub async fn profile_of(owner: &Actor, format: &str) -> Value {
    let source = sales(owner).await;
    json!({"template_id": template(owner, "profile").await, "data_source_ids": [source], "output_format": format})
}

/// The path of an absolute link.
fn path(url: &Value) -> &str {
    url.as_str().unwrap().strip_prefix("http://localhost:8080").unwrap()
}

/// The run when it is over. The server's own word wakes this: asking again and again would use up the hour.
async fn settled(world: &World, owner: &Actor, run: &str) -> Value {
    let mut finished = world.app.finished.subscribe();
    let watching = async {
        loop {
            let run = owner.get(&format!("/v1/runs/{run}")).await.is(200);
            if !["queued", "running"].contains(&run["status"].as_str().unwrap()) {
                return run;
            }
            finished.recv().await.unwrap();
        }
    };
    tokio::time::timeout(Duration::from_secs(60), watching).await.expect("a run that ends")
}

#[tokio::test(flavor = "multi_thread")]
async fn generate_waits_and_answers_with_the_report_in_each_format() {
    let world = World::new().await;
    let owner = world.owner().await;
    let mut request = profile_of(&owner, "pdf").await;
    for (format, media_type) in [("pdf", "application/pdf"), ("csv", "text/csv"), ("json", "application/json")] {
        request["output_format"] = json!(format);
        let made = owner.post("/v1/reports/generate", request.clone()).await.is(201);
        assert_eq!((&made["status"], &made["output_format"]), (&json!("succeeded"), &json!(format)));
        assert!(made["credits_consumed"].as_i64().unwrap() > 0);
        let file = owner.get(path(&made["download_url"])).await;
        assert_eq!(file.status, 200, "{}", file.text());
        assert!(file.header("content-type").unwrap().starts_with(media_type), "{format}");
        match format {
            "pdf" => assert!(file.body.starts_with(b"%PDF-") && file.body.trim_ascii_end().ends_with(b"%%EOF")),
            "csv" => assert!(file.text().lines().count() > 1, "{}", file.text()),
            _ => assert!(file.json().is_object()),
        }
        let latest = owner.get(&format!("/v1/reports/{}/download", made["report_id"].as_str().unwrap())).await;
        assert_eq!(latest.body, file.body, "{format}");
    }
    let call = world.calls().into_iter().find(|call| call.operation.as_deref() == Some("reports_generate")).unwrap();
    assert_eq!(call.status, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_is_pdf_unless_told() {
    let world = World::new().await;
    let owner = world.owner().await;
    let mut request = profile_of(&owner, "pdf").await;
    request.as_object_mut().unwrap().remove("output_format");
    assert_eq!(owner.post("/api/v1/reports/generate/", request).await.is(201)["output_format"], "pdf");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_is_defined_run_polled_and_downloaded() {
    let world = World::new().await;
    let owner = world.owner().await;
    let request = profile_of(&owner, "json").await;
    let report = owner.post("/v1/reports", request).await.is(201);
    let id = report["id"].as_str().unwrap();
    assert_eq!(report["latest_run"], Value::Null);
    let refused = owner.get(&format!("/v1/reports/{id}/download")).await;
    refused.refuses(409, "not_ready");

    let queued = owner.post(&format!("/v1/reports/{id}/run"), json!({"format": "csv"})).await.is(202);
    assert_eq!(queued["status"], "queued");
    assert!(queued["estimated_ready_at"].as_str().unwrap().ends_with('Z'));
    let run = settled(&world, &owner, queued["run_id"].as_str().unwrap()).await;
    assert_eq!((&run["status"], &run["format"], &run["error"]), (&json!("succeeded"), &json!("csv"), &Value::Null));
    assert_eq!(run["report_id"], report["id"]);
    let file = owner.get(path(&run["download_url"])).await;
    assert_eq!(file.status, 200);
    assert_eq!(owner.get(&format!("/v1/reports/{id}/download")).await.body, file.body);
    assert_eq!(owner.get(&format!("/v1/reports/{id}")).await.is(200)["latest_run"]["run_id"], run["run_id"]);
    owner.get("/v1/runs/run_999").await.refuses(404, "not_found");
    owner.get("/v1/runs/run_999/download").await.refuses(404, "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dashboard_can_be_printed() {
    let world = World::new().await;
    let owner = world.owner().await;
    let source = sales(&owner).await;
    let widget = json!({"type": "kpi", "title": "Revenue", "query": {"data_source_id": source, "sql": "SELECT sum(amount) FROM orders"}});
    owner.post("/v1/dashboards", json!({"name": "Sales", "widgets": [widget]})).await.is(201);
    let request = json!({"template_id": template(&owner, "dashboard").await, "dashboard_id": "d_1"});
    let made = owner.post("/v1/reports/generate", request).await.is(201);
    assert_eq!(made["status"], "succeeded");
    assert!(owner.get(path(&made["download_url"])).await.body.starts_with(b"%PDF-"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_report_takes_its_runs_and_files_with_it() {
    let world = World::new().await;
    let owner = world.owner().await;
    let request = profile_of(&owner, "csv").await;
    let made = owner.post("/v1/reports/generate", request).await.is(201);
    let (report, run) = (made["report_id"].as_str().unwrap(), made["run_id"].as_str().unwrap());
    let files = || std::fs::read_dir(world.app.data.results()).unwrap().count();
    assert_eq!(files(), 1);
    let deleted = owner.delete(&format!("/v1/reports/{report}")).await.is(200);
    assert_eq!(deleted, json!({"id": report, "deleted": true}));
    for gone in [format!("/v1/reports/{report}"), format!("/v1/runs/{run}"), format!("/v1/runs/{run}/download")] {
        owner.get(&gone).await.refuses(404, "not_found");
    }
    assert_eq!(files(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_needs_what_its_template_is_about() {
    let world = World::new().await;
    let owner = world.owner().await;
    let (profile, dashboard) = (template(&owner, "profile").await, template(&owner, "dashboard").await);
    for (request, status) in [
        (json!({"template_id": profile}), 400),
        (json!({"template_id": dashboard}), 400),
        (json!({"template_id": profile, "data_source_ids": []}), 400),
        (json!({"template_id": profile, "data_source_ids": ["ds_99"]}), 404),
        (json!({"template_id": dashboard, "dashboard_id": "d_99"}), 404),
        (json!({"template_id": "tpl_99", "data_source_ids": ["ds_1"]}), 404),
        (json!({"template_id": profile, "data_source_ids": ["ds_1"], "output_format": "docx"}), 400),
    ] {
        for path in ["/v1/reports", "/v1/reports/generate", "/api/v1/reports/generate/"] {
            let answer = owner.post(path, request.clone()).await;
            assert_eq!(answer.status, status, "{path} {request}: {}", answer.text());
        }
    }
    assert_eq!(owner.get("/v1/reports").await.is(200)["data"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn too_few_credits_make_no_report() {
    let world = World::with(|plot| plot.plan("enterprise", |plan| plan.credits_per_month = 4)).await;
    let owner = world.owner().await;
    let request = profile_of(&owner, "pdf").await;
    let refusal = owner.post("/v1/reports/generate", request.clone()).await.refuses(402, "insufficient_credits");
    assert_eq!(refusal["credits_remaining"], 4);
    assert!(refusal["estimated_cost"].as_i64().unwrap() > 4);
    assert_eq!(owner.get("/v1/reports").await.is(200)["data"], json!([]));
    let report = owner.post("/v1/reports", request).await.is(201);
    let run = format!("/v1/reports/{}/run", report["id"].as_str().unwrap());
    owner.post(&run, json!({})).await.refuses(402, "insufficient_credits");
    assert_eq!(owner.get("/v1/usage").await.is(200)["credits"]["reserved"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queued_run_survives_a_restart() {
    let world = World::new().await;
    let owner = world.owner().await;
    let request = profile_of(&owner, "csv").await;
    let report = owner.post("/v1/reports", request).await.is(201);
    let path = format!("/v1/reports/{}/run", report["id"].as_str().unwrap());
    let queued = owner.post(&path, json!({})).await.is(202);
    let secret = owner.secret().to_owned();
    let world = world.restarted().await;
    let run = settled(&world, &world.bearer(&secret), queued["run_id"].as_str().unwrap()).await;
    assert_eq!(run["status"], "succeeded", "{run}");
    assert_eq!(world.bearer(&secret).get("/v1/usage").await.is(200)["credits"]["reserved"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_platform_face_has_the_whole_life_of_a_report() {
    let world = World::new().await;
    let owner = world.owner().await;
    sales(&owner).await;
    let templates = owner.get("/api/report-templates/").await.is(200);
    assert_eq!((&templates["count"], &templates["results"][0]["id"]), (&json!(2), &json!(1)));
    assert_eq!(owner.get("/api/report-templates/1/").await.is(200), templates["results"][0]);
    let wanted = json!({"template_id": 1, "data_source_ids": [1], "output_format": "json"});
    let made = owner.post("/api/reports/generate/", wanted.clone()).await.is(201);
    assert_eq!((&made["report_id"], &made["run_id"], &made["status"]), (&json!(1), &json!(1), &json!("succeeded")));
    assert_eq!(made["download_url"], "http://localhost:8080/api/runs/1/download/");
    let file = owner.get(path(&made["download_url"])).await;
    assert_eq!(owner.get("/api/reports/1/download/").await.body, file.body);

    let defined = owner.post("/api/reports/", wanted).await.is(201);
    assert_eq!((&defined["id"], &defined["data_source_ids"]), (&json!(2), &json!([1])));
    let queued = owner.post("/api/reports/2/run/", json!({"format": "csv"})).await.is(202);
    assert_eq!(settled(&world, &owner, "run_2").await["status"], "succeeded");
    let run = owner.get(&format!("/api/runs/{}/", queued["run_id"])).await.is(200);
    assert_eq!((&run["report_id"], &run["format"]), (&json!(2), &json!("csv")));
    assert_eq!(owner.get("/api/reports/2/runs/").await.is(200)["results"], json!([run]));
    assert_eq!(owner.get("/api/reports/").await.is(200)["count"], 2);
    assert_eq!(owner.delete("/api/reports/2/").await.is(200), json!({"id": 2, "deleted": true}));
    owner.get("/api/runs/2/").await.refuses(404, "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_lists_its_own_runs_oldest_first() {
    let world = World::new().await;
    let owner = world.owner().await;
    let request = profile_of(&owner, "json").await;
    for _ in 0..2 {
        owner.post("/v1/reports", request.clone()).await.is(201);
    }
    for report in ["r_1", "r_2", "r_1"] {
        let run = owner.post(&format!("/v1/reports/{report}/run"), json!({})).await.is(202);
        settled(&world, &owner, run["run_id"].as_str().unwrap()).await;
    }
    let first = owner.get("/v1/reports/r_1/runs?limit=1").await.is(200);
    assert_eq!(first["data"][0]["run_id"], "run_1");
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = owner.get(&format!("/v1/reports/r_1/runs?cursor={cursor}")).await.is(200);
    assert_eq!((&second["data"][0]["run_id"], &second["next_cursor"]), (&json!("run_3"), &Value::Null));
    owner.get(&format!("/v1/reports/r_2/runs?cursor={cursor}")).await.refuses(400, "invalid_cursor");
    let pages = owner.get("/api/reports/1/runs/?page=2&page_size=1").await.is(200);
    assert_eq!((&pages["count"], &pages["results"][0]["run_id"]), (&json!(2), &json!(3)));
    owner.get("/v1/reports/r_99/runs").await.refuses(404, "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_is_renamed_and_later_runs_take_its_new_format() {
    let world = World::new().await;
    let owner = world.owner().await;
    let request = profile_of(&owner, "json").await;
    let before = owner.post("/v1/reports", request).await.is(201);
    world.pass(5);
    let renamed = owner.patch("/v1/reports/r_1", json!({"name": " Weekly "})).await.is(200);
    assert_eq!((&renamed["name"], &renamed["output_format"]), (&json!("Weekly"), &json!("json")));
    assert_ne!(renamed["updated_at"], before["updated_at"]);
    assert_eq!(world.last_call().changes.len(), 1);
    let changed = owner.patch("/api/reports/1/", json!({"output_format": "csv"})).await.is(200);
    assert_eq!((&changed["name"], &changed["output_format"]), (&json!("Weekly"), &json!("csv")));
    owner.post("/v1/reports/r_1/run", json!({})).await.is(202);
    assert_eq!(settled(&world, &owner, "run_1").await["format"], "csv");
    for nothing in [json!({}), json!({"name": ""}), json!({"output_format": "docx"}), json!({"name": "a\u{7}b"})] {
        owner.patch("/v1/reports/r_1", nothing).await.refuses(400, "invalid_request");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_table_of_a_report_is_a_section_of_its_csv() {
    let world = World::new().await;
    let owner = world.owner().await;
    let request = profile_of(&owner, "csv").await;
    let made = owner.post("/v1/reports/generate", request).await.is(201);
    let first = owner.get(path(&made["download_url"])).await;
    let mut sections = vec![first.text()];
    for section in 2.. {
        let answer = owner.get(&format!("/v1/runs/run_1/download?section={section}")).await;
        if answer.status != 200 {
            assert_eq!(answer.refuses(400, "invalid_parameter")["parameter"], "section");
            break;
        }
        let name = answer.header("content-disposition").unwrap();
        assert!(name.ends_with(&format!("-{section}.csv\"")), "{name}");
        assert!(!sections.contains(&answer.text()), "a table of its own");
        sections.push(answer.text());
    }
    assert!(sections.len() > 1, "a profile has several tables");
    for base in ["/v1/reports/r_1/download", "/api/reports/1/download/", "/api/runs/1/download/"] {
        assert_eq!(owner.get(&format!("{base}?section=1")).await.text(), first.text());
        assert_eq!(owner.get(&format!("{base}?section=2")).await.text(), sections[1]);
        owner.get(&format!("{base}?section=0")).await.refuses(400, "invalid_parameter");
    }
    owner.post("/v1/reports/r_1/run", json!({"format": "json"})).await.is(202);
    settled(&world, &owner, "run_2").await;
    owner.get("/v1/runs/run_2/download?section=1").await.is(200);
    owner.get("/v1/runs/run_2/download?section=2").await.refuses(400, "invalid_parameter");
}
