//! Whatever happens to a balance, it never falls below zero and is the sum of its ledger.

use std::path::Path;

use proptest::prelude::*;
use rusqlite::Connection;

use super::*;
use crate::domain::ledger::{LedgerEntry, LedgerFilter};
use crate::store::{Slice, migrate};

const ACCOUNT: Account = Account { org: OrgId::new(1), allowance: 100 };
const DAY: i64 = 86_400_000;

/// An empty installation with one organisation.
fn file() -> Connection {
    let mut connection = Connection::open_in_memory().unwrap();
    migrate::main(&mut connection, Path::new("no backups of nothing"), Timestamp::from_millis(0)).unwrap();
    let org = "INSERT INTO organizations (id, uuid, name, kind, plan, created_at, updated_at)
               VALUES (1, x'00000000000000000000000000000001', 'Example', 'live', 'enterprise', 0, 0)";
    connection.execute(org, []).unwrap();
    connection
}

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn taking(reservation: &str) -> Taking {
    Taking {
        reservation: reservation.to_owned(),
        account: ACCOUNT,
        operation: "dashboards_refresh",
        user: UserId::new(7),
        key: Some(KeyId::new(9)),
        run: None,
        dashboard: Some(DashboardId::new(3)),
        boot: "this".to_owned(),
    }
}

fn entries(tx: &Tx<'_>) -> Vec<LedgerEntry> {
    ledger::list(tx, ACCOUNT.org, &LedgerFilter::default(), &Slice::all()).unwrap()
}

/// What the entries say must be what the balance says, after each of them.
fn check(tx: &Tx<'_>) {
    let mut sum = 0;
    for entry in entries(tx) {
        sum += entry.kind.change(entry.amount);
        assert!(sum >= 0 && entry.balance == sum && entry.amount >= 0, "{entry:?}, by the sum {sum}");
    }
    let open = stored(tx, ACCOUNT.org).unwrap().map_or(0, |found| {
        let Balance { limit, used, reserved } = found.balance;
        limit - used - reserved
    });
    assert_eq!(open, sum, "the balance is the sum of the ledger");
    let held: i64 = tx
        .prepare("SELECT coalesce(sum(amount), 0) FROM reservations")
        .unwrap()
        .query_row([], |row| row.get(0))
        .unwrap();
    let reserved = stored(tx, ACCOUNT.org).unwrap().map_or(0, |found| found.balance.reserved);
    assert_eq!(held, reserved, "what is held is what reservations say");
}

#[test]
fn a_month_begins_with_its_allowance_and_owes_the_last_one_nothing() {
    let connection = file();
    let tx = Tx::new(&connection);
    let april = at("2026-04-30T23:59:59Z");
    grant(&tx, ACCOUNT, 50, "root", april).unwrap();
    reserve(&tx, &taking("a"), 120, april).unwrap();
    assert_eq!(balance(&tx, ACCOUNT, april).unwrap(), Balance { limit: 150, used: 0, reserved: 120 });

    let may = at("2026-05-01T00:00:00Z");
    let expected = Balance { limit: 220, used: 0, reserved: 120 };
    assert_eq!(balance(&tx, ACCOUNT, may).unwrap(), expected, "as it would stand");
    reserve(&tx, &taking("b"), 100, may).unwrap();
    assert!(reserve(&tx, &taking("c"), 1, may).is_err(), "the allowance and no more");
    assert_eq!(settle(&tx, "a", 110, may).unwrap(), 110);
    assert_eq!(balance(&tx, ACCOUNT, may).unwrap(), Balance { limit: 220, used: 110, reserved: 100 });
    check(&tx);
    let kinds: Vec<_> = entries(&tx).iter().map(|entry| (entry.kind.as_str(), entry.amount, entry.balance)).collect();
    let expected = [
        ("grant", 100, 100),
        ("grant", 50, 150),
        ("reserve", 120, 30),
        ("expire", 30, 0),
        ("grant", 100, 100),
        ("reserve", 100, 0),
        ("settle", 110, 0),
        ("refund", 10, 10),
    ];
    assert_eq!(kinds, expected);
}

#[test]
fn a_clock_that_goes_back_or_far_ahead_gives_no_month_twice_and_locks_nobody_out() {
    let connection = file();
    let tx = Tx::new(&connection);
    let spend = |name: &str, now: &str| {
        let spent = reserve(&tx, &taking(name), 100, at(now)).is_ok();
        if spent {
            settle(&tx, name, 100, at(now)).unwrap();
        }
        check(&tx);
        spent
    };
    assert!(spend("march", "2026-03-31T23:59:59Z"));
    assert!(spend("april", "2026-04-01T00:00:00Z"));
    for (name, now) in [("back", "2026-03-31T23:00:00Z"), ("again", "2026-04-01T00:00:01Z")] {
        assert!(!spend(name, now), "{name}: an hour back and forth is no new month");
    }
    assert!(spend("ahead", "2036-04-01T00:00:00Z"), "ten years on it is another month");
    assert!(!spend("home", "2026-04-02T00:00:00Z"), "and coming back from there it is none");
    assert_eq!(balance(&tx, ACCOUNT, at("2026-04-02T00:00:00Z")).unwrap().remaining(), 0);
    assert!(spend("may", "2026-05-01T00:00:00Z"), "the next month comes when it would have come");
}

#[test]
fn every_entry_of_a_piece_of_work_says_whose_it_is_and_none_can_be_changed() {
    let connection = file();
    let tx = Tx::new(&connection);
    let now = at("2026-04-06T09:00:00Z");
    reserve(&tx, &taking("a"), 20, now).unwrap();
    settle(&tx, "a", 5, now).unwrap();
    settle(&tx, "a", 5, now).unwrap();
    refund(&tx, "a", now).unwrap();
    reserve(&tx, &Taking { boot: "earlier".to_owned(), ..taking("b") }, 20, now).unwrap();
    reserve(&tx, &taking("c"), 20, now).unwrap();
    assert_eq!(repair(&tx, "this", now).unwrap(), 1, "what this run of the server holds goes on");
    check(&tx);
    let work: Vec<_> = entries(&tx).into_iter().filter(|entry| entry.reservation.is_some()).collect();
    let kinds: Vec<_> = work.iter().map(|entry| entry.kind.as_str()).collect();
    assert_eq!(kinds, ["reserve", "settle", "refund", "reserve", "reserve", "refund"]);
    for entry in &work {
        let whose = (entry.operation.as_deref(), entry.user, entry.key, entry.dashboard);
        let expected =
            (Some("dashboards_refresh"), Some(UserId::new(7)), Some(KeyId::new(9)), Some(DashboardId::new(3)));
        assert_eq!(whose, expected, "{entry:?}");
    }
    for sql in ["UPDATE ledger SET amount = 0", "DELETE FROM ledger", "UPDATE balances SET used = used + 1000"] {
        assert!(connection.execute(sql, []).is_err(), "{sql}");
    }
}

#[test]
fn a_smaller_plan_takes_what_is_free_and_no_more() {
    let connection = file();
    let tx = Tx::new(&connection);
    let now = at("2026-04-06T09:00:00Z");
    reserve(&tx, &taking("a"), 90, now).unwrap();
    change_allowance(&tx, ACCOUNT, 20, "root", now).unwrap();
    check(&tx);
    assert_eq!(balance(&tx, ACCOUNT, now).unwrap(), Balance { limit: 90, used: 0, reserved: 90 });
    assert_eq!(entries(&tx).last().unwrap().operator.as_deref(), Some("root"));
}

#[derive(Debug, Clone)]
enum Step {
    Reserve(i64),
    Settle(usize, i64),
    Refund(usize),
    Grant(i64),
    Allowance(i64),
    Repair,
    Pass(i64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => (0_i64..150).prop_map(Step::Reserve),
        4 => (any::<usize>(), 0_i64..200).prop_map(|(which, measured)| Step::Settle(which, measured)),
        2 => any::<usize>().prop_map(Step::Refund),
        1 => (1_i64..80).prop_map(Step::Grant),
        1 => (0_i64..200).prop_map(Step::Allowance),
        1 => Just(Step::Repair),
        3 => (-40_i64..60).prop_map(Step::Pass),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_order_of_movements_overspends_and_the_ledger_adds_up_after_each(
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let connection = file();
        let tx = Tx::new(&connection);
        let (mut now, mut account, mut made) = (at("2026-04-06T09:00:00Z"), ACCOUNT, 0_usize);
        for step in steps {
            let before = balance(&tx, account, now).unwrap().remaining();
            match step {
                Step::Reserve(amount) => {
                    let boot = if made.is_multiple_of(2) { "this" } else { "earlier" }.to_owned();
                    let taking = Taking { account, boot, ..taking(&made.to_string()) };
                    let done = reserve(&tx, &taking, amount, now);
                    prop_assert_eq!(done.is_ok(), amount <= before, "{} of {}", amount, before);
                    made += 1;
                }
                Step::Settle(which, measured) => {
                    settle(&tx, &(which % (made + 1)).to_string(), measured, now).unwrap();
                }
                Step::Refund(which) => refund(&tx, &(which % (made + 1)).to_string(), now).unwrap(),
                Step::Grant(amount) => grant(&tx, account, amount, "root", now).unwrap(),
                Step::Allowance(to) => {
                    change_allowance(&tx, account, to, "root", now).unwrap();
                    account.allowance = to;
                }
                Step::Repair => drop(repair(&tx, "this", now).unwrap()),
                Step::Pass(days) => now = Timestamp::from_millis(now.millis() + days * DAY),
            }
            check(&tx);
        }
    }
}
