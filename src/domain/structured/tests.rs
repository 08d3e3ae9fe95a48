//! What fits a table and what does not, and that nothing a client sends is read as SQL.

use serde_json::json;

use super::*;

fn columns() -> Vec<Column> {
    let column = |name: &str, kind| Column { name: name.to_owned(), kind };
    vec![
        column("carrier", ColumnType::Text),
        column("day", ColumnType::Date),
        column("at", ColumnType::Timestamp),
        column("delay", ColumnType::Integer),
        column("fare", ColumnType::Decimal),
        column("late", ColumnType::Boolean),
        column("odd \"name\"", ColumnType::Double),
    ]
}

fn measure(column: Option<&str>, aggregate: Aggregate) -> Measure {
    Measure { column: column.map(str::to_owned), aggregate, name: None }
}

fn filter(column: &str, operator: Operator, value: Value) -> Filter {
    Filter { column: column.to_owned(), operator, value: Some(value) }
}

fn time(grain: Grain) -> TimeAxis {
    TimeAxis { column: "day".to_owned(), grain, from: None, to: None, fill: false }
}

fn counted() -> StructuredQuery {
    StructuredQuery {
        table: "flights".to_owned(),
        measures: vec![measure(None, Aggregate::Count)],
        ..StructuredQuery::default()
    }
}

fn refusal(query: &StructuredQuery) -> (String, String) {
    match query.written("nyc", &columns()) {
        Err(Error::InvalidField { field, reason }) => (field, reason),
        other => panic!("{other:?}"),
    }
}

#[test]
fn parts_become_one_select() {
    let query = StructuredQuery {
        dimensions: vec!["carrier".to_owned()],
        time: Some(time(Grain::Month)),
        filters: vec![filter("delay", Operator::Gte, json!(15))],
        ..counted()
    };
    let written = query.written("nyc", &columns()).unwrap();
    assert_eq!(
        written.sql,
        "SELECT CAST(date_trunc('month', \"day\") AS DATE) AS \"day\", \"carrier\", count(*) AS \"count\" \
         FROM \"nyc\".\"flights\" WHERE \"day\" IS NOT NULL AND \"delay\" >= $1 GROUP BY 1, 2 \
         ORDER BY \"day\" ASC NULLS LAST, \"carrier\" ASC NULLS LAST"
    );
    assert_eq!(written.parameters, [json!(15)]);
}

#[test]
fn the_largest_measure_comes_first_unless_told() {
    let mut query = StructuredQuery { dimensions: vec!["carrier".to_owned()], ..counted() };
    let ordered = |query: &StructuredQuery| {
        let sql = query.written("nyc", &columns()).unwrap().sql;
        sql.split_once(" ORDER BY ").map_or_else(String::new, |(_, order)| order.to_owned())
    };
    assert_eq!(ordered(&query), "\"count\" DESC NULLS LAST, \"carrier\" ASC NULLS LAST");
    query.order = vec![Order { by: "carrier".to_owned(), descending: true }];
    assert_eq!(ordered(&query), "\"carrier\" DESC NULLS LAST");
    assert_eq!(ordered(&counted()), "");
}

/// Nothing of what a client sends stands in the text but quoted names, which are columns that the table has.
#[test]
fn nothing_is_read_as_sql() {
    let query = StructuredQuery {
        measures: vec![Measure {
            name: Some("x\", (SELECT 1) AS \"y".to_owned()),
            ..measure(Some("odd \"name\""), Aggregate::Avg)
        }],
        filters: vec![filter("carrier", Operator::Contains, json!("' OR 1=1 --"))],
        ..counted()
    };
    let written = query.written("nyc", &columns()).unwrap();
    assert!(written.sql.starts_with("SELECT avg(\"odd \"\"name\"\"\") AS \"x\"\", (SELECT 1) AS \"\"y\" FROM"));
    assert!(!written.sql.contains("OR 1=1"));
    assert_eq!(written.parameters, [json!("' OR 1=1 --")]);
    let unknown = StructuredQuery { dimensions: vec!["1; DROP TABLE x".to_owned()], ..counted() };
    assert_eq!(refusal(&unknown).0, "dimensions[0]");
}

#[test]
fn what_does_not_fit_is_named_where_it_stands() {
    let with_filter = |filter| StructuredQuery { filters: vec![filter], ..counted() };
    let with_measure = |measure| StructuredQuery { measures: vec![measure], ..counted() };
    let with_time = |time| StructuredQuery { time: Some(time), ..counted() };
    let none = Filter { value: None, ..filter("delay", Operator::Eq, json!(1)) };
    let empty = StructuredQuery { measures: Vec::new(), ..counted() };
    let twice = StructuredQuery { dimensions: vec!["carrier".to_owned(); 2], ..counted() };
    let many = StructuredQuery { dimensions: vec!["carrier".to_owned(); PARTS + 1], ..counted() };
    let order = StructuredQuery { order: vec![Order { by: "fare".to_owned(), descending: false }], ..counted() };
    let reversed =
        TimeAxis { from: Some("2013-03-01".to_owned()), to: Some("2013-03-01".to_owned()), ..time(Grain::Day) };
    let cases = [
        (empty, "measures", "is empty"),
        (twice, "measures", "two columns"),
        (many, "dimensions", "more than 20"),
        (order, "order[0].by", "there are count"),
        (with_measure(measure(Some("carrier"), Aggregate::Sum)), "measures[0].aggregate", "`carrier` is a text"),
        (with_measure(measure(Some("late"), Aggregate::Max)), "measures[0].aggregate", "boolean"),
        (with_measure(measure(None, Aggregate::Sum)), "measures[0].column", "is missing"),
        (with_measure(measure(Some("nope"), Aggregate::Sum)), "measures[0].column", "there are carrier"),
        (with_filter(filter("nope", Operator::Eq, json!(1))), "filters[0].column", "is no column"),
        (with_filter(none), "filters[0].value", "is missing"),
        (with_filter(filter("delay", Operator::Eq, json!("1"))), "filters[0].value", "type integer"),
        (with_filter(filter("delay", Operator::Eq, json!(null))), "filters[0].value", "is_null"),
        (with_filter(filter("delay", Operator::IsNull, json!(1))), "filters[0].value", "leave it out"),
        (with_filter(filter("delay", Operator::In, json!([]))), "filters[0].value", "1 to 1000"),
        (with_filter(filter("delay", Operator::In, json!(1))), "filters[0].value", "list"),
        (with_filter(filter("delay", Operator::Contains, json!("1"))), "filters[0].value", "integer"),
        (with_filter(filter("day", Operator::Eq, json!("2013-02-30"))), "filters[0].value", "a day"),
        (with_filter(filter("at", Operator::Eq, json!("yesterday"))), "filters[0].value", "an instant"),
        (with_filter(filter("fare", Operator::Eq, json!("1e400"))), "filters[0].value", "decimal"),
        (with_time(TimeAxis { column: "carrier".to_owned(), ..time(Grain::Day) }), "time.column", "is a text"),
        (with_time(time(Grain::Hour)), "time.grain", "has days"),
        (with_time(TimeAxis { from: Some("soon".to_owned()), ..time(Grain::Day) }), "time.from", "a day"),
        (with_time(reversed), "time.to", "not after"),
    ];
    for (query, field, words) in cases {
        let (named, reason) = refusal(&query);
        assert_eq!(named, field, "{reason}");
        assert!(reason.contains(words), "{field}: {reason}");
    }
}

#[test]
fn moments_are_spelled_in_utc() {
    let spelled = |text: &str| {
        let query = StructuredQuery { filters: vec![filter("at", Operator::Lt, json!(text))], ..counted() };
        query.written("nyc", &columns()).unwrap().parameters[0].clone()
    };
    assert_eq!(spelled("2013-01-31"), json!("2013-01-31T00:00:00.000000"));
    assert_eq!(spelled("2013-01-31T12:00:00+02:00"), json!("2013-01-31T10:00:00.000000"));
    assert_eq!(spelled("2013-01-31T12:00:00.5"), json!("2013-01-31T12:00:00.500000"));
}
