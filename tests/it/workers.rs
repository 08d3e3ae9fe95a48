//! Workers of queries: each of one organisation, kept for its next query, ended when there was none for long.

use std::collections::BTreeSet;
use std::time::Duration;

use claribi::worker::pool::Idle;
use serde_json::json;

use crate::actors::Actor;
use crate::patience::{until_so, until_so_here};
use crate::processes::Process;
use crate::running::{endless, until_at_work};
use crate::world::{Background, World};

async fn ask(actor: &Actor) {
    let answer = actor.post("/v1/query", json!({"sql": "SELECT 1 AS one"})).await;
    assert_eq!(answer.is(200)["rows"], json!([[1]]));
}

fn idle(world: &World) -> BTreeSet<u32> {
    world.app.pool.idle_processes().into_iter().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_organization_has_workers_of_its_own_which_are_kept() {
    let world = World::with(|plot| plot.background = Background::LeftLying).await;
    let (owner, stranger) = (world.owner().await, world.stranger().await);
    ask(&owner).await;
    let first = idle(&world);
    assert_eq!((first.len(), world.app.pool.counts()), (1, (1, 0)));
    ask(&stranger).await;
    let both = idle(&world);
    assert!(both.len() == 2 && both.is_superset(&first), "{both:?}");
    for _ in 0..3 {
        ask(&owner).await;
        ask(&stranger).await;
    }
    assert_eq!((idle(&world), world.app.pool.counts()), (both.clone(), (2, 0)), "those two and no more");
    // None of them has been idle for long.
    world.app.pool.tidy(Idle::Old).await;
    assert_eq!(idle(&world), both);
}

#[tokio::test(flavor = "multi_thread")]
async fn there_are_as_many_workers_as_queries_at_once_and_fewer_when_there_are_fewer() {
    let world = World::with(|plot| {
        plot.background = Background::LeftLying;
        plot.idle = Duration::ZERO;
    })
    .await;
    let owner = world.owner().await;
    ask(&owner).await;
    // Two of a world's cores are for queries; the third waits for its turn.
    let mut asking = Vec::new();
    for _ in 0..3 {
        asking.push(owner.open(owner.request("POST", "/v1/query").json(&endless())).await);
    }
    until_so("two queries at work and one that waits", || world.app.pool.load()[0] == (2, 1)).await;
    assert_eq!(world.app.pool.counts(), (2, 0));
    drop(asking);
    until_at_work(&world, 0).await;
    ask(&owner).await;
    let left: Vec<_> = Process::own().children().into_iter().filter(|child| idle(&world).contains(&child.0)).collect();
    assert!(!left.is_empty());
    world.app.pool.tidy(Idle::Old).await;
    assert_eq!(idle(&world), BTreeSet::new());
    until_so_here("the end of idle workers", || left.iter().all(|worker| !worker.is_there()));
}
