use std::collections::BTreeSet;

use poem_openapi::types::{ParseFromJSON, ToJSON, Type};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::*;
use crate::domain::operation::{BodyKind, Needs};
use crate::http::body;
use crate::http::wire::{
    Counted, Deleted, Hex, Integer, Listing, UuidText, catalog, connection, credits, dashboard, import, key, limits,
    organization, query, report, session, setup, source, structured, sync, usage, user, widget,
};

fn document(face: Face) -> Value {
    serde_json::from_str(&of(face).unwrap()).unwrap()
}

/// Path, method and operation of a document.
fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let paths = document["paths"].as_object().unwrap();
    let of_path = |(path, item): (&String, &Value)| {
        let methods = item.as_object().unwrap().clone();
        methods.into_iter().map(|(method, operation)| (path.clone(), method, operation)).collect::<Vec<_>>()
    };
    paths.iter().flat_map(of_path).collect()
}

#[test]
fn every_operation_says_what_it_does_and_gives_only_errors_that_it_can_give() {
    for face in Face::ALL {
        let document = document(face);
        let mut ids = BTreeSet::new();
        for (path, method, operation) in operations(&document) {
            let id = operation["operationId"].as_str().unwrap();
            assert!(ids.insert(id.to_owned()), "{id} stands twice");
            let known = Operation::find(id).unwrap();
            assert!(!operation["summary"].as_str().unwrap().is_empty(), "{id} has a summary");
            assert!(operation["tags"].as_array().is_some_and(|tags| tags.len() == 1), "{id} has one tag");
            assert!(path.starts_with(face.base()) && path.ends_with('/') == (face.slash() == "/"), "{path}");
            assert_eq!(operation.get("security").is_some(), known.needs != Needs::Nothing, "{id}");
            assert!(operation["responses"].get("401").is_some(), "{method} {path}");
            assert_eq!(
                operation["responses"].get("402").is_some(),
                known.errors.contains(&crate::domain::code::Code::InsufficientCredits)
            );
            let has_body = operation.get("requestBody").is_some();
            assert_eq!(has_body, known.body != BodyKind::None, "{id}");
        }
    }
}

#[test]
fn every_reference_leads_to_something_and_no_name_says_how_ids_are_spelled() {
    for face in Face::ALL {
        let document = document(face);
        let text = document.to_string();
        for piece in text.split("\"$ref\":\"#").skip(1) {
            let pointer = piece.split('"').next().unwrap();
            assert!(document.pointer(pointer).is_some(), "{pointer}");
        }
        for name in document["components"]["schemas"].as_object().unwrap().keys() {
            assert!(!name.contains('_'), "{name}");
        }
    }
}

#[test]
fn requests_are_closed_and_may_be_left_out_when_nothing_in_them_is_needed() {
    let document = document(Face::V1);
    let body = |path: &str| &document["paths"][path]["post"]["requestBody"];
    assert_eq!(body("/v1/reports/{id}/run")["required"], false);
    assert_eq!(body("/v1/dashboards/{id}/refresh")["required"], false);
    assert_eq!(body("/v1/keys/{id}/revoke")["required"], false);
    assert_eq!(body("/v1/reports/generate")["required"], true);
    assert_eq!(body("/v1/data-sources")["required"], true);
    let schemas = &document["components"]["schemas"];
    for name in
        ["NewDashboard", "NewWidget", "NewKey", "QueryRequest", "UploadRequest", "EmptyRequest", "FormatRequest"]
    {
        assert_eq!(schemas[name]["additionalProperties"], false, "{name}");
    }
    assert_eq!(schemas["Report"].get("additionalProperties"), None);
    assert_eq!(schemas["FormatRequest"].get("required"), None);
    assert_eq!(schemas["ReportPage"]["properties"]["next_cursor"]["nullable"], true);
    assert_eq!(schemas["NewReport"]["properties"]["template_id"]["type"], "string");
}

/// The fields that serde takes, as it names them when it is given another.
fn taken<T: DeserializeOwned>() -> BTreeSet<String> {
    let error = serde_json::from_str::<T>(r#"{"no such field":0}"#).err().unwrap().to_string();
    let expected = error.split_once("expected").map(|(_, names)| names).unwrap_or_default();
    expected.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

fn fields<T: Type>(name: &str) -> BTreeSet<String> {
    let mut registry = Registry::default();
    T::register(&mut registry);
    registry.schemas[name].properties.iter().map(|(name, _)| (*name).to_owned()).collect()
}

#[test]
fn documented_request_fields_are_the_ones_that_are_read() {
    fn check<T: DeserializeOwned + Type>() {
        let name = T::name();
        assert_eq!(taken::<T>(), fields::<T>(&name), "{name}");
    }
    check::<dashboard::NewDashboard>();
    check::<widget::NewWidget>();
    check::<widget::NewWidgetQuery>();
    check::<dashboard::DashboardPatch>();
    check::<dashboard::DashboardLabelPatch>();
    check::<widget::Format>();
    check::<widget::Position>();
    check::<key::NewKey>();
    check::<key::RevokeRequest>();
    check::<query::QueryRequest>();
    check::<structured::Measure>();
    check::<structured::TimeAxis>();
    check::<structured::QueryFilter>();
    check::<structured::QueryOrder>();
    check::<report::NewReport>();
    check::<report::RunRequest>();
    check::<report::ReportPatch>();
    check::<source::NewDataSource>();
    check::<source::DataSourcePatch>();
    check::<catalog::TablePatch>();
    check::<import::NewImportOptions>();
    check::<import::NewColumnOptions>();
    check::<connection::Connection>();
    check::<connection::NewSecret>();
    check::<sync::NewSchedule>();
    check::<session::LoginRequest>();
    check::<session::RefreshRequest>();
    check::<user::NewUser>();
    check::<user::UserPatch>();
    check::<user::ProfilePatch>();
    check::<user::PasswordChange>();
    check::<user::EmailChange>();
    check::<user::ChosenPassword>();
    check::<organization::OrganizationPatch>();
    check::<organization::NewSandbox>();
    check::<setup::SetupRequest>();
}

/// Whoever adds an operation or a type learns here what its page in the reference still lacks.
#[test]
fn every_operation_shows_its_bodies_and_how_it_is_called() {
    let mut missing = BTreeSet::new();
    for face in Face::ALL {
        for (path, method, operation) in operations(&document(face)) {
            let named = format!("{} ({method} {path})", operation["operationId"].as_str().unwrap());
            let mut lacks = |what: String| missing.insert(format!("{named}: {what}"));
            for (media_type, media) in operation["requestBody"]["content"].as_object().into_iter().flatten() {
                if media_type == "application/json" && media.get("example").is_none() {
                    lacks(format!("an example of {} in document/examples.rs", media["schema"]["$ref"]));
                }
            }
            for (status, response) in operation["responses"].as_object().unwrap() {
                // A download shows its formats, not a file.
                let content = response["content"].as_object().filter(|types| !types.contains_key("application/pdf"));
                for (media_type, media) in content.into_iter().flatten() {
                    let is_binary = media["schema"]["format"] == "binary";
                    let is_shown = is_binary || media.get("example").is_some() || media.get("examples").is_some();
                    if !is_shown {
                        lacks(format!(
                            "an example of {media_type} {} ({status}) in document/examples/answers.rs",
                            media["schema"]["$ref"]
                        ));
                    }
                }
            }
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                if parameter["in"] == "path" && parameter.get("example").is_none() {
                    lacks(format!("an example of {{{}}} in document/examples.rs", parameter["name"].as_str().unwrap()));
                }
                if parameter["description"].as_str().is_none_or(str::is_empty) {
                    lacks(format!("a description of the parameter {}", parameter["name"].as_str().unwrap()));
                }
            }
            let samples = operation["x-codeSamples"].as_array().map_or(0, Vec::len);
            if samples != 3 {
                lacks(format!("samples, of which there are {samples}"));
            }
        }
    }
    let missing: Vec<String> = missing.into_iter().collect();
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

#[test]
fn examples_of_requests_are_read_as_such_requests() {
    fn check<T: DeserializeOwned + Type>() {
        for face in Face::ALL {
            let name = T::name();
            let example = examples::request(&name, face).unwrap();
            assert!(body::parse::<T>(example.to_string().as_bytes()).is_ok(), "{name}: {example}");
        }
    }
    check::<session::LoginRequest>();
    check::<session::RefreshRequest>();
    check::<setup::SetupRequest>();
    check::<source::NewDataSource>();
    check::<dashboard::NewDashboard>();
    check::<dashboard::DashboardPatch>();
    check::<dashboard::DashboardLabelPatch>();
    check::<key::NewKey>();
    check::<key::RevokeRequest>();
    check::<query::QueryRequest>();
    check::<report::NewReport>();
    check::<report::RunRequest>();
    check::<report::ReportPatch>();
    check::<source::DataSourcePatch>();
    check::<user::NewUser>();
    check::<user::UserPatch>();
    check::<user::ProfilePatch>();
    check::<user::PasswordChange>();
    check::<user::EmailChange>();
    check::<user::ChosenPassword>();
    check::<organization::OrganizationPatch>();
    check::<organization::NewSandbox>();
}

/// A value that fits a schema, with all its fields.
fn sample(schema: &Value, schemas: &Value) -> Value {
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        return sample(&schemas[reference.rsplit('/').next().unwrap()], schemas);
    }
    if let Some(first) = schema.pointer("/allOf/0") {
        return sample(first, schemas);
    }
    if let Some(first) = schema.pointer("/enum/0") {
        return first.clone();
    }
    match (schema["type"].as_str(), schema["format"].as_str()) {
        (Some("object"), _) => {
            // Of maps nothing is fixed; some have themselves as values.
            let properties = schema["properties"].as_object().into_iter().flatten();
            properties.map(|(name, property)| (name.clone(), sample(property, schemas))).collect()
        }
        (Some("array"), _) => json!([sample(&schema["items"], schemas)]),
        (Some("string"), Some("date-time")) => json!("2026-04-06T09:14:22Z"),
        (Some("string"), _) => json!("text"),
        (Some("integer"), _) => json!(5),
        (Some("number"), _) => json!(1.5),
        (Some("boolean"), _) => json!(true),
        _ => json!([[1, "any"]]),
    }
}

#[test]
fn answers_are_written_as_they_are_documented() {
    fn check<T: Type + ParseFromJSON + ToJSON + Serialize>() {
        let mut registry = Registry::default();
        T::register(&mut registry);
        let schemas = serde_json::to_value(&registry.schemas).unwrap();
        let expected = sample(&schemas[&*T::name()], &schemas);
        let answer = T::parse_from_json(Some(expected.clone())).ok().unwrap();
        assert_eq!(serde_json::to_value(&answer).unwrap(), expected, "{}", T::name());
    }
    check::<dashboard::Dashboard<Hex>>();
    check::<dashboard::Refreshed<UuidText>>();
    check::<key::Key<Integer>>();
    check::<limits::Usage>();
    check::<credits::Estimate>();
    check::<usage::UsageSeries>();
    check::<limits::KeyHeadrooms<Hex>>();
    check::<usage::UsageOfOperations>();
    check::<usage::UsageOfKeys<Hex>>();
    check::<usage::UsageOfUsers<Integer>>();
    check::<credits::LedgerEntry<Hex>>();
    check::<report::Report<Hex>>();
    check::<report::ReportTemplate<Hex>>();
    check::<report::Generated<UuidText>>();
    check::<report::QueuedRun<Hex>>();
    check::<session::Status<Integer>>();
    check::<session::Tokens>();
    check::<session::AccessToken>();
    check::<session::Verification<Hex>>();
    check::<source::DataSource<Hex>>();
    check::<user::User<Hex>>();
    check::<user::OneTimeLink>();
    check::<session::Session<UuidText>>();
    check::<organization::Organization<Integer>>();
    check::<query::QueryResult>();
    check::<Deleted<Integer>>();
    check::<Listing<dashboard::DashboardSummary<UuidText>>>();
    check::<Counted<dashboard::DashboardSummary<Integer>>>();
}

#[test]
fn the_status_of_the_platform_face_has_the_fields_that_were_published() {
    let schemas = &document(Face::Platform)["components"]["schemas"];
    let names = |name: &str| schemas[name]["properties"].as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
    let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(names("Status"), set(&["user", "organization"]));
    assert_eq!(names("StatusUser"), set(&["id", "email", "first_name", "last_name", "role"]));
    assert_eq!(names("StatusOrganization"), set(&["id", "name", "plan", "ai_credits_remaining"]));
}
