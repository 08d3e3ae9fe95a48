//! What "Acme sales" is like: the figures that its generated rows follow.
//!
//! Shares are whole numbers, because floating point functions differ between machines.

use chrono::NaiveDate;

/// The first day of orders and campaigns.
pub(super) const START: NaiveDate = day(2025, 1, 1);
/// The first day of the last quarter.
pub(super) const LAST_QUARTER: NaiveDate = day(2026, 4, 1);
/// From then on each price is higher.
pub(super) const PRICE_RISE: NaiveDate = day(2026, 1, 1);
/// Months of orders and campaigns.
pub(super) const MONTHS: u32 = 18;
/// The first day on which a customer may have signed up.
pub(super) const FOUNDED: NaiveDate = day(2022, 3, 1);
/// Customers from before [`START`].
pub(super) const EARLY_CUSTOMERS: u64 = 300;
/// Thousandths of an order on an average day of the first month.
pub(super) const DAILY_ORDERS: u64 = 12_750;
/// What each month adds to the business of the first one, in thousandths.
pub(super) const MONTHLY_GROWTH: u64 = 23;
/// How good each month of the year is for business, in thousandths.
pub(super) const SEASON: [u64; 12] = [900, 930, 1_010, 970, 1_000, 1_030, 920, 890, 1_030, 1_050, 1_140, 1_110];
/// How good each weekday is, from Monday, in thousandths.
pub(super) const WEEKDAYS: [u64; 7] = [1_180, 1_220, 1_200, 1_130, 1_010, 660, 600];

/// A part of the world.
pub(super) struct Region {
    pub(super) name: &'static str,
    /// Its share of the orders, and what each month adds to it, in thousandths.
    pub(super) weight: u64,
    pub(super) growth: u64,
    /// Its share of a quarter's target, in hundredths.
    pub(super) target: u64,
    pub(super) countries: &'static [&'static str],
}

/// Where Acme sells.
pub(super) const REGIONS: [Region; 4] = [
    Region { name: "North America", weight: 450, growth: 1, target: 42, countries: &["United States", "Canada"] },
    Region {
        name: "Europe",
        weight: 310,
        growth: 3,
        target: 31,
        countries: &["Germany", "United Kingdom", "France", "Netherlands", "Poland", "Sweden"],
    },
    Region {
        name: "Asia Pacific",
        weight: 140,
        growth: 9,
        target: 19,
        countries: &["Japan", "Australia", "Singapore", "India"],
    },
    Region { name: "Latin America", weight: 100, growth: 0, target: 8, countries: &["Brazil", "Mexico", "Chile"] },
];

/// Name, price in dollars, weight.
pub(super) const PRODUCTS: [(&str, u64, u64); 19] = [
    ("Safety kit", 39, 150),
    ("Work gloves", 24, 130),
    ("Hand truck", 79, 112),
    ("Cargo straps", 29, 100),
    ("Storage rack", 189, 92),
    ("Label printer", 139, 78),
    ("Barcode scanner", 119, 74),
    ("Tool chest", 249, 66),
    ("Workbench", 349, 58),
    ("Rolling ladder", 269, 42),
    ("Pallet jack", 429, 37),
    ("Floor scale", 310, 27),
    ("Packing station", 890, 17),
    ("Portable generator", 680, 14),
    ("Anvil", 199, 12),
    ("Conveyor module", 1_450, 9),
    ("Shrink wrapper", 1_190, 7),
    ("Magnetic lift", 520, 5),
    ("Dock ramp", 2_300, 3),
];

/// Name, share of the customers in hundredths, the most units in an order.
pub(super) const SEGMENTS: [(&str, u64, u64); 3] =
    [("Small business", 58, 3), ("Mid-market", 31, 6), ("Enterprise", 11, 12)];

/// The first words of customers' names.
pub(super) const PLACES: [&str; 40] = [
    "Harbor", "Maple", "Summit", "Granite", "Prairie", "Lakeside", "Cedar", "North", "River", "Copper", "Juniper",
    "Highland", "Delta", "Orchard", "Silver", "Canyon", "Bayview", "Falcon", "Meadow", "Stone", "Willow", "Beacon",
    "Aurora", "Birch", "Crescent", "Foxglove", "Glacier", "Heron", "Ironwood", "Kestrel", "Linden", "Marlow",
    "Newhaven", "Oakfield", "Pine", "Quarry", "Redwood", "South", "Tide", "West",
];
/// Their second words.
pub(super) const TRADES: [&str; 30] = [
    "Haulage", "Hardware", "Supply", "Builders", "Foods", "Freight", "Lighting", "Garage", "Forge", "Markets",
    "Metals", "Motors", "Gardens", "Sports", "Boxes", "Paper", "Pharmacy", "Plastics", "Press", "Print", "Rentals",
    "Robotics", "Schools", "Shipyard", "Solar", "Textiles", "Timber", "Tools", "Transit", "Works",
];

/// Where orders come in, with weights.
pub(super) const SALES_CHANNELS: [(&str, u64); 4] =
    [("Online shop", 52), ("Field sales", 23), ("Partners", 17), ("Phone", 8)];

/// A channel of campaigns.
pub(super) struct Medium {
    pub(super) name: &'static str,
    /// Dollars in the first month, and for a thousand impressions.
    pub(super) spend: u64,
    pub(super) mille: u64,
    /// Of the step before, in hundred-thousandths: clicks, leads, opportunities, customers.
    pub(super) rates: [u64; 4],
}

/// Where Acme advertises.
pub(super) const MEDIA: [Medium; 5] = [
    Medium { name: "Search", spend: 7_000, mille: 26, rates: [3_100, 3_300, 18_500, 22_500] },
    Medium { name: "Social", spend: 4_400, mille: 8, rates: [950, 2_100, 12_500, 19_000] },
    Medium { name: "Email", spend: 1_300, mille: 5, rates: [2_600, 1_700, 20_500, 25_000] },
    Medium { name: "Events", spend: 4_200, mille: 110, rates: [6_200, 7_600, 21_500, 23_500] },
    Medium { name: "Partners", spend: 2_500, mille: 42, rates: [4_100, 5_200, 26_000, 28_500] },
];

/// First day of a quarter and what all regions together were to sell in it, in dollars.
pub(super) const TARGETS: [(NaiveDate, u64); 6] = [
    (day(2025, 1, 1), 475_000),
    (day(2025, 4, 1), 550_000),
    (day(2025, 7, 1), 550_000),
    (day(2025, 10, 1), 650_000),
    (day(2026, 1, 1), 625_000),
    (LAST_QUARTER, 1_000_000),
];

const fn day(year: i32, month: u32, day: u32) -> NaiveDate {
    match NaiveDate::from_ymd_opt(year, month, day) {
        Some(day) => day,
        None => panic!("this day is in no calendar"),
    }
}
