//! How results are written, in every form.

use std::fs;

use datafusion::arrow::array::{Array, AsArray, RecordBatch};
use datafusion::arrow::compute::concat_batches;
use datafusion::arrow::datatypes::{DataType, Int64Type};
use datafusion::arrow::ipc::reader::StreamReader;
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::{Value, json};

use super::Shop;
use crate::worker::protocol::{FailureCode, QueryJob, ResultFormat};

#[test]
fn json_keeps_what_numbers_would_lose() {
    let shop = Shop::open();
    let (outcome, body) = shop.run(shop.job("SELECT * FROM orders ORDER BY id")).unwrap();
    let columns = r#"[{"name":"id","type":"integer"},{"name":"amount","type":"double"},{"name":"Country","type":"text"},{"name":"paid","type":"boolean"}]"#;
    let rows = r#"[[1,1.5,"DE",true],[2,null,"=1+1",false],["9007199254740993",null,"",null]]"#;
    let start = format!(r#"{{"columns":{columns},"rows":{rows},"row_count":3,"truncated":false,"elapsed_ms":"#);
    assert!(body.starts_with(&start) && body.ends_with('}'), "{body}");
    assert_eq!((outcome.rows, outcome.rows_scanned, outcome.truncated), (3, 3, false));
    assert_eq!(
        shop.rows(
            "SELECT DATE '2013-01-31', TIME '13:45:00', TIMESTAMP '2013-01-31 10:00:00', \
             TIMESTAMP '2013-01-31T10:00:00.250+01:00', CAST(1.50 AS DECIMAL(9,2)), CAST(1 AS REAL), NULL, \
             make_array(1, 2), 18446744073709551615"
        ),
        json!([[
            "2013-01-31",
            "13:45:00",
            "2013-01-31T10:00:00Z",
            "2013-01-31T09:00:00.25Z",
            "1.50",
            1.0,
            null,
            "[1, 2]",
            "18446744073709551615"
        ]])
    );
}

#[test]
fn columns_without_a_name_are_called_as_they_were_written() {
    let shop = Shop::open();
    let names = |sql: &str| {
        let (outcome, _) = shop.run(shop.job(sql)).unwrap();
        outcome.columns.into_iter().map(|column| column.name).collect::<Vec<_>>().join(" ; ")
    };
    assert_eq!(names("SELECT 1, 'a', id + 1, count(*) OVER () FROM orders"), "1 ; 'a' ; id + 1 ; count(*) OVER ()");
    assert_eq!(
        names("SELECT 1, *, 2 AS two, avg(id) OVER () FROM orders"),
        "1 ; id ; amount ; Country ; paid ; two ; avg(id) OVER ()"
    );
    assert_eq!(names("SELECT o.id, country FROM orders o UNION ALL SELECT 1, 'x'"), "id ; Country");
    assert_eq!(names("(SELECT 1) UNION SELECT 2"), "1");
}

#[test]
fn csv_is_quoted_and_never_a_formula() {
    let shop = Shop::open();
    let mut job = shop.job("SELECT id - 2 AS n, \"Country\", paid FROM orders ORDER BY id");
    job.format = ResultFormat::Csv;
    let (_, body) = shop.run(job).unwrap();
    assert_eq!(body, "n,Country,paid\r\n-1,DE,true\r\n0,'=1+1,false\r\n9007199254740991,\"\",\r\n");
    let mut job = shop.job("SELECT name FROM customers");
    job.format = ResultFormat::Csv;
    assert_eq!(shop.run(job).unwrap().1, "name\r\n\"Ann, \"\"A\"\"\"\r\n'-Bob\r\n");
}

/// Programs get the types that readers of these forms know, and the names that people see.
#[test]
fn arrow_and_parquet_hold_what_the_json_holds() {
    let shop = Shop::open();
    let sql = "SELECT \"Country\", id + 1, amount, NULL AS nothing FROM orders ORDER BY id";
    let body = |format, rows, bytes| {
        let mut job = QueryJob { format, ..shop.job(sql) };
        (job.limits.rows, job.limits.bytes) = (rows, bytes);
        shop.bytes(job)
    };
    let read = |format, rows| -> Vec<RecordBatch> {
        let bytes = body(format, rows, 1 << 20).unwrap().1;
        match format {
            ResultFormat::Arrow => StreamReader::try_new(&bytes[..], None).unwrap().map(Result::unwrap).collect(),
            _ => {
                let reader = ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(bytes)).unwrap();
                reader.build().unwrap().map(Result::unwrap).collect()
            }
        }
    };
    for format in [ResultFormat::Arrow, ResultFormat::Parquet] {
        let batches = read(format, 100);
        let schema = batches[0].schema();
        let fields: Vec<_> = schema.fields().iter().map(|field| (field.name().as_str(), field.data_type())).collect();
        let expected = [
            ("Country", &DataType::Utf8),
            ("id + 1", &DataType::Int64),
            ("amount", &DataType::Float64),
            ("nothing", &DataType::Utf8),
        ];
        assert_eq!(fields, expected, "{format:?}");
        let whole = concat_batches(&schema, &batches).unwrap();
        assert_eq!(whole.column(0).as_string::<i32>().iter().collect::<Vec<_>>(), [Some("DE"), Some("=1+1"), Some("")]);
        assert_eq!(whole.column(1).as_primitive::<Int64Type>().values(), &[2, 3, 9_007_199_254_740_994]);
        assert_eq!((whole.num_rows(), whole.column(2).null_count(), whole.column(3).null_count()), (3, 1, 3));
        assert_eq!(read(format, 2).iter().map(RecordBatch::num_rows).sum::<usize>(), 2, "{format:?}");
        assert_eq!(body(format, 100, 100).unwrap_err().code, FailureCode::TooLarge, "{format:?}");
    }
}

/// Rows by the hundred thousand are written beside the frame, in the same form.
#[test]
fn a_long_result_is_whole_in_every_form() {
    let shop = Shop::open();
    for format in [ResultFormat::Json, ResultFormat::Csv, ResultFormat::Arrow, ResultFormat::Parquet] {
        let mut job = QueryJob {
            format,
            ..shop.job("SELECT n, concat('text ', n, ' ', random()) FROM (SELECT unnest(range(0, 60000)) AS n)")
        };
        (job.limits.rows, job.limits.bytes) = (1 << 20, 64 << 20);
        let into = job.into.clone();
        let (outcome, inline) = shop.bytes(job).unwrap();
        assert_eq!((outcome.rows, inline.len()), (60_000, 0), "{format:?}");
        let bytes = fs::read(into).unwrap();
        assert_eq!(outcome.file_bytes, Some(bytes.len() as u64), "{format:?}");
        let rows = match format {
            ResultFormat::Json => serde_json::from_slice::<Value>(&bytes).unwrap()["rows"].as_array().unwrap().len(),
            ResultFormat::Csv => bytes.iter().filter(|byte| **byte == b'\n').count() - 1,
            ResultFormat::Arrow => {
                StreamReader::try_new(&bytes[..], None).unwrap().map(|batch| batch.unwrap().num_rows()).sum()
            }
            ResultFormat::Parquet => {
                let reader = ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(bytes)).unwrap();
                reader.build().unwrap().map(|batch| batch.unwrap().num_rows()).sum()
            }
        };
        assert_eq!(rows, 60_000, "{format:?}");
    }
}

#[test]
fn results_are_cut_at_their_rows_and_refused_past_their_bytes() {
    let shop = Shop::open();
    let mut job = shop.job("SELECT id FROM orders ORDER BY id");
    job.limits.rows = 2;
    let (outcome, _) = shop.run(job).unwrap();
    assert_eq!((outcome.rows, outcome.truncated), (2, true));
    let mut job = shop.job("SELECT repeat('x', 2000) FROM orders");
    job.limits.bytes = 5_000;
    assert_eq!(shop.run(job).unwrap_err().code, FailureCode::TooLarge);
    let mut job = shop.job("SELECT unnest(range(1, 5000000)) AS n ORDER BY n DESC");
    job.limits.memory_bytes = 1 << 20;
    assert_eq!(shop.run(job).unwrap_err().code, FailureCode::TooLarge);
}
