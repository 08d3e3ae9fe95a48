//! Who may do what, held against a table that was written by hand and not from the code:
//! `golden/policy.txt`. Every operation of every face is called; one that the table does not have fails.

use std::collections::BTreeMap;

use claribi::domain::access::{Permission, Permissions, Role, Scope};
use claribi::domain::id::IdRef;
use claribi::domain::user::UserPatch;
use claribi::service::keys::KeyRequest;
use claribi::store::main::users;

use super::{Entry, entries};
use crate::actors::Actor;
use crate::answer::Answer;
use crate::world::{Plot, World, named};

const TABLE: &str = include_str!("../golden/policy.txt");
const MISSING: &str = "permission_missing";
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
    /// By session on a plan without API access.
    in_portal: bool,
    /// When the trial is over.
    after_trial: bool,
}

impl Line {
    fn parse(line: &'static str) -> (&'static str, Self) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [operation, needs, roles @ .., portal, ended] = words.as_slice() else { panic!("too few words: {line}") };
        let roles: [&str; 4] = roles.try_into().unwrap_or_else(|_| panic!("four roles: {line}"));
        let [in_portal] = signs(portal);
        let [after_trial] = signs(ended);
        (operation, Self { needs, allowed: roles.map(signs), in_portal, after_trial })
    }

    /// Whether a key of an owner's that was given this permission alone is let in.
    fn opens_to(&self, permission: Permission) -> bool {
        ["open", "caller"].contains(&self.needs) || self.needs == permission.as_str()
    }
}

/// What so many signs say.
fn signs<const COUNT: usize>(text: &str) -> [bool; COUNT] {
    let signs: [u8; COUNT] = text.as_bytes().try_into().unwrap_or_else(|_| panic!("{COUNT} signs: {text}"));
    assert!(signs.iter().all(|sign| b"+-".contains(sign)), "+ or -: {text}");
    signs.map(|sign| sign == b'+')
}

fn table() -> BTreeMap<&'static str, Line> {
    let lines = TABLE.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let mut table = BTreeMap::new();
    for (operation, line) in lines.map(Line::parse) {
        assert!(table.insert(operation, line).is_none(), "{operation} stands in the table twice");
    }
    table
}

/// A world whose windows let all of these calls in.
async fn roomy_world() -> World {
    World::with(|plot| roomy(plot, "enterprise", true)).await
}

fn roomy(plot: &mut Plot, name: &'static str, api_access: bool) {
    plot.plan = name;
    plot.settings.key_per_minute = 100_000;
    plot.settings.session_per_minute = 100_000;
    plot.plan(name, |plan| {
        plan.api_access = api_access;
        plan.requests_per_hour = 100_000;
        plan.requests_per_day = 100_000;
        plan.generation_per_hour = 100_000;
        plan.generation_per_day = 100_000;
    });
}

async fn caller(world: &World, role: Role, shown: Shown) -> Actor {
    match shown {
        Shown::Session => world.session(role).await,
        Shown::Key(scope) => world.key_of(role, scope).await,
    }
}

/// Holds an answer against the table: what is not allowed is refused with this code, what is allowed with none such.
fn judge(entry: &Entry, line: &Line, (allowed, code): (bool, &str), answer: &Answer, who: &str) {
    if allowed {
        let refused = answer.status == 403 || (answer.status == 401 && line.needs != "open");
        assert!(!refused, "{who} may call {}, and was told {}", entry.named(), answer.text());
        assert!(answer.status < 500, "{who}, {}: {}", entry.named(), answer.text());
    } else {
        let told = (answer.status, if answer.status < 400 { String::new() } else { answer.code() });
        assert_eq!(told, (403, code.to_owned()), "{who} may not call {}", entry.named());
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
                judge(entry, line, (allowed, MISSING), &answer, &format!("{} by {shown:?}", role.as_str()));
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
            judge(entry, line, (line.opens_to(permission), MISSING), &answer, permission.as_str());
        }
    }
}

/// Gives the user of this e-mail another role.
async fn give_role(world: &World, email: &str, role: Role) {
    let user = world.app.store.read_now(|db| Ok(users::find_by_email(db, email)?)).unwrap().unwrap().id;
    let patch = UserPatch { role: Some(role), ..UserPatch::default() };
    let owner = world.operator_as(world.owner);
    world.app.update_user(&owner, &IdRef::Number(user), email, patch).await.unwrap();
}

/// What was made while its owner was an administrator, and asked with while they are something less: presets, the
/// session, and a key for each permission alone. No more is let in than the role of now and the key both allow.
#[tokio::test(flavor = "multi_thread")]
async fn what_an_administrator_made_does_after_a_demotion_what_the_lesser_role_may_and_nothing_else() {
    let (world, table, entries) = (roomy_world().await, table(), entries());
    let mut presets = Vec::new();
    for (shown, column) in SHOWN.into_iter().zip(0..) {
        presets.push((caller(&world, Role::Administrator, shown).await, shown, column));
    }
    let email = "a-administrator@example.com";
    let user = world.app.store.read_now(|db| Ok(users::find_by_email(db, email)?)).unwrap().unwrap().id;
    let mut singles = Vec::new();
    for permission in Permission::ALL.iter().copied() {
        if !Permissions::NEVER_IN_A_KEY.holds(permission) {
            let request = KeyRequest { permissions: Some(vec![permission.as_str().to_owned()]), ..named() };
            singles.push((permission, world.make_key(user, request).await));
        }
    }
    for (role, row) in ROLES.into_iter().zip(0..).skip(1) {
        give_role(&world, email, role).await;
        for entry in &entries {
            let line = &table[entry.operation.id];
            for (permission, key) in &singles {
                // The column of sessions is what the role may, whatever is shown.
                let allowed = line.opens_to(*permission) && line.allowed[row][0];
                let who = format!("a key for {} of one who is now {}", permission.as_str(), role.as_str());
                judge(entry, line, (allowed, MISSING), &entry.call(key).await, &who);
            }
            for (actor, shown, column) in &presets {
                // It would end the keys that come after it; every role may do it, and the test above does.
                if entry.operation.id == "keys_revoke_all" && *column < 2 {
                    continue;
                }
                let who = format!("{shown:?} of one who is now {}", role.as_str());
                let answer = entry.call(actor).await;
                judge(entry, line, (line.allowed[row][*column], MISSING), &answer, &who);
            }
        }
    }
}

/// Whether `explain` says that the plan refuses a call; nothing else may.
async fn foretold(actor: &Actor, entry: &Entry) -> bool {
    let asked = format!("/v1/auth/verify?explain={}%20{}", entry.method, entry.path);
    let told = actor.get(&asked).await.is(200);
    assert!(["plan", "null"].contains(&told["refused_by"].as_str().unwrap_or("null")), "{}: {told}", entry.named());
    told["refused_by"] == "plan"
}

#[tokio::test(flavor = "multi_thread")]
async fn without_api_access_sessions_do_what_the_policy_says_and_keys_nothing() {
    let (table, entries) = (table(), entries());
    let world = World::with(|plot| roomy(plot, "starter", true)).await;
    // Not the owner's: a session revokes the keys of its own user when that operation's turn comes.
    let (key, session) = (world.key_of(Role::Analyst, Scope::ReadWrite).await, world.owner_session().await);
    let (key, session) = (key.secret().to_owned(), session.secret().to_owned());
    let world = world.restarted_with(|plot| roomy(plot, "starter", false)).await;
    let (key, session) = (world.bearer(&key), world.bearer(&session));
    for entry in &entries {
        let line = &table[entry.operation.id];
        let by_key = entry.call(&key).await;
        judge(entry, line, (line.needs == "open", "plan_required"), &by_key, "a key without API access");
        let by_session = entry.call(&session).await;
        judge(entry, line, (line.in_portal, "plan_required"), &by_session, "a session without API access");
        assert_eq!(foretold(&session, entry).await, !line.in_portal, "explain, of {}", entry.named());
        for refusal in [by_key, by_session].iter().filter(|answer| answer.status == 403) {
            let plan = if entry.operation.id == "organization_sandbox" && refusal.text().contains("sandbox") {
                "`enterprise`"
            } else {
                "`professional`"
            };
            assert!(refusal.message().contains(plan), "names a plan that has it: {}", refusal.message());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_the_trial_what_reads_goes_on_and_nothing_else() {
    let (table, entries) = (table(), entries());
    let world = World::with(|plot| roomy(plot, "trial", true)).await;
    let key = world.owner().await;
    // Keys that revoke all of their owner's, themselves included, can be used for that once.
    let mut spare = Vec::new();
    for role in [Role::Analyst, Role::Viewer] {
        spare.push(world.key_of(role, Scope::ReadWrite).await);
    }
    world.pass(14 * 86_400 - 1);
    key.post("/v1/dashboards", serde_json::json!({"name": "The last"})).await.is(201);
    world.pass(1);
    let session = world.owner_session().await;
    for (actor, who) in [(&key, "a key"), (&session, "a session")] {
        for entry in &entries {
            let line = &table[entry.operation.id];
            let shown = usize::from(who == "a key");
            if line.allowed[0][shown] {
                let once = (shown == 1 && entry.operation.id == "keys_revoke_all").then(|| spare.pop().unwrap());
                let answer = entry.call(once.as_ref().unwrap_or(actor)).await;
                judge(entry, line, (line.after_trial, "trial_ended"), &answer, &format!("{who} after the trial"));
                assert_eq!(foretold(actor, entry).await, !line.after_trial, "explain, of {}", entry.named());
            }
        }
    }
}
