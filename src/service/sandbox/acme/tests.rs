use std::collections::HashSet;

use super::*;

/// The cells of a file, without its header.
fn rows(file: &str) -> Vec<Vec<String>> {
    let files = files();
    let (_, text) = files.iter().find(|(name, _)| *name == file).unwrap();
    text.lines().skip(1).map(|line| line.split(',').map(str::to_owned).collect()).collect()
}

fn number(cell: &str) -> u64 {
    cell.parse().unwrap()
}

/// The revenue of the quarter that starts on that day.
fn revenue(quarter: NaiveDate) -> u64 {
    let (first, end) = (quarter.to_string(), (quarter + Months::new(3)).to_string());
    rows("orders.csv").iter().filter(|row| first <= row[1] && row[1] < end).map(|row| number(&row[9])).sum()
}

#[test]
fn each_call_gives_the_same_bytes() {
    assert_eq!(files(), files());
}

#[test]
fn revenue_of_the_second_quarter_of_2026_is_the_documented_number() {
    assert_eq!(revenue(LAST_QUARTER), Q2_2026_REVENUE);
}

#[test]
fn business_grows_over_the_year_and_falls_after_the_season() {
    let quarters = TARGETS.map(|(quarter, _)| revenue(quarter));
    let [first, second, third, fourth, next, last] = quarters;
    assert!(first < second && second < fourth && third < fourth && next < fourth, "{quarters:?}");
    assert!(first < next && second < last && next < last, "{quarters:?}");
}

#[test]
fn an_amount_is_the_price_of_its_units_without_the_discount_and_never_negative() {
    for row in rows("orders.csv") {
        let [quantity, unit_price, discount, amount] = [6, 7, 8, 9].map(|column| number(&row[column]));
        assert_eq!(quantity * unit_price, discount + amount, "{row:?}");
        assert!(quantity > 0 && discount * 5 < quantity * unit_price, "{row:?}");
    }
}

#[test]
fn orders_come_by_date_from_customers_who_had_signed_up() {
    let customers = rows("customers.csv");
    let orders = rows("orders.csv");
    assert!(orders.is_sorted_by_key(|row| row[1].clone()));
    assert_eq!((orders[0][1].as_str(), orders[orders.len() - 1][1].as_str()), ("2025-01-01", "2026-06-30"));
    for order in orders {
        let customer = &customers[usize::try_from(number(&order[2])).unwrap() - 1_001];
        assert_eq!(customer[0], order[2]);
        assert!(customer[4] <= order[1], "{order:?} {customer:?}");
    }
}

#[test]
fn each_file_keeps_its_number_of_rows() {
    let counts = files().iter().map(|(name, text)| (*name, text.lines().count() - 1)).collect::<Vec<_>>();
    assert_eq!(counts, [("orders.csv", 8_254), ("customers.csv", 1_141), ("campaigns.csv", 90), ("targets.csv", 24)]);
}

#[test]
fn campaigns_won_the_customers_that_signed_up() {
    let (customers, campaigns) = (rows("customers.csv"), rows("campaigns.csv"));
    for (month, _) in months() {
        let (first, end) = (month.to_string(), (month + Months::new(1)).to_string());
        let signed_up = customers.iter().filter(|row| first <= row[4] && row[4] < end).count();
        let won = campaigns.iter().filter(|row| row[0] == first).map(|row| number(&row[7])).sum::<u64>();
        assert_eq!(signed_up as u64, won, "{month}");
    }
}

#[test]
fn no_step_of_a_funnel_is_wider_than_the_one_before() {
    for row in rows("campaigns.csv") {
        let funnel: Vec<u64> = row[3..].iter().map(|cell| number(cell)).collect();
        assert!(funnel.is_sorted_by(|wider, narrower| wider >= narrower), "{row:?}");
        assert!(number(&row[2]) > 0 && funnel[3] > 0, "{row:?}");
    }
}

#[test]
fn the_regions_share_a_quarters_target_among_them() {
    let targets = rows("targets.csv");
    for (quarter, total) in TARGETS {
        let of_quarter = targets.iter().filter(|row| row[0] == quarter.to_string());
        assert_eq!(of_quarter.map(|row| number(&row[2])).sum::<u64>(), total);
    }
}

#[test]
fn customers_have_names_of_their_own() {
    let customers = rows("customers.csv");
    let names: HashSet<&str> = customers.iter().map(|row| row[1].as_str()).collect();
    assert_eq!(names.len(), customers.len());
}

#[test]
fn no_cell_needs_quotes() {
    for (name, text) in files() {
        let commas = |line: &str| line.matches(',').count();
        let header = commas(text.lines().next().unwrap());
        assert!(text.lines().all(|line| commas(line) == header), "{name}");
        assert!(text.ends_with('\n') && !text.contains(['"', '\r']), "{name}");
    }
}
