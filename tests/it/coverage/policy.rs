//! Who may do what, held against a table that was written from the product's promises and not from the code:
//! `golden/policy.txt`. Every operation of every face is called; one that the table does not have fails.

use std::collections::BTreeMap;

use claribi::domain::access::{Permission, Permissions, Role, Scope};

use super::{Entry, entries};
use crate::actors::Actor;
use crate::answer::Answer;
use crate::world::World;

const TABLE: &str = include_str!("../golden/policy.txt");
/// In the order of the table's columns.
const ROLES: [Role; 4] = [Role::Owner, Role::Administrator, Role::Analyst, Role::Viewer];

/// What a caller shows, in the order of a column's signs.
#[derive(Debug, Clone, Copy)]
enum Shown {
    Session,
    Key(Scope),
}

const SHOWN: [Shown; 3] = [Shown::Session, Shown::Key(Scope::ReadWrite), Shown::Key(Scope::ReadOnly)];

/// A line of the table.
struct Line {
    needs: &'static str,
    /// By role, then by what is shown.
    allowed: [[bool; 3]; 4],
}

impl Line {
    fn parse(line: &'static str) -> (&'static str, Self) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [operation, needs, roles @ ..] = words.as_slice() else { panic!("too few words: {line}") };
        let roles: [&str; 4] = roles.try_into().unwrap_or_else(|_| panic!("four roles: {line}"));
        let allowed = roles.map(|signs| {
            let signs: [u8; 3] = signs.as_bytes().try_into().unwrap_or_else(|_| panic!("three signs: {line}"));
            assert!(signs.iter().all(|sign| b"+-".contains(sign)), "+ or -: {line}");
            signs.map(|sign| sign == b'+')
        });
        (operation, Self { needs, allowed })
    }

    /// Whether a key of an owner's that was given this permission alone is let in.
    fn opens_to(&self, permission: Permission) -> bool {
        ["open", "caller"].contains(&self.needs) || self.needs == permission.as_str()
    }
}

fn table() -> BTreeMap<&'static str, Line> {
    let lines = TABLE.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let mut table = BTreeMap::new();
    for (operation, line) in lines.map(Line::parse) {
        assert!(table.insert(operation, line).is_none(), "{operation} stands in the table twice");
    }
    table
}

/// Windows that let all of these calls in.
async fn roomy_world() -> World {
    World::with(|plot| {
        plot.settings.key_per_minute = 100_000;
        plot.settings.session_per_minute = 100_000;
        plot.plan("enterprise", |plan| {
            plan.requests_per_hour = 100_000;
            plan.generation_per_hour = 100_000;
            plan.generation_per_day = 100_000;
        });
    })
    .await
}

async fn caller(world: &World, role: Role, shown: Shown) -> Actor {
    match shown {
        Shown::Session => world.session(role).await,
        Shown::Key(scope) => world.key_of(role, scope).await,
    }
}

/// Holds an answer against the table.
fn judge(entry: &Entry, line: &Line, allowed: bool, answer: &Answer, who: &str) {
    if allowed {
        let refused = answer.status == 403 || (answer.status == 401 && line.needs != "open");
        assert!(!refused, "{who} may call {}, and was told {}", entry.named(), answer.text());
        assert!(answer.status < 500, "{who}, {}: {}", entry.named(), answer.text());
    } else {
        let told = (answer.status, if answer.status < 400 { String::new() } else { answer.code() });
        assert_eq!(told, (403, "permission_missing".to_owned()), "{who} may not call {}", entry.named());
    }
}

#[test]
fn the_policy_has_every_operation_and_no_other() {
    let (table, entries) = (table(), entries());
    for entry in &entries {
        let id = entry.operation.id;
        assert!(table.contains_key(id), "golden/policy.txt has no line for {id}: write it from what is promised of it");
    }
    for id in table.keys() {
        assert!(entries.iter().any(|entry| entry.operation.id == *id), "golden/policy.txt has {id}, which no face has");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_role_may_do_by_session_and_preset_what_the_policy_says_and_nothing_else() {
    let (world, table, entries) = (roomy_world().await, table(), entries());
    for (role, row) in ROLES.into_iter().zip(0..) {
        for (shown, column) in SHOWN.into_iter().zip(0..) {
            let mut actor = caller(&world, role, shown).await;
            for entry in &entries {
                let line = &table[entry.operation.id];
                let allowed = line.allowed[row][column];
                let answer = entry.call(&actor).await;
                judge(entry, line, allowed, &answer, &format!("{} by {shown:?}", role.as_str()));
                // Some of what is allowed ends the credential that it was asked with.
                if allowed && entry.method != "GET" && actor.get("/v1/auth/verify").await.status == 401 {
                    actor = caller(&world, role, shown).await;
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_permission_alone_opens_what_the_policy_says_and_nothing_else() {
    let (world, table, entries) = (roomy_world().await, table(), entries());
    for permission in Permission::ALL.iter().copied() {
        if Permissions::NEVER_IN_A_KEY.holds(permission) {
            continue;
        }
        let actor = world.key_with(&[permission]).await;
        for entry in &entries {
            let line = &table[entry.operation.id];
            let answer = entry.call(&actor).await;
            judge(entry, line, line.opens_to(permission), &answer, permission.as_str());
        }
    }
}
