//! One organisation's objects do not exist for another.

use claribi::http::document;
use claribi::http::face::Face;
use serde_json::{Value, json};

use crate::actors::Actor;
use crate::answer::Answer;
use crate::sources::sales;
use crate::world::World;

/// The ids of one object in a face's spelling, by the collection it lies in: what is there, and what is not.
struct Spelled {
    collection: &'static str,
    there: [String; 3],
    nowhere: [&'static str; 3],
}

const NO_UUID: &str = "00000000-0000-7000-8000-000000000000";

/// An object of the owner's, by the id that `/v1/` gives it.
async fn spelled(owner: &Actor, collection: &'static str, hex: &Value, nowhere: &'static str) -> Spelled {
    let hex = hex.as_str().unwrap().to_owned();
    let integer = i64::from_str_radix(hex.rsplit('_').next().unwrap(), 16).unwrap();
    let uuid = match collection {
        "dashboards" | "data-sources" | "reports" => {
            let listed = owner.get(&format!("/api/v1/{collection}/")).await.is(200);
            listed["data"][0]["id"].as_str().unwrap().to_owned()
        }
        _ => hex.clone(),
    };
    Spelled { collection, there: [integer.to_string(), uuid, hex], nowhere: ["999999", NO_UUID, nowhere] }
}

/// Every operation of a face on one object of a collection: method, and path with `{}` for the id.
fn operations(face: Face, collection: &str) -> Vec<(String, String)> {
    let document: Value = serde_json::from_str(&document::of(face).unwrap()).unwrap();
    let mut found = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        if !path.contains(&format!("/{collection}/{{")) {
            continue;
        }
        let mut variables = 0;
        let parts = path.split('/').map(|part| {
            variables += usize::from(part.starts_with('{'));
            if !part.starts_with('{') {
                part.to_owned()
            } else if variables == 1 {
                "{}".to_owned()
            } else {
                "w_1".to_owned()
            }
        });
        let path = parts.collect::<Vec<_>>().join("/");
        found.extend(methods.as_object().unwrap().keys().map(|method| (method.to_uppercase(), path.clone())));
    }
    found
}

async fn ask(actor: &Actor, method: &str, path: &str) -> Answer {
    let request = actor.request(method, path);
    match method {
        "PATCH" => request.json(&json!({"name": "taken over"})).send().await,
        "POST" => request.json(&json!({})).send().await,
        _ => request.send().await,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_organisations_ids_answer_exactly_as_unknown_ones() {
    let world = World::new().await;
    let (owner, stranger) = (world.owner().await, world.stranger().await);
    let source = sales(&owner).await;
    let dashboard = owner.post("/v1/dashboards", json!({"name": "Ours"})).await.is(201);
    let key = owner.post("/v1/keys", json!({"name": "Ours"})).await.is(201);
    let template = owner.get("/v1/report-templates").await.is(200)["data"][0]["id"].clone();
    let wanted = json!({"template_id": template, "data_source_ids": [source], "output_format": "json"});
    let report = owner.post("/v1/reports/generate", wanted).await.is(201);
    let objects = [
        spelled(&owner, "dashboards", &dashboard["id"], "d_fffff").await,
        spelled(&owner, "data-sources", &json!(source), "ds_fffff").await,
        spelled(&owner, "reports", &report["report_id"], "r_fffff").await,
        spelled(&owner, "runs", &report["run_id"], "run_fffff").await,
        spelled(&owner, "report-templates", &template, "tpl_fffff").await,
        spelled(&owner, "keys", &key["id"], "key_fffff").await,
    ];
    let before = everything(&owner).await;
    let mut asked = 0;
    for object in &objects {
        for face in Face::ALL {
            let collection =
                if face == Face::Platform && object.collection == "keys" { "api-keys" } else { object.collection };
            for (method, path) in operations(face, collection) {
                let spelling = face as usize;
                let (theirs, nobodys) = (&object.there[spelling], object.nowhere[spelling]);
                let there = ask(&stranger, &method, &path.replace("{}", theirs)).await;
                let nowhere = ask(&stranger, &method, &path.replace("{}", nobodys)).await;
                there.refuses(404, "not_found");
                assert_eq!(
                    there.masked(&[&format!("ID {theirs} ")]),
                    nowhere.masked(&[&format!("ID {nobodys} ")]),
                    "{method} {path}"
                );
                let names = |answer: &Answer| answer.headers.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
                assert_eq!(names(&there), names(&nowhere), "{method} {path}");
                asked += 1;
            }
        }
    }
    assert!(asked >= 48, "only {asked} operations were asked");
    assert_eq!(everything(&owner).await, before, "nothing changed");
    for path in ["/v1/dashboards", "/api/v1/dashboards/", "/v1/data-sources", "/v1/reports"] {
        assert_eq!(stranger.get(path).await.is(200)["data"], json!([]), "{path}");
    }
    assert_eq!(stranger.get("/v1/keys").await.is(200)["data"].as_array().unwrap().len(), 1, "its own");
}

async fn everything(owner: &Actor) -> Vec<Value> {
    let mut found = Vec::new();
    for path in ["/v1/dashboards", "/v1/dashboards/d_1", "/v1/data-sources", "/v1/reports", "/v1/reports/r_1/runs"] {
        found.push(owner.get(path).await.is(200));
    }
    let file = owner.get("/v1/reports/r_1/download").await;
    assert_eq!(file.status, 200);
    found.push(file.json());
    let keys = owner.get("/v1/keys").await.is(200);
    found.extend(keys["data"].as_array().unwrap().iter().map(|key| json!([key["id"], key["name"], key["status"]])));
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_of_others_cannot_be_named_in_bodies_either() {
    let world = World::new().await;
    let (owner, stranger) = (world.owner().await, world.stranger().await);
    owner.post("/v1/dashboards", json!({"name": "Ours"})).await.is(201);
    let templates = stranger.get("/v1/report-templates").await.is(200);
    let dashboard_template =
        templates["data"].as_array().unwrap().iter().find(|found| found["kind"] == "dashboard").unwrap();
    let report = |dashboard: &str| json!({"template_id": dashboard_template["id"], "dashboard_id": dashboard});
    for path in ["/v1/reports", "/v1/reports/generate"] {
        let there = stranger.post(path, report("d_1")).await;
        let nowhere = stranger.post(path, report("d_fff")).await;
        there.refuses(404, "not_found");
        assert_eq!(there.masked(&["d_1"]), nowhere.masked(&["d_fff"]), "{path}");
    }
    let ours = owner.get("/v1/report-templates").await.is(200)["data"][0]["id"].clone();
    stranger.post("/v1/reports", json!({"template_id": ours})).await.refuses(404, "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rows_of_one_organisation_say_nothing_of_another() {
    let world = World::new().await;
    let (owner, stranger) = (world.owner().await, world.stranger().await);
    owner.get("/v1/dashboards").await.is(200);
    stranger.get("/v1/dashboards").await.is(200);
    let calls = world.calls();
    assert_ne!(calls[0].org, calls[1].org);
    let usage = stranger.get("/v1/usage").await.is(200);
    assert_eq!(usage["requests"]["last_24h"], 1, "its own call alone, before this one");
}
