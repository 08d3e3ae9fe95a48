//! The business data of "Acme sales", a source of the sandbox.
//!
//! **Generated**: no company, order or campaign in it exists. It is made to look like a business, so that a first query
//! has something to find: seasons, growth, regions that grow at their own pace, a few products that sell and many that
//! hardly do, discounts when a quarter ends. Whole numbers and a seeded generator alone make it, so each call on each
//! machine gives the same bytes. What is drawn from it is the business of [`super::showcase`].

mod chance;
mod company;

use std::fmt;

use chrono::{Datelike, Days, Months, NaiveDate};

use self::chance::Chance;
use self::company::{
    DAILY_ORDERS, EARLY_CUSTOMERS, FOUNDED, LAST_QUARTER, MEDIA, MONTHLY_GROWTH, MONTHS, PLACES, PRICE_RISE, PRODUCTS,
    REGIONS, Region, SALES_CHANNELS, SEASON, SEGMENTS, START, TARGETS, TRADES, WEEKDAYS,
};

/// The source's name.
pub const NAME: &str = "Acme sales";
/// The source's slug.
pub const SLUG: &str = "acme_sales";
/// What the source is, in a sentence.
pub const DESCRIPTION: &str = "Generated orders, customers, campaigns and targets of a company that does not exist.";
/// The sum of `amount` over the orders from April to June 2026, in dollars.
pub const Q2_2026_REVENUE: u64 = 680_420;

/// The files, by name, as CSV with a header. Each becomes a table.
pub fn files() -> Vec<(&'static str, String)> {
    let campaigns = campaigns();
    let customers = customers(&campaigns);
    let orders = orders(&customers);
    vec![
        (
            "orders.csv",
            csv(
                "order_id,order_date,customer_id,region,product,channel,quantity,unit_price,discount,amount",
                orders.iter(),
            ),
        ),
        ("customers.csv", csv("customer_id,name,segment,country,signed_up", customers.iter())),
        (
            "campaigns.csv",
            csv("month,channel,spend,impressions,clicks,leads,opportunities,customers", campaigns.iter()),
        ),
        ("targets.csv", csv("quarter,region,target", targets())),
    ]
}

struct Campaign {
    month: NaiveDate,
    channel: &'static str,
    spend: u64,
    /// Impressions, clicks, leads, opportunities, customers.
    funnel: [u64; 5],
}

impl fmt::Display for Campaign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [impressions, clicks, leads, opportunities, customers] = self.funnel;
        write!(f, "{},{},{},", self.month, self.channel, self.spend)?;
        write!(f, "{impressions},{clicks},{leads},{opportunities},{customers}")
    }
}

fn campaigns() -> Vec<Campaign> {
    let mut chance = Chance(0x00AD_5EED);
    let mut campaigns = Vec::new();
    for (month, level) in months() {
        for medium in &MEDIA {
            let spend = chance.about(medium.spend * level / 1_000);
            let mut funnel = [chance.about(spend * 1_000 / medium.mille); 5];
            for (step, rate) in medium.rates.iter().enumerate() {
                funnel[step + 1] = chance.share(funnel[step], *rate);
            }
            campaigns.push(Campaign { month, channel: medium.name, spend, funnel });
        }
    }
    campaigns
}

struct Customer {
    id: usize,
    region: &'static Region,
    segment: &'static (&'static str, u64, u64),
    country: &'static str,
    signed_up: NaiveDate,
}

impl fmt::Display for Customer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The factor has no divisor in common with the number of names, so that they repeat as late as possible.
        let name = self.id * 367 % (PLACES.len() * TRADES.len());
        let (place, trade) = (PLACES[name % PLACES.len()], TRADES[name / PLACES.len()]);
        write!(f, "{},{place} {trade},{},{},{}", self.id, self.segment.0, self.country, self.signed_up)
    }
}

/// Those from before the campaigns, then each month as many as its campaigns won; by the day they signed up.
fn customers(campaigns: &[Campaign]) -> Vec<Customer> {
    let mut chance = Chance(0x00C0_FFEE);
    let early = START.signed_duration_since(FOUNDED).num_days().unsigned_abs();
    let mut days: Vec<NaiveDate> = (0..EARLY_CUSTOMERS).map(|_| FOUNDED + Days::new(chance.below(early))).collect();
    for campaign in campaigns {
        let length = u64::from(campaign.month.num_days_in_month());
        days.extend((0..campaign.funnel[4]).map(|_| campaign.month + Days::new(chance.below(length))));
    }
    days.sort_unstable();
    let customer = |(position, signed_up): (usize, NaiveDate)| {
        let region = chance.weighted(&REGIONS, |region| region.weight);
        let segment = chance.weighted(&SEGMENTS, |segment| segment.1);
        let country = *chance.weighted(region.countries, |_| 1);
        Customer { id: 1_001 + position, region, segment, country, signed_up }
    };
    days.into_iter().enumerate().map(customer).collect()
}

struct Order {
    id: usize,
    date: NaiveDate,
    customer: usize,
    region: &'static str,
    product: &'static str,
    channel: &'static str,
    quantity: u64,
    unit_price: u64,
    discount: u64,
}

impl Order {
    fn list_price(&self) -> u64 {
        self.quantity * self.unit_price
    }

    fn amount(&self) -> u64 {
        self.list_price() - self.discount
    }
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{},{},{},{},{},", self.id, self.date, self.customer, self.region, self.product)?;
        write!(f, "{},{},{},", self.channel, self.quantity, self.unit_price)?;
        write!(f, "{},{}", self.discount, self.amount())
    }
}

/// By date.
fn orders(customers: &[Customer]) -> Vec<Order> {
    let mut chance = Chance(0x0005_A1E5);
    let of_region = |region: &Region| customers.iter().filter(|one| one.region.name == region.name).collect();
    let regions: Vec<(&Region, Vec<&Customer>)> = REGIONS.iter().map(|region| (region, of_region(region))).collect();
    let mut orders = Vec::new();
    for ((month, level), elapsed) in months().zip(0..) {
        for date in month.iter_days().take_while(|date| date.month() == month.month()) {
            let weekday = WEEKDAYS[date.weekday().num_days_from_monday() as usize];
            let expected = chance.about(DAILY_ORDERS * level * weekday / 1_000_000);
            for _ in 0..chance.share(expected, 100) {
                let (_, known) = chance.weighted(&regions, |(region, _)| region.weight + region.growth * elapsed);
                let known = &known[..known.partition_point(|one| one.signed_up <= date)];
                if let Some(customer) = chance.favourite(known) {
                    orders.push(order(10_001 + orders.len(), date, customer, &mut chance));
                }
            }
        }
    }
    settle(&mut orders);
    orders
}

fn order(id: usize, date: NaiveDate, customer: &Customer, chance: &mut Chance) -> Order {
    let &(product, price, _) = chance.weighted(&PRODUCTS, |product| product.2);
    let &(channel, _) = chance.weighted(&SALES_CHANNELS, |channel| channel.1);
    let unit_price = if date < PRICE_RISE { price } else { price * 104 / 100 };
    // Nobody buys dock ramps by the dozen.
    let most = if price < 400 { customer.segment.2 } else { customer.segment.2.div_ceil(4) };
    let quantity = 1 + chance.below(most);
    let ends_quarter = date.month().is_multiple_of(3) && date.day() > 17;
    let percent = match chance.below(100) {
        0..4 => 15,
        4..12 => 10,
        12..22 => 5,
        22..32 if ends_quarter => 10,
        _ => 0,
    };
    let discount = quantity * unit_price * percent / 100;
    let (customer, region) = (customer.id, customer.region.name);
    Order { id, date, customer, region, product, channel, quantity, unit_price, discount }
}

/// Brings the last quarter to [`Q2_2026_REVENUE`]: what it has beyond is given away as discounts of a tenth at most, the
/// latest orders first, as sales departments do.
fn settle(orders: &mut [Order]) {
    let revenue: u64 = orders.iter().filter(|order| order.date >= LAST_QUARTER).map(Order::amount).sum();
    let mut excess = revenue.saturating_sub(Q2_2026_REVENUE);
    for order in orders.iter_mut().rev().filter(|order| order.date >= LAST_QUARTER && order.discount == 0) {
        order.discount = excess.min(order.list_price() / 10);
        excess -= order.discount;
    }
}

fn targets() -> impl Iterator<Item = String> {
    TARGETS.into_iter().flat_map(|(quarter, total)| {
        REGIONS.iter().map(move |region| format!("{quarter},{},{}", region.name, total * region.target / 100))
    })
}

/// The first days of the months, and how good each is for business, in thousandths.
fn months() -> impl Iterator<Item = (NaiveDate, u64)> {
    (0..MONTHS).map(|elapsed| {
        let month = START + Months::new(elapsed);
        let growth = 1_000 + MONTHLY_GROWTH * u64::from(elapsed);
        (month, growth * SEASON[month.month0() as usize] / 1_000)
    })
}

/// None of the cells needs quotes.
fn csv(header: &str, rows: impl Iterator<Item = impl ToString>) -> String {
    let mut text = rows.fold(header.to_owned(), |text, row| text + "\n" + &row.to_string());
    text.push('\n');
    text
}

#[cfg(test)]
mod tests;
