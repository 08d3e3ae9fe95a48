//! Paging against a model, while dashboards come, go and are renamed: what was there throughout is seen once, and in
//! order.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use crate::actors::Actor;
use crate::world::World;

const ORDERS: [&str; 6] = ["created_at", "-created_at", "updated_at", "-updated_at", "name", "-name"];

/// What happens between two pages. Numbers choose among the dashboards that are there.
#[derive(Debug, Clone)]
enum Change {
    Make(String),
    Delete(usize),
    Rename(usize, String),
}

/// A list that is paged through.
#[derive(Debug, Clone)]
struct Walk {
    order: &'static str,
    external: bool,
    limit: usize,
    beginning: Vec<String>,
    changes: Vec<Vec<Change>>,
}

/// Few letters in both cases: many names are equal, or differ by case alone.
fn name() -> impl Strategy<Value = String> {
    "[abAB%_é]{1,3}"
}

fn walk() -> impl Strategy<Value = Walk> {
    let change = prop_oneof![
        name().prop_map(Change::Make),
        any::<usize>().prop_map(Change::Delete),
        (any::<usize>(), name()).prop_map(|(which, name)| Change::Rename(which, name)),
    ];
    let changes = prop::collection::vec(prop::collection::vec(change, 0..4), 0..6);
    let beginning = prop::collection::vec(name(), 3..14);
    (prop::sample::select(&ORDERS[..]), any::<bool>(), 1..5_usize, beginning, changes)
        .prop_map(|(order, external, limit, beginning, changes)| Walk { order, external, limit, beginning, changes })
}

/// The dashboards that are there by their numbers, with what orders compare.
#[derive(Default)]
struct Model {
    there: BTreeMap<i64, (String, i64)>,
    made: i64,
    clock: i64,
    touched: BTreeSet<i64>,
}

impl Model {
    async fn apply(&mut self, world: &World, owner: &Actor, change: &Change) {
        // Some changes share an instant with the one before.
        if self.made % 2 == 0 {
            world.pass(1);
            self.clock += 1;
        }
        let chosen = |which: usize| self.there.keys().nth(which % self.there.len().max(1)).copied();
        match change {
            Change::Make(name) => {
                owner.post("/v1/dashboards", json!({"name": name})).await.is(201);
                self.made += 1;
                self.there.insert(self.made, (name.clone(), self.clock));
            }
            Change::Delete(which) => {
                let Some(id) = chosen(*which) else { return };
                owner.delete(&format!("/v1/dashboards/d_{id:x}")).await.is(200);
                self.there.remove(&id);
            }
            Change::Rename(which, name) => {
                let Some(id) = chosen(*which) else { return };
                owner.patch(&format!("/v1/dashboards/d_{id:x}"), json!({"name": name})).await.is(200);
                self.there.insert(id, (name.clone(), self.clock));
                self.touched.insert(id);
            }
        }
    }

    /// All numbers in an order.
    fn sorted(&self, order: &str) -> Vec<i64> {
        let mut ids: Vec<i64> = self.there.keys().copied().collect();
        match order.trim_start_matches('-') {
            "name" => ids.sort_by_key(|id| (self.there[id].0.to_ascii_lowercase(), *id)),
            "updated_at" => ids.sort_by_key(|id| (self.there[id].1, *id)),
            _ => ids.sort_unstable(),
        }
        if order.starts_with('-') {
            ids.reverse();
        }
        ids
    }
}

async fn walked(walk: &Walk) {
    let world = World::new().await;
    let owner = world.owner().await;
    let mut model = Model::default();
    for name in &walk.beginning {
        model.apply(&world, &owner, &Change::Make(name.clone())).await;
    }
    let beginning: BTreeSet<i64> = model.there.keys().copied().collect();
    let base = if walk.external { "/api/v1/dashboards/" } else { "/v1/dashboards" };
    let first = format!("{base}?sort={}&limit={}", walk.order, walk.limit);
    let (mut path, mut changes, mut seen) = (first.clone(), walk.changes.iter(), Vec::new());
    // On the external face ids are uuids, which the model does not know: names of the numbers come from the other face.
    let numbers = numbers(&owner).await;
    loop {
        let page = owner.get(&path).await.is(200);
        let entries = page["data"].as_array().unwrap();
        assert!(entries.len() <= walk.limit);
        seen.extend(entries.iter().map(|entry| number(&numbers, &entry["id"])));
        for change in changes.next().into_iter().flatten() {
            model.apply(&world, &owner, change).await;
        }
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("{first}&cursor={cursor}");
    }
    // What is made meanwhile may be seen; a changed one may be seen twice or not at all where the change moved it.
    let moves = !walk.order.ends_with("created_at");
    let steady =
        |id: &i64| beginning.contains(id) && model.there.contains_key(id) && !(moves && model.touched.contains(id));
    let steadily_seen: Vec<i64> = seen.iter().copied().filter(steady).collect();
    let expected: Vec<i64> = model.sorted(walk.order).into_iter().filter(steady).collect();
    assert_eq!(steadily_seen, expected, "{walk:?} saw {seen:?}");
    if !moves {
        assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), seen.len(), "{walk:?} repeats in {seen:?}");
    }
}

/// The number of every dashboard by its name on the external face.
async fn numbers(owner: &Actor) -> BTreeMap<String, i64> {
    let platform = owner.get("/api/dashboards/?page_size=100").await.is(200);
    let external = owner.get("/api/v1/dashboards/?limit=100").await.is(200);
    let (platform, external) = (platform["results"].as_array().unwrap(), external["data"].as_array().unwrap());
    let pair = |(one, other): (&Value, &Value)| (other["id"].as_str().unwrap().to_owned(), one["id"].as_i64().unwrap());
    platform.iter().zip(external).map(pair).collect()
}

/// The number of an id; ids that came later are told apart by being negative.
fn number(numbers: &BTreeMap<String, i64>, id: &Value) -> i64 {
    let id = id.as_str().unwrap();
    match id.strip_prefix("d_") {
        Some(hex) => i64::from_str_radix(hex, 16).unwrap(),
        None => numbers.get(id).copied().unwrap_or_else(|| {
            let tail = u128::from_str_radix(&id.replace('-', ""), 16).unwrap();
            -i64::try_from(tail & 0x7fff_ffff_ffff).unwrap()
        }),
    }
}

#[test]
fn paging_repeats_and_skips_nothing_that_was_there_throughout() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let mut runner = TestRunner::new(Config { cases: 40, failure_persistence: None, ..Config::default() });
    runner
        .run(&walk(), |walk| {
            runtime.block_on(walked(&walk));
            Ok(())
        })
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_by_number_together_are_the_list_in_every_order_also_when_it_grows_at_its_end() {
    let world = World::new().await;
    let owner = world.owner().await;
    let mut model = Model::default();
    for name in ["b", "A", "a", "B", "é", "a", "%", "ab", "b"] {
        model.apply(&world, &owner, &Change::Make(name.to_owned())).await;
    }
    for which in [3, 0, 7] {
        model.apply(&world, &owner, &Change::Rename(which, "aB".to_owned())).await;
    }
    for order in ORDERS {
        let mut seen = Vec::new();
        for page in 1.. {
            let answer = owner.get(&format!("/api/dashboards/?sort={order}&page_size=2&page={page}")).await.is(200);
            assert_eq!(answer["count"], model.there.len());
            seen.extend(answer["results"].as_array().unwrap().iter().map(|entry| entry["id"].as_i64().unwrap()));
            if order == "created_at" && page < 4 {
                model.apply(&world, &owner, &Change::Make("late".to_owned())).await;
            }
            if answer["next"].is_null() {
                break;
            }
        }
        assert_eq!(seen, model.sorted(order), "{order}");
    }
}
