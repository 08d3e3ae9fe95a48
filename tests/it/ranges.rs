//! Parts of report files.

use serde_json::{Value, json};

use crate::actors::Actor;
use crate::answer::Answer;
use crate::sources::sales;
use crate::world::World;

/// The path of a file that was made of a source.
async fn file_of(owner: &Actor, source: &str, format: &str) -> String {
    let templates = owner.get("/v1/report-templates").await.is(200);
    let template = templates["data"].as_array().unwrap().iter().find(|template| template["kind"] == "profile").unwrap();
    let report = json!({"template_id": template["id"], "data_source_ids": [source], "output_format": format});
    let made: Value = owner.post("/v1/reports/generate", report).await.is(201);
    format!("/v1/runs/{}/download", made["run_id"].as_str().unwrap())
}

async fn file(owner: &Actor, format: &str) -> String {
    file_of(owner, &sales(owner).await, format).await
}

async fn part(owner: &Actor, path: &str, range: &str) -> Answer {
    owner.request("GET", path).header("range", range).send().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_of_a_file_is_given_with_its_place() {
    let world = World::new().await;
    let owner = world.owner().await;
    let path = file(&owner, "pdf").await;
    let whole = owner.get(&path).await;
    let length = whole.body.len();
    assert_eq!((whole.status, whole.header("accept-ranges")), (200, Some("bytes")));
    assert_eq!(whole.number("content-length"), i64::try_from(length).unwrap());
    for (range, start, end) in [
        ("bytes=0-0".to_owned(), 0, 1),
        ("bytes=10-19".to_owned(), 10, 20),
        ("bytes=5-".to_owned(), 5, length),
        ("bytes=-7".to_owned(), length - 7, length),
        (format!("bytes=10-{}", length * 2), 10, length),
        (format!("bytes=-{}", length * 2), 0, length),
    ] {
        let answer = part(&owner, &path, &range).await;
        assert_eq!(answer.status, 206, "{range}");
        assert_eq!(answer.body, whole.body[start..end], "{range}");
        assert_eq!(answer.header("content-range"), Some(&*format!("bytes {start}-{}/{length}", end - 1)), "{range}");
        assert_eq!(answer.number("content-length"), i64::try_from(end - start).unwrap(), "{range}");
        for name in ["etag", "content-type", "content-disposition", "cache-control", "accept-ranges"] {
            assert_eq!(answer.header(name), whole.header(name), "{range}: {name}");
        }
        let call = world.last_call();
        assert_eq!((call.status, call.bytes_out), (206, (end - start) as u64));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_single_range_gives_the_whole_file() {
    let world = World::new().await;
    let owner = world.owner().await;
    let path = file(&owner, "json").await;
    let whole = owner.get(&path).await;
    for range in ["bytes=0-1,4-5", "rows=0-1", "bytes=5-2", "bytes", "bytes=a-"] {
        let answer = part(&owner, &path, range).await;
        assert_eq!((answer.status, answer.body == whole.body), (200, true), "{range}");
        assert_eq!(answer.header("content-range"), None, "{range}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_past_the_end_is_refused_with_the_length() {
    let world = World::new().await;
    let owner = world.owner().await;
    let path = file(&owner, "csv").await;
    let length = owner.get(&path).await.body.len();
    for range in [format!("bytes={length}-"), "bytes=-0".to_owned(), format!("bytes={}-{}", length + 1, length + 2)] {
        let answer = part(&owner, &path, &range).await;
        answer.refuses(416, "range_not_satisfiable");
        assert_eq!(answer.header("content-range"), Some(&*format!("bytes */{length}")), "{range}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_download_goes_on_only_while_the_file_is_the_same() {
    let world = World::new().await;
    let owner = world.owner().await;
    let path = file(&owner, "json").await;
    let whole = owner.get(&path).await;
    let tag = whole.header("etag").unwrap();
    let resumed = |held: &str| owner.request("GET", &path).header("range", "bytes=10-").header("if-range", held).send();
    assert_eq!(resumed(tag).await.status, 206);
    for other in ["\"another\"", &format!("W/{tag}"), "Sat, 21 Nov 2026 06:00:00 GMT"] {
        let answer = resumed(other).await;
        assert_eq!((answer.status, answer.body == whole.body), (200, true), "{other}");
    }
    let known =
        owner.request("GET", &path).header("range", "bytes=99999999-").header("if-none-match", tag).send().await;
    assert_eq!(known.status, 304, "conditions are looked at before ranges");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_another_run_has_another_tag_and_the_latest_is_that_of_its_run() {
    let world = World::new().await;
    let owner = world.owner().await;
    let source = sales(&owner).await;
    let first = file_of(&owner, &source, "json").await;
    let run = owner.get(first.trim_end_matches("/download")).await.is(200);
    let latest = format!("/v1/reports/{}/download", run["report_id"].as_str().unwrap());
    let (by_run, by_report) = (owner.get(&first).await, owner.get(&latest).await);
    assert_eq!(by_run.header("etag"), by_report.header("etag"));
    let second = file_of(&owner, &source, "json").await;
    assert_ne!(owner.get(&second).await.header("etag"), by_run.header("etag"));
}

#[tokio::test(flavor = "multi_thread")]
async fn head_tells_of_the_whole_file_and_ranges_belong_to_downloads_alone() {
    let world = World::new().await;
    let owner = world.owner().await;
    let path = file(&owner, "pdf").await;
    let whole = owner.get(&path).await;
    let head = owner.request("HEAD", &path).header("range", "bytes=0-1").send().await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    for name in ["content-length", "etag", "accept-ranges", "content-type", "content-disposition"] {
        assert_eq!(head.header(name), whole.header(name), "{name}");
    }
    let list = part(&owner, "/v1/dashboards", "bytes=0-1").await;
    assert_eq!((list.status, list.header("accept-ranges")), (200, None));
}
