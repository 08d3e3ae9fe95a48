//! Queries of parts that nobody thought of: what is accepted runs, and gives the columns that it asked for.

use std::cell::Cell;

use datafusion::arrow::array::{Date32Array, TimestampMicrosecondArray};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::*;
use crate::domain::result::{Column, ColumnType};
use crate::domain::structured::{Aggregate, Filter, Grain, Measure, Operator, Order, StructuredQuery, TimeAxis};
use crate::testing::cases;

const COLUMNS: [(&str, ColumnType); 7] = [
    ("id", ColumnType::Integer),
    ("amount", ColumnType::Double),
    ("Country", ColumnType::Text),
    ("paid", ColumnType::Boolean),
    ("day", ColumnType::Date),
    ("at", ColumnType::Timestamp),
    ("odd \"name\"", ColumnType::Text),
];

/// `shop.visits` with a column of each kind.
fn visits() -> Shop {
    let mut shop = Shop::open();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(Int64Array::from(vec![Some(1), None, Some(i64::MAX)]))),
        ("amount", Arc::new(Float64Array::from(vec![Some(1.5), Some(f64::NAN), None]))),
        ("Country", Arc::new(StringArray::from(vec![Some("DE"), Some("%_'\""), None]))),
        ("paid", Arc::new(BooleanArray::from(vec![Some(true), Some(false), None]))),
        ("day", Arc::new(Date32Array::from(vec![Some(19_000), Some(-1), None]))),
        (
            "at",
            Arc::new(
                TimestampMicrosecondArray::from(vec![Some(1_700_000_000_000_000), Some(-1), None]).with_timezone("UTC"),
            ),
        ),
        ("odd \"name\"", Arc::new(StringArray::from(vec!["", "a", "; DROP TABLE visits"]))),
    ];
    let path = shop.directory.path().join("visits.parquet");
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut writer = ArrowWriter::try_new(File::create(&path).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    shop.tables.push(TableFile { source: "shop".into(), table: "visits".into(), path, columns: Vec::new() });
    shop
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        20 => prop::sample::select(&COLUMNS[..]).prop_map(|(name, _)| name.to_owned()),
        1 => "[a-zA-Z\"'; ]{0,6}",
    ]
}

fn instant() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => (1900..2100_u32, 1..13_u32, 1..29_u32).prop_map(|(year, month, day)| format!("{year}-{month:02}-{day:02}")),
        4 => (1960..2060_u32, 0..24_u32).prop_map(|(year, hour)| format!("{year}-02-28T{hour:02}:30:00Z")),
        1 => "[0-9TZ:+-]{0,25}",
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let single = prop_oneof![
        any::<i64>().prop_map(Value::from),
        (-10..10_i64).prop_map(Value::from),
        any::<f64>().prop_map(|number| json!(number)),
        any::<bool>().prop_map(Value::from),
        instant().prop_map(Value::from),
        "[a-zA-Z%_'\"\\\\;$1é]{0,8}".prop_map(Value::from),
        Just(Value::Null),
    ];
    prop_oneof![6 => single.clone(), 2 => prop::collection::vec(single, 0..4).prop_map(Value::from)]
}

/// A column with its type; now and then a name that is none.
fn column() -> impl Strategy<Value = (String, ColumnType)> {
    prop_oneof![
        30 => prop::sample::select(&COLUMNS[..]).prop_map(|(name, kind)| (name.to_owned(), kind)),
        1 => ("[a-zA-Z\"'; ]{0,6}", prop::sample::select(&ColumnType::ALL[..])),
    ]
}

/// A measure that mostly fits its column.
fn measure() -> impl Strategy<Value = Measure> {
    let fitting = |kind: ColumnType| match kind {
        kind if kind.is_numeric() => &Aggregate::ALL[..],
        ColumnType::Boolean => &[Aggregate::Count, Aggregate::CountDistinct],
        _ => &[Aggregate::Count, Aggregate::CountDistinct, Aggregate::Min, Aggregate::Max],
    };
    let of_column = column().prop_flat_map(move |(column, kind)| {
        (
            Just(Some(column)),
            prop_oneof![30 => prop::sample::select(fitting(kind)), 1 => prop::sample::select(&Aggregate::ALL[..])],
        )
    });
    let measured = prop_oneof![6 => of_column, 1 => Just((None, Aggregate::Count))];
    let named = prop::option::weighted(0.3, "[a-zA-Z\"'; ]{1,6}");
    (measured, named).prop_map(|((column, aggregate), name)| Measure { column, aggregate, name })
}

/// A value that mostly fits its column.
fn fitting(kind: ColumnType) -> BoxedStrategy<Value> {
    let fits = match kind {
        ColumnType::Boolean => any::<bool>().prop_map(Value::from).boxed(),
        ColumnType::Integer => prop_oneof![any::<i64>(), -10..10_i64].prop_map(Value::from).boxed(),
        ColumnType::Date => (1900..2100_u32, 1..13_u32, 1..29_u32)
            .prop_map(|(year, month, day)| json!(format!("{year}-{month:02}-{day:02}")))
            .boxed(),
        ColumnType::Timestamp | ColumnType::Time => instant().prop_map(Value::from).boxed(),
        ColumnType::Double | ColumnType::Decimal => any::<f64>().prop_map(|number| json!(number)).boxed(),
        ColumnType::Text => "[a-zA-Z%_'\"\\\\;$1é]{0,8}".prop_map(Value::from).boxed(),
    };
    prop_oneof![20 => fits, 1 => value()].boxed()
}

fn filter() -> impl Strategy<Value = Filter> {
    (column(), prop::sample::select(&Operator::ALL[..])).prop_flat_map(|((column, kind), operator)| {
        let value = match operator {
            Operator::IsNull | Operator::IsNotNull => prop::option::weighted(0.05, value()).boxed(),
            Operator::In | Operator::NotIn => {
                prop::collection::vec(fitting(kind), 1..4).prop_map(|values| Some(Value::from(values))).boxed()
            }
            _ => prop::option::weighted(0.97, fitting(kind)).boxed(),
        };
        value.prop_map(move |value| Filter { column: column.clone(), operator, value })
    })
}

fn query() -> impl Strategy<Value = StructuredQuery> {
    let time = (
        prop::sample::select(vec!["day", "at", "at", "day", "at", "day", "id"]),
        prop::sample::select(&Grain::ALL[..]),
        prop::option::weighted(0.4, instant()),
        prop::option::weighted(0.2, instant()),
        prop::bool::weighted(0.3),
    )
        .prop_map(|(column, grain, from, to, fill)| TimeAxis { column: column.to_owned(), grain, from, to, fill });
    let by = prop_oneof![name(), Just("count".to_owned()), Just("sum_amount".to_owned())];
    let order = (by, any::<bool>()).prop_map(|(by, descending)| Order { by, descending });
    (
        prop::collection::vec(measure(), 0..3),
        prop::collection::vec(column().prop_map(|(name, _)| name), 0..3),
        prop::option::weighted(0.4, time),
        prop::collection::vec(filter(), 0..3),
        prop::option::weighted(0.1, order),
    )
        .prop_map(|(measures, dimensions, time, filters, order)| StructuredQuery {
            table: "visits".to_owned(),
            measures,
            dimensions,
            time,
            filters,
            order: order.into_iter().collect(),
        })
}

#[test]
fn a_filled_axis_takes_several_dimensions() {
    let shop = visits();
    let columns: Vec<Column> = COLUMNS.into_iter().map(|(name, kind)| Column { name: name.to_owned(), kind }).collect();
    let (from, to) = (Some("2022-01-07".to_owned()), Some("2022-01-10".to_owned()));
    let time = TimeAxis { column: "day".to_owned(), grain: Grain::Day, from, to, fill: true };
    let query = StructuredQuery {
        table: "visits".to_owned(),
        measures: vec![Measure { column: None, aggregate: Aggregate::Count, name: None }],
        dimensions: vec!["Country".to_owned(), "paid".to_owned()],
        time: Some(time),
        ..StructuredQuery::default()
    };
    let written = query.written("shop", &columns).unwrap();
    let (_, body) = shop.run(QueryJob { parameters: written.parameters, ..shop.job(&written.sql) }).unwrap();
    let rows = serde_json::from_str::<Value>(&body).unwrap()["rows"].take();
    assert_eq!(
        rows,
        json!([["2022-01-07", "DE", true, 0], ["2022-01-08", "DE", true, 1], ["2022-01-09", "DE", true, 0]])
    );
}

#[test]
fn whatever_parts_are_accepted_run_and_say_no_more_than_they_were_asked() {
    let shop = visits();
    let columns: Vec<Column> = COLUMNS.into_iter().map(|(name, kind)| Column { name: name.to_owned(), kind }).collect();
    let accepted = Cell::new(0);
    let run = TestRunner::new(cases(192)).run(&query(), |query| {
        let Ok(written) = query.written("shop", &columns) else { return Ok(()) };
        let job = QueryJob { parameters: written.parameters.clone(), ..shop.job(&written.sql) };
        match shop.run(job) {
            Ok((outcome, _)) => {
                let asked = query.dimensions.len() + query.measures.len() + usize::from(query.time.is_some());
                prop_assert_eq!(outcome.columns.len(), asked, "{}", written.sql);
            }
            // The ids do not add up to one that has a place in their type.
            Err(failure) => {
                let is_out_of_range = failure.message.contains("out of its type's range");
                prop_assert!(
                    is_out_of_range || failure.code == FailureCode::TooLarge,
                    "{}: {:?}",
                    written.sql,
                    failure
                );
            }
        }
        Ok(())
    });
    run.unwrap();
    // Most are refused before; some have to get here.
    TestRunner::deterministic()
        .run(&query(), |query| {
            accepted.set(accepted.get() + u32::from(query.written("shop", &columns).is_ok()));
            Ok(())
        })
        .unwrap();
    assert!(accepted.get() > 60, "only {} of 256 were accepted", accepted.get());
}
