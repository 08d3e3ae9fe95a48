//! Queries put together of parts answer as the same question in SQL does.

use serde_json::{Value, json};

use crate::actors::Actor;
use crate::sources::upload;
use crate::world::World;

const QUERY: &str = "/v1/query";
const TRIPS: &[u8] = b"day,at,carrier,delay,fare\n\
2013-01-05,2013-01-05T10:15:00Z,UA,10,99.5\n\
2013-01-20,2013-01-20T23:59:59Z,AA,,20\n\
2013-03-01,2013-03-01T00:00:00Z,UA,-5,40\n\
2013-03-31,2013-03-31T12:00:00Z,,30,60.25\n";

async fn trips(owner: &Actor) -> Value {
    upload(owner, "Trips", "trips.csv", TRIPS).await.is(201)["id"].clone()
}

struct Asker<'a> {
    actor: &'a Actor,
    source: Value,
}

impl Asker<'_> {
    fn body(&self, mut parts: Value) -> Value {
        parts["data_source_id"] = self.source.clone();
        parts["table"] = json!("trips");
        parts
    }

    async fn rows(&self, parts: Value) -> Value {
        self.actor.post(QUERY, self.body(parts)).await.is(200)["rows"].clone()
    }

    /// The field that is refused, and why.
    async fn refused(&self, parts: Value) -> (Value, String) {
        let answer = self.actor.post(QUERY, self.body(parts)).await;
        let error = answer.refuses(400, "invalid_request");
        (error["field"].clone(), error["message"].as_str().unwrap().to_owned())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn measures_are_computed_for_each_combination() {
    let world = World::new().await;
    let owner = world.owner().await;
    let ask = Asker { actor: &owner, source: trips(&owner).await };
    let by_carrier = json!({"dimensions": ["carrier"], "measures": [
        {"aggregate": "count"}, {"column": "delay", "aggregate": "sum"}, {"column": "fare", "aggregate": "max", "as": "dearest"},
    ]});
    let answer = owner.post(QUERY, ask.body(by_carrier)).await.is(200);
    let names: Vec<&Value> = answer["columns"].as_array().unwrap().iter().map(|column| &column["name"]).collect();
    assert_eq!(names, ["carrier", "count", "sum_delay", "dearest"]);
    assert_eq!(answer["rows"], json!([["UA", 2, 5, 99.5], ["AA", 1, null, 20.0], [null, 1, 30, 60.25]]));
    let all = json!({"measures": [
        {"column": "delay", "aggregate": "count"}, {"column": "carrier", "aggregate": "count_distinct"},
        {"column": "delay", "aggregate": "avg"}, {"column": "delay", "aggregate": "median"}, {"column": "day", "aggregate": "min"},
    ]});
    let rows = ask.rows(all).await;
    assert_eq!((&rows[0][0], &rows[0][1], &rows[0][4]), (&json!(3), &json!(2), &json!("2013-01-05")));
    let ordered = json!({"dimensions": ["carrier"], "order": [{"by": "carrier", "direction": "desc"}], "limit": 2});
    assert_eq!(ask.rows(ordered).await, json!([["UA"], ["AA"]]));
}

#[tokio::test(flavor = "multi_thread")]
async fn time_comes_in_buckets_and_gaps_are_filled() {
    let world = World::new().await;
    let owner = world.owner().await;
    let ask = Asker { actor: &owner, source: trips(&owner).await };
    let measures = json!([{"aggregate": "count"}, {"column": "fare", "aggregate": "sum"}]);
    let over = async |time: Value| ask.rows(json!({"time": time, "measures": measures.clone()})).await;
    let month = |fill: bool| json!({"column": "day", "grain": "month", "fill": fill});
    let (january, march) = (json!(["2013-01-01", 2, 119.5]), json!(["2013-03-01", 2, 100.25]));
    assert_eq!(over(month(false)).await, json!([january, march]));
    let february = json!(["2013-02-01", 0, null]);
    assert_eq!(over(month(true)).await, json!([january, february, march]));
    // Given ends decide how far the axis goes; the second is the first day that no longer counts.
    let bounded = json!({"column": "day", "grain": "month", "fill": true, "from": "2012-12-15", "to": "2013-03-01"});
    assert_eq!(over(bounded).await, json!([["2012-12-01", 0, null], january, february]));
    let nowhere = json!({"column": "day", "grain": "quarter", "fill": true, "from": "2020-01-01", "to": "2020-07-01"});
    assert_eq!(over(nowhere).await, json!([["2020-01-01", 0, null], ["2020-04-01", 0, null]]));
    let hours = json!({"column": "at", "grain": "hour", "fill": true, "from": "2013-03-31T11:30:00Z", "to": "2013-03-31T13:00:00Z"});
    assert_eq!(over(hours).await, json!([["2013-03-31T11:00:00Z", 0, null], ["2013-03-31T12:00:00Z", 1, 60.25]]));
    for (grain, first) in [("week", "2012-12-31"), ("year", "2013-01-01"), ("day", "2013-01-05")] {
        assert_eq!(over(json!({"column": "at", "grain": grain})).await[0][0], first, "{grain}");
    }

    let each = json!({"time": month(true), "dimensions": ["carrier"], "measures": [{"aggregate": "count"}]});
    let rows = ask.rows(each).await;
    assert_eq!(rows.as_array().unwrap().len(), 9, "{rows}");
    assert_eq!(rows[0], json!(["2013-01-01", "AA", 1]));
    assert_eq!(rows[5], json!(["2013-02-01", null, 0]));
    // An axis of ten thousand years in minutes ends where there are enough buckets.
    let endless = json!({"column": "at", "grain": "minute", "fill": true, "from": "1700-01-01", "to": "2200-01-01"});
    let answer = owner.post(QUERY, ask.body(json!({"time": endless, "measures": measures, "limit": 10}))).await;
    assert_eq!(answer.is(200)["truncated"], true);
    // What lies beyond them is in the result nonetheless, without the gaps between.
    let newest = |fill: bool| {
        let time = json!({"column": "at", "grain": "minute", "fill": fill});
        let order = json!([{"by": "at", "direction": "desc"}]);
        json!({"time": time, "dimensions": ["carrier"], "measures": [{"aggregate": "count"}], "order": order, "limit": 1})
    };
    assert_eq!(ask.rows(newest(true)).await, ask.rows(newest(false)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_hold_together() {
    let world = World::new().await;
    let owner = world.owner().await;
    let ask = Asker { actor: &owner, source: trips(&owner).await };
    let counted = async |column: &str, operator: &str, value: Value| {
        let mut filter = json!({"column": column, "operator": operator});
        if !value.is_null() {
            filter["value"] = value;
        }
        ask.rows(json!({"measures": [{"aggregate": "count"}], "filters": [filter]})).await[0][0].clone()
    };
    for (column, operator, value, rows) in [
        ("carrier", "eq", json!("UA"), 2),
        ("carrier", "ne", json!("UA"), 1),
        ("carrier", "in", json!(["UA", "AA"]), 3),
        ("carrier", "not_in", json!(["UA"]), 1),
        ("carrier", "contains", json!("a"), 3),
        ("carrier", "contains", json!("%"), 0),
        ("carrier", "starts_with", json!("U"), 2),
        ("carrier", "is_null", json!(null), 1),
        ("carrier", "is_not_null", json!(null), 3),
        ("delay", "gt", json!(10), 1),
        ("delay", "gte", json!(9.5), 2),
        ("fare", "lt", json!(40), 1),
        ("fare", "lte", json!(40), 2),
        ("day", "gte", json!("2013-03-01"), 2),
        ("at", "lt", json!("2013-03-01T01:00:00+01:00"), 2),
        ("at", "lte", json!("2013-03-01"), 3),
        ("carrier", "eq", json!("' OR 1=1 --"), 0),
    ] {
        assert_eq!(counted(column, operator, value.clone()).await, rows, "{column} {operator} {value}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_is_refused_by_name() {
    let world = World::new().await;
    let owner = world.owner().await;
    let ask = Asker { actor: &owner, source: trips(&owner).await };
    let count = json!([{"aggregate": "count"}]);
    for (parts, field) in [
        (json!({}), "measures"),
        (json!({"measures": [{"aggregate": "mode"}]}), "measures[0].aggregate"),
        (json!({"measures": count, "sql": "SELECT 1"}), "sql"),
        (json!({"dimensions": ["nope"]}), "dimensions[0]"),
        (
            json!({"measures": count, "filters": [{"column": "delay", "operator": "eq", "value": "x"}]}),
            "filters[0].value",
        ),
        (json!({"measures": count, "order": [{"by": "fare"}]}), "order[0].by"),
    ] {
        let (named, message) = ask.refused(parts.clone()).await;
        assert!(named == field || message.contains(field), "{parts}: {named} {message}");
    }
    let nowhere = owner.post(QUERY, json!({"table": "trips", "measures": count})).await;
    assert_eq!(nowhere.refuses(400, "invalid_request")["field"], "data_source_id");
    let mut unknown = ask.body(json!({"measures": count}));
    unknown["table"] = json!("nope");
    assert_eq!(owner.post(QUERY, unknown).await.refuses(400, "invalid_request")["field"], "table");
    owner.post(QUERY, json!({})).await.refuses(400, "invalid_request");
}
