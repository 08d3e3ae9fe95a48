//! One organisation's objects do not exist for another.

mod canaries;

use std::collections::BTreeSet;

use claribi::domain::access::Permission;
use claribi::domain::operation::Needs;
use claribi::http::document;
use claribi::http::face::Face;
use serde_json::{Value, json};

use crate::actors::{Actor, Part};
use crate::answer::Answer;
use crate::coverage::{Entry, NOTHING, entries};
use crate::running::{endless, until};
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

/// A query of the owner's that runs until it is called off.
async fn running(owner: &Actor) -> Spelled {
    let asking = owner.clone();
    tokio::spawn(async move { asking.post("/v1/query", endless()).await });
    of_request(until(owner, 1).await[0]["id"].as_str().unwrap())
}

/// A query by its request, which is spelled alike on every face.
fn of_request(id: &str) -> Spelled {
    let there = std::array::from_fn(|_| id.to_owned());
    Spelled { collection: "running", there, nowhere: ["req_00000000000070008000000000000000"; 3] }
}

/// An operation on one object, or on one within another.
struct OnObject {
    entry: Entry,
    /// Where the objects in its path lie, in their order.
    collections: Vec<String>,
}

impl OnObject {
    /// All there are, from the entries: variables of their paths stand for nothing.
    fn all() -> Vec<Self> {
        let on_objects = entries().into_iter().map(|entry| {
            let parts: Vec<&str> = entry.path.split('/').collect();
            let named = parts.windows(2).filter(|pair| pair[1] == NOTHING);
            let collections =
                named.map(|pair| pair[0].trim_start_matches("api-").trim_end_matches("-log").to_owned()).collect();
            Self { entry, collections }
        });
        on_objects.filter(|operation| !operation.collections.is_empty()).collect()
    }

    /// The same operation on these objects.
    async fn ask(&self, actor: &Actor, ids: &[&str]) -> Answer {
        let mut ids = ids.iter();
        let parts = self.entry.path.split('/').map(|part| if part == NOTHING { ids.next().unwrap() } else { part });
        let path = parts.collect::<Vec<_>>().join("/");
        Entry { path, ..self.entry.clone() }.call(actor).await
    }
}

/// The ids of a path.
fn path_of<'a>(first: &'a str, rest: &[&'a str]) -> Vec<&'a str> {
    std::iter::once(first).chain(rest.iter().copied()).collect()
}

/// Holds that an answer about somebody else's object is the one about nobody's.
fn assert_alike((there, theirs): (&Answer, &str), (nowhere, nobodys): (&Answer, &str), asked: &str) {
    assert_eq!(there.status, nowhere.status, "{asked}: {}", there.text());
    let (there_told, nowhere_told) =
        (there.masked(&[&format!("ID {theirs} ")]), nowhere.masked(&[&format!("ID {nobodys} ")]));
    assert_eq!(there_told, nowhere_told, "{asked}");
    let names = |answer: &Answer| answer.headers.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    assert_eq!(names(there), names(nowhere), "{asked}");
}

/// What the owner has, one of each kind, and what the stranger has of what things lie in.
struct Objects {
    theirs: Vec<Spelled>,
    source: String,
    dashboard: String,
    /// A request of the owner's.
    request: String,
}

impl Objects {
    async fn make(owner: &Actor, stranger: &Actor) -> Self {
        let board = |source: &str| {
            let query = json!({"data_source_id": source, "sql": "SELECT count(*) FROM orders"});
            json!({"name": "Ours", "widgets": [{"type": "kpi", "title": "Orders", "query": query}]})
        };
        let source = sales(owner).await;
        let dashboard = owner.post("/v1/dashboards", board(&source)).await.is(201);
        let key = owner.post("/v1/keys", json!({"name": "Ours"})).await.is(201);
        let template = owner.get("/v1/report-templates").await.is(200)["data"][0]["id"].clone();
        let wanted = json!({"template_id": template, "data_source_ids": [source], "output_format": "json"});
        let report = owner.post("/v1/reports/generate", wanted).await.is(201);
        let query = json!({"name": "Ours", "query": {"data_source_id": source, "sql": "SELECT count(*) FROM orders"}});
        let query = owner.post("/v1/queries", query).await.is(201);
        let entry = &owner.get("/v1/audit?sort=-created_at").await.is(200)["data"][0];
        let request = entry["request_id"].as_str().unwrap().to_owned();
        let files = [Part::Field("mode", "replace"), Part::File("theirs.csv", b"n\n1\n")];
        owner.upload(&format!("/v1/data-sources/{source}/files"), &files).await.is(200);
        let there = ["theirs".to_owned(), "theirs".to_owned(), "theirs".to_owned()];
        let tables = Spelled { collection: "tables", there, nowhere: ["nothing"; 3] };
        let theirs = vec![
            spelled(owner, "dashboards", &dashboard["id"], "d_fffff").await,
            spelled(owner, "widgets", &dashboard["widgets"][0]["id"], "w_fffff").await,
            spelled(owner, "data-sources", &json!(source), "ds_fffff").await,
            tables,
            spelled(owner, "reports", &report["report_id"], "r_fffff").await,
            spelled(owner, "runs", &report["run_id"], "run_fffff").await,
            spelled(owner, "report-templates", &template, "tpl_fffff").await,
            spelled(owner, "keys", &key["id"], "key_fffff").await,
            spelled(owner, "users", &json!("u_1"), "u_fffff").await,
            spelled(owner, "audit", &entry["id"], "log_fffff").await,
            spelled(owner, "sessions", &json!("ses_1"), "ses_fffff").await,
            spelled(owner, "queries", &query["id"], "q_fffff").await,
            // One that is over; whoever needs one that runs makes it.
            of_request(&request),
        ];
        let source = sales(stranger).await;
        let dashboard = stranger.post("/v1/dashboards", board(&source)).await.is(201)["id"].clone();
        Self { theirs, source, dashboard: dashboard.as_str().unwrap().to_owned(), request }
    }

    fn of(&self, collection: &str) -> &Spelled {
        let found = self.theirs.iter().find(|object| object.collection == collection);
        found.unwrap_or_else(|| panic!("nobody made one of the {collection} here: plant one in Objects::make"))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_organisations_ids_answer_exactly_as_unknown_ones() {
    let world = World::with(|plot| plot.settings.query.millis = 600_000).await;
    // The first session, which the stranger cannot end.
    let in_session = world.owner_session().await;
    let (owner, by_key) = (world.owner().await, world.stranger().await);
    let by_session = world.session_of("stranger@example.com").await;
    let mut objects = Objects::make(&owner, &by_key).await;
    let before = everything(&owner).await;
    // What is asked of running queries comes first, while one runs.
    let is_of_running = |operation: &OnObject| operation.collections == ["running"];
    let (of_running, others): (Vec<_>, Vec<_>) = OnObject::all().into_iter().partition(is_of_running);
    let running = running(&owner).await;
    let cancel = format!("/v1/query/running/{}/cancel", running.there[0]);
    objects.theirs.retain(|object| object.collection != "running");
    objects.theirs.push(running);
    let count = of_running.len();
    for (index, operation) in of_running.into_iter().chain(others).enumerate() {
        if index == count {
            owner.post(&cancel, json!({})).await.is(200);
        }
        let stranger = if operation.entry.operation.needs == Needs::Session { &by_session } else { &by_key };
        let spelling = operation.entry.face as usize;
        let spelled: Vec<&Spelled> = operation.collections.iter().map(|name| objects.of(name)).collect();
        // The first object of the path is somebody else's; then, of two, the second within one's own first.
        let outer = spelled[0];
        let rest: Vec<&str> = spelled[1..].iter().map(|inner| inner.there[spelling].as_str()).collect();
        let (theirs, nobodys) = (&outer.there[spelling], outer.nowhere[spelling]);
        let there = operation.ask(stranger, &path_of(theirs, &rest)).await;
        let nowhere = operation.ask(stranger, &path_of(nobodys, &rest)).await;
        there.refuses(404, "not_found");
        assert_alike((&there, theirs), (&nowhere, nobodys), &operation.entry.named());
        if let [_, inner] = spelled.as_slice() {
            let own = match operation.collections[0].as_str() {
                "dashboards" => &objects.dashboard,
                "data-sources" => &objects.source,
                other => panic!("the stranger has none of the {other} to look for things in"),
            };
            let (theirs, nobodys) = (&inner.there[spelling], inner.nowhere[spelling]);
            let there = operation.ask(stranger, &[own, theirs]).await;
            let nowhere = operation.ask(stranger, &[own, nobodys]).await;
            there.refuses(404, "not_found");
            assert_alike((&there, theirs), (&nowhere, nobodys), &operation.entry.named());
        }
    }
    assert_eq!(everything(&owner).await, before, "nothing changed");
    in_session.get("/v1/users/u_1").await.is(200);
    let own = by_key.get("/v1/dashboards").await.is(200);
    assert_eq!(own["data"].as_array().unwrap().len(), 1, "its own");
    assert_eq!(by_key.get("/v1/keys").await.is(200)["data"].as_array().unwrap().len(), 1, "its own");
}

/// The fields of a schema that hold ids, at any depth.
fn id_fields(document: &Value, schema: &Value, found: &mut BTreeSet<String>) {
    if let Some(name) = schema["$ref"].as_str() {
        let name = name.rsplit('/').next().unwrap();
        return id_fields(document, &document["components"]["schemas"][name], found);
    }
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        if name == "id" || name.ends_with("_id") || name.ends_with("_ids") {
            found.insert(name.clone());
        }
        id_fields(document, field, found);
    }
    id_fields_of_all(document, [&schema["items"], &schema["additionalProperties"]].into_iter(), found);
    for several in ["allOf", "anyOf", "oneOf"] {
        id_fields_of_all(document, schema[several].as_array().into_iter().flatten(), found);
    }
}

fn id_fields_of_all<'v>(document: &Value, schemas: impl Iterator<Item = &'v Value>, found: &mut BTreeSet<String>) {
    schemas.filter(|schema| schema.is_object()).for_each(|schema| id_fields(document, schema, found));
}

/// What an operation's document says of it.
fn described(document: &Value, entry: &Entry) -> Value {
    let paths = document["paths"].as_object().unwrap().values();
    let found = paths.flat_map(|methods| methods.as_object().unwrap().values());
    found.into_iter().find(|found| found["operationId"] == entry.operation.id).unwrap().clone()
}

/// A body of the stranger's that is right but for the id in this field, and the collection which that id is of.
fn naming(operation: &str, field: &str, id: &Value, own: &Objects, templates: [&Value; 2]) -> (&'static str, Value) {
    let widget = |id: &Value, source: &Value| {
        let query = json!({"data_source_id": source, "sql": "SELECT 1"});
        json!({"name": "x", "widgets": [{"id": id, "type": "kpi", "title": "x", "query": query}]})
    };
    let [profile, dashboard] = templates;
    match (operation, field) {
        ("dashboards_create" | "dashboards_update", "data_source_id") => ("data-sources", widget(&Value::Null, id)),
        ("dashboards_create" | "dashboards_update", "id") => ("widgets", widget(id, &json!(own.source))),
        ("queries_create" | "queries_update", "data_source_id") => {
            ("data-sources", json!({"name": "x", "query": {"sql": "SELECT 1", "data_source_id": id}}))
        }
        ("query_run" | "query_explain", "data_source_id") => {
            ("data-sources", json!({"sql": "SELECT 1", "data_source_id": id}))
        }
        ("reports_create" | "reports_generate" | "reports_generate_estimate", "template_id") => {
            ("report-templates", json!({"template_id": id}))
        }
        ("reports_create" | "reports_generate" | "reports_generate_estimate", "dashboard_id") => {
            ("dashboards", json!({"template_id": dashboard, "dashboard_id": id}))
        }
        ("reports_create" | "reports_generate" | "reports_generate_estimate", "data_source_ids") => {
            ("data-sources", json!({"template_id": profile, "data_source_ids": [own.source, id]}))
        }
        _ => panic!("the body of {operation} names something by `{field}`: say here what it is"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_of_others_cannot_be_named_in_bodies_either() {
    let world = World::new().await;
    let (owner, stranger) = (world.owner().await, world.stranger().await);
    let objects = Objects::make(&owner, &stranger).await;
    let found = stranger.get("/v1/report-templates").await.is(200);
    let templates = ["profile", "dashboard"].map(|kind| {
        let mut templates = found["data"].as_array().unwrap().iter();
        &templates.find(|template| template["kind"] == kind).unwrap()["id"]
    });
    let before = everything(&owner).await;
    for entry in entries() {
        let document: Value = serde_json::from_str(&document::of(entry.face).unwrap()).unwrap();
        let mut fields = BTreeSet::new();
        let schema = &described(&document, &entry)["requestBody"]["content"]["application/json"]["schema"];
        id_fields(&document, schema, &mut fields);
        for field in fields {
            let (collection, _) = naming(entry.operation.id, &field, &Value::Null, &objects, templates);
            let object = objects.of(collection);
            let path = entry.path.replace(NOTHING, &objects.dashboard);
            // In the spelling of the face, and in the one that all of them take.
            for spelling in BTreeSet::from([entry.face as usize, Face::V1 as usize]) {
                let send = async |id: &str| {
                    let named =
                        if spelling == Face::Platform as usize { json!(id.parse::<i64>().unwrap()) } else { json!(id) };
                    let (_, body) = naming(entry.operation.id, &field, &named, &objects, templates);
                    stranger.request(&entry.method, &path).json(&body).send().await
                };
                let (theirs, nobodys) = (&object.there[spelling], object.nowhere[spelling]);
                let (there, nowhere) = (send(theirs).await, send(nobodys).await);
                assert!([400, 404].contains(&there.status), "{} with {field}: {}", entry.named(), there.text());
                assert_alike((&there, theirs), (&nowhere, nobodys), &format!("{} with {field}", entry.named()));
            }
        }
    }
    assert_eq!(everything(&owner).await, before, "nothing changed");
    assert_eq!(stranger.get("/v1/reports").await.is(200)["data"], json!([]), "nothing was made");
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_of_others_narrow_lists_like_unknown_ones() {
    let world = World::new().await;
    let (owner, stranger) = (world.owner().await, world.stranger().await);
    let by_session = world.session_of("stranger@example.com").await;
    let objects = Objects::make(&owner, &stranger).await;
    let mut asked = 0;
    for entry in entries() {
        let document: Value = serde_json::from_str(&document::of(entry.face).unwrap()).unwrap();
        let described = described(&document, &entry);
        let names = described["parameters"].as_array().into_iter().flatten();
        for name in names.filter(|found| found["in"] == "query").map(|found| found["name"].as_str().unwrap()) {
            let spelling = entry.face as usize;
            let of =
                |collection| (objects.of(collection).there[spelling].clone(), objects.of(collection).nowhere[spelling]);
            let (theirs, nobodys) = match name {
                "template_id" => of("report-templates"),
                "dashboard_id" => of("dashboards"),
                "key" => of("keys"),
                "user" => ("owner@example.com".to_owned(), "nobody@example.com"),
                "request_id" => (objects.request.clone(), "req_00000000000070008000000000000000"),
                other => {
                    assert!(!other.ends_with("_id"), "{} is narrowed by {other}: say here what it is", entry.named());
                    continue;
                }
            };
            let [there, nowhere] = [&theirs, nobodys].map(|id| {
                let path = format!("{}?{name}={id}", entry.path);
                Entry { path, ..entry.clone() }.asked()
            });
            let session = [Needs::Session, Needs::Permission(Permission::BillingManage)];
            let stranger = if session.contains(&entry.operation.needs) { &by_session } else { &stranger };
            let (there, nowhere) = (stranger.get(&there).await, stranger.get(&nowhere).await);
            // A list is narrowed to nothing; figures are of something, or not found.
            assert!(matches!(there.status, 200 | 404), "{} by {name}: {}", entry.named(), there.text());
            // The platform face repeats the question in its links to other pages, of which there are none here.
            assert_alike((&there, &theirs), (&nowhere, nobodys), &format!("{} by {name}", entry.named()));
            asked += 1;
        }
    }
    assert!(asked >= 8, "only {asked} questions were asked");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_of_another_organisation_is_none() {
    let world = World::new().await;
    let (owner, stranger) = (world.owner().await, world.stranger().await);
    for name in ["One", "Two"] {
        owner.post("/v1/dashboards", json!({"name": name})).await.is(201);
        stranger.post("/v1/dashboards", json!({"name": name})).await.is(201);
    }
    let first = owner.get("/v1/dashboards?limit=1").await.is(200);
    let cursor = first["next_cursor"].as_str().unwrap();
    let there = stranger.get(&format!("/v1/dashboards?limit=1&cursor={cursor}")).await;
    let nowhere = stranger.get("/v1/dashboards?limit=1&cursor=nothing").await;
    there.refuses(400, "invalid_cursor");
    assert_alike((&there, ""), (&nowhere, ""), "a cursor");
    let tag = owner.get("/v1/dashboards/d_1").await.header("etag").unwrap().to_owned();
    let asked = stranger.request("GET", "/v1/dashboards/d_1").header("if-none-match", &tag).send().await;
    asked.refuses(404, "not_found");
}

async fn everything(owner: &Actor) -> Vec<Value> {
    let mut found = Vec::new();
    for path in [
        "/v1/dashboards",
        "/v1/dashboards/d_1",
        "/v1/data-sources",
        "/v1/data-sources/ds_1/tables",
        "/v1/queries",
        "/v1/reports",
        "/v1/reports/r_1/runs",
    ] {
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
