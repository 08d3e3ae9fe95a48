//! Lists: by cursor, and by page number.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::actors::Actor;
use crate::world::World;

async fn make(owner: &Actor, count: usize) {
    for index in 0..count {
        owner.post("/v1/dashboards", json!({"name": format!("number {index}")})).await.is(201);
    }
}

fn ids(page: &Value) -> Vec<String> {
    let list = page["data"].as_array().or_else(|| page["results"].as_array()).unwrap();
    list.iter().map(|entry| entry["id"].to_string()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_by_cursor_neither_repeat_nor_skip_while_rows_come_and_go() {
    let world = World::new().await;
    let owner = world.owner().await;
    make(&owner, 25).await;
    let gone =
        BTreeSet::from(["\"d_3\"".to_owned(), "\"d_5\"".to_owned(), "\"d_c\"".to_owned(), "\"d_19\"".to_owned()]);
    let mut seen = Vec::new();
    let mut path = "/v1/dashboards?limit=5".to_owned();
    loop {
        let page = owner.get(&path).await.is(200);
        seen.extend(ids(&page));
        // The last of this page, one behind it, and one that is still to come, with new ones at the end.
        for id in &gone {
            owner.delete(&format!("/v1/dashboards/{}", id.trim_matches('"'))).await;
        }
        if seen.len() < 20 {
            make(&owner, 1).await;
        }
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/v1/dashboards?limit=5&cursor={cursor}");
    }
    let distinct: BTreeSet<_> = seen.iter().cloned().collect();
    assert_eq!(distinct.len(), seen.len(), "none twice: {seen:?}");
    for number in 1..=25 {
        let id = format!("\"d_{number:x}\"");
        assert!(gone.contains(&id) || distinct.contains(&id), "{id} was there throughout");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_come_oldest_first_and_twenty_at_a_time() {
    let world = World::new().await;
    let owner = world.owner().await;
    make(&owner, 21).await;
    let page = owner.get("/v1/dashboards").await.is(200);
    let expected: Vec<_> = (1..=20).map(|number| format!("\"d_{number:x}\"")).collect();
    assert_eq!(ids(&page), expected);
    let rest = owner.get(&format!("/v1/dashboards?cursor={}", page["next_cursor"].as_str().unwrap())).await.is(200);
    assert_eq!((ids(&rest), &rest["next_cursor"]), (vec!["\"d_15\"".to_owned()], &Value::Null));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_ends_with_the_list_has_no_next() {
    let world = World::new().await;
    let owner = world.owner().await;
    make(&owner, 10).await;
    let page = owner.get("/v1/dashboards?limit=5").await.is(200);
    let last =
        owner.get(&format!("/v1/dashboards?limit=5&cursor={}", page["next_cursor"].as_str().unwrap())).await.is(200);
    assert_eq!((ids(&last).len(), &last["next_cursor"]), (5, &Value::Null));
}

#[tokio::test(flavor = "multi_thread")]
async fn cursors_of_others_and_broken_ones_are_refused() {
    let world = World::new().await;
    let (owner, stranger) = (world.owner().await, world.stranger().await);
    make(&owner, 3).await;
    make(&stranger, 3).await;
    let cursor = owner.get("/v1/dashboards?limit=1").await.is(200)["next_cursor"].as_str().unwrap().to_owned();
    stranger.get(&format!("/v1/dashboards?cursor={cursor}")).await.refuses(400, "invalid_cursor");
    owner.get(&format!("/v1/reports?cursor={cursor}")).await.refuses(400, "invalid_cursor");
    owner.get(&format!("/v1/keys?cursor={cursor}")).await.refuses(400, "invalid_cursor");
    for position in [0, cursor.len() / 2, cursor.len() - 1] {
        let mut broken = cursor.clone().into_bytes();
        broken[position] = if broken[position] == b'A' { b'B' } else { b'A' };
        let broken = String::from_utf8(broken).unwrap();
        owner.get(&format!("/v1/dashboards?cursor={broken}")).await.refuses(400, "invalid_cursor");
    }
    for broken in ["", "x", "%20", "AAAA", &"A".repeat(1_500), &cursor[1..], &format!("{cursor}A")] {
        owner.get(&format!("/v1/dashboards?cursor={broken}")).await.refuses(400, "invalid_cursor");
    }
    owner.get(&format!("/api/v1/dashboards/?cursor={cursor}")).await.is(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_size_over_the_maximum_is_refused_not_cut() {
    let world = World::new().await;
    let owner = world.owner().await;
    for (path, parameter) in [
        ("/v1/dashboards?limit=101", "limit"),
        ("/api/v1/dashboards/?limit=101", "limit"),
        ("/api/dashboards/?page_size=101", "page_size"),
        ("/api/dashboards/?page_size=0", "page_size"),
        ("/api/dashboards/?page=0", "page"),
        ("/api/dashboards/?page=x", "page"),
    ] {
        assert_eq!(owner.get(path).await.refuses(400, "invalid_parameter")["parameter"], parameter, "{path}");
    }
    owner.get("/api/dashboards/?page_size=100").await.is(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_by_number_count_all_and_link_absolutely() {
    let world = World::new().await;
    let owner = world.owner().await;
    make(&owner, 5).await;
    let get = |path: String| {
        let owner = &owner;
        async move { owner.get(&path).await.is(200) }
    };
    let first = get("/api/dashboards/?page_size=2".to_owned()).await;
    assert_eq!(
        (ids(&first), &first["count"], &first["previous"]),
        (vec!["1".into(), "2".into()], &json!(5), &Value::Null)
    );
    let mut page = first;
    let mut seen = ids(&page);
    while let Some(next) = page["next"].as_str() {
        let path = next.strip_prefix("http://localhost:8080").unwrap_or_else(|| panic!("{next} is not absolute"));
        page = get(path.to_owned()).await;
        let back = page["previous"].as_str().unwrap().strip_prefix("http://localhost:8080").unwrap();
        assert_ne!(ids(&get(back.to_owned()).await), ids(&page));
        seen.extend(ids(&page));
    }
    assert_eq!(seen, ["1", "2", "3", "4", "5"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_past_the_end_is_empty() {
    let world = World::new().await;
    let owner = world.owner().await;
    make(&owner, 3).await;
    for page in ["3", "99", "4294967295"] {
        let page = owner.get(&format!("/api/dashboards/?page_size=2&page={page}")).await.is(200);
        assert_eq!((&page["results"], &page["next"], &page["count"]), (&json!([]), &Value::Null, &json!(3)));
        assert!(page["previous"].as_str().unwrap().contains("page=2"), "{page}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn links_are_made_of_the_public_url_when_there_is_one() {
    let world = World::with(|plot| plot.http.public_url = Some("https://bi.example.com".to_owned())).await;
    let owner = world.owner().await;
    make(&owner, 2).await;
    let page = owner.get("/api/dashboards/?page_size=1").await.is(200);
    assert!(page["next"].as_str().unwrap().starts_with("https://bi.example.com/api/dashboards/?"), "{page}");
}
