//! What the sandbox's data answer, computed by another engine: SQLite over the same CSV files, missing values as null.
//!
//! Each constant names its query. Whole numbers are exact; the others are to be compared with a relative tolerance of
//! [`TOLERANCE`], because engines add in different orders.

/// How far, relatively, two engines may be apart.
pub const TOLERANCE: f64 = 1e-9;

/// Flights of `nyc_flights`.
pub mod flights {
    /// Flights.
    ///
    /// ```sql
    /// SELECT count(*) FROM flights
    /// ```
    pub const FLIGHTS: u64 = 336_776;
    /// Carriers that flew.
    ///
    /// ```sql
    /// SELECT count(DISTINCT carrier) FROM flights
    /// ```
    pub const CARRIERS: u64 = 16;
    /// Flights without a departure time.
    ///
    /// ```sql
    /// SELECT sum(dep_time IS NULL) FROM flights
    /// ```
    pub const NEVER_DEPARTED: u64 = 8_255;
    /// Minutes, over the flights that departed.
    ///
    /// ```sql
    /// SELECT avg(dep_delay) FROM flights
    /// ```
    pub const MEAN_DEPARTURE_DELAY: f64 = 12.639070257304708;
    /// Flights that arrived a quarter of an hour late at most, of those with an arrival delay.
    ///
    /// ```sql
    /// SELECT 1.0 * sum(arr_delay <= 15) / count(arr_delay) FROM flights
    /// ```
    pub const SHARE_ON_TIME: f64 = 0.7628503174011596;
    /// Minutes, on 2013-01-01: the first point of the line by day.
    ///
    /// ```sql
    /// SELECT avg(dep_delay) FROM flights WHERE month = 1 AND day = 1
    /// ```
    pub const MEAN_DEPARTURE_DELAY_ON_NEW_YEAR: f64 = 11.54892601431981;
    /// Minutes: the first bar of the carriers, "Frontier Airlines Inc.".
    ///
    /// ```sql
    /// SELECT avg(dep_delay) FROM flights WHERE carrier = 'F9'
    /// ```
    pub const MEAN_DEPARTURE_DELAY_OF_FRONTIER: f64 = 20.215542521994134;
    /// Minutes: the last bar of the carriers, "US Airways Inc.".
    ///
    /// ```sql
    /// SELECT avg(arr_delay) FROM flights WHERE carrier = 'US'
    /// ```
    pub const MEAN_ARRIVAL_DELAY_OF_US_AIRWAYS: f64 = 2.1295950784125863;
    /// Minutes, of flights scheduled from 19:00 to 19:59.
    ///
    /// ```sql
    /// SELECT avg(dep_delay) FROM flights WHERE origin = 'EWR' AND sched_dep_time BETWEEN 1900 AND 1959
    /// ```
    pub const MEAN_DEPARTURE_DELAY_FROM_NEWARK_AT_SEVEN_PM: f64 = 31.089074460681978;
    /// Minutes, in hours without rain at the airport.
    ///
    /// ```sql
    /// SELECT avg(dep_delay) FROM flights NATURAL JOIN (SELECT origin, time_hour FROM weather WHERE precip = 0)
    /// ```
    pub const MEAN_DEPARTURE_DELAY_WHEN_DRY: f64 = 11.374509246274194;
    /// The first row of the destinations, `CAE`.
    ///
    /// ```sql
    /// SELECT count(arr_delay) FROM flights WHERE dest = 'CAE'
    /// ```
    pub const ARRIVALS_AT_COLUMBIA: u64 = 106;
    /// Minutes, to one digit, in that row.
    ///
    /// ```sql
    /// SELECT round(avg(arr_delay), 1) FROM flights WHERE dest = 'CAE'
    /// ```
    pub const MEAN_ARRIVAL_DELAY_AT_COLUMBIA: f64 = 41.8;
}

/// Orders of `acme_sales`.
pub mod orders {
    /// Dollars, second quarter of 2026.
    ///
    /// ```sql
    /// SELECT sum(amount) FROM orders WHERE order_date BETWEEN '2026-04-01' AND '2026-06-30'
    /// ```
    pub const REVENUE: u64 = 680_420;
    /// Of that revenue over the second quarter of 2025.
    ///
    /// ```sql
    /// SELECT 1.0 * sum(amount) / (SELECT sum(amount) FROM orders WHERE order_date BETWEEN '2025-04-01' AND
    /// '2025-06-30') - 1 FROM orders WHERE order_date BETWEEN '2026-04-01' AND '2026-06-30'
    /// ```
    pub const GROWTH: f64 = 0.24222037626997972;
    /// Orders of that quarter.
    ///
    /// ```sql
    /// SELECT count(*) FROM orders WHERE order_date BETWEEN '2026-04-01' AND '2026-06-30'
    /// ```
    pub const ORDERS: u64 = 1_607;
    /// Dollars.
    ///
    /// ```sql
    /// SELECT 1.0 * sum(amount) / count(*) FROM orders WHERE order_date BETWEEN '2026-04-01' AND '2026-06-30'
    /// ```
    pub const AVERAGE_ORDER_VALUE: f64 = 423.41008089607965;
    /// Dollars: the first point of "Q2 2026".
    ///
    /// ```sql
    /// SELECT sum(amount) FROM orders WHERE order_date BETWEEN '2026-04-01' AND '2026-04-07'
    /// ```
    pub const REVENUE_OF_FIRST_WEEK: u64 = 46_324;
    /// Dollars: the last point of "Q2 2025".
    ///
    /// ```sql
    /// SELECT sum(amount) FROM orders WHERE order_date BETWEEN '2025-06-24' AND '2025-06-30'
    /// ```
    pub const REVENUE_OF_LAST_WEEK_A_YEAR_BEFORE: u64 = 40_694;
    /// Dollars, second quarter of 2026.
    ///
    /// ```sql
    /// SELECT sum(amount) FROM orders WHERE region = 'Europe' AND order_date BETWEEN '2026-04-01' AND '2026-06-30'
    /// ```
    pub const REVENUE_IN_EUROPE: u64 = 190_024;
    /// Dollars, first quarter of 2026.
    ///
    /// ```sql
    /// SELECT sum(amount) FROM orders WHERE region = 'Europe' AND order_date BETWEEN '2026-01-01' AND '2026-03-31'
    /// ```
    pub const REVENUE_IN_EUROPE_BEFORE: u64 = 164_209;
    /// Dollars: the first row of the products, "Workbench".
    ///
    /// ```sql
    /// SELECT sum(amount) FROM orders WHERE order_date BETWEEN '2026-04-01' AND '2026-06-30' GROUP BY product ORDER
    /// BY 1 DESC LIMIT 1
    /// ```
    pub const REVENUE_OF_TOP_PRODUCT: u64 = 89_498;
    /// Units in that row.
    ///
    /// ```sql
    /// SELECT sum(quantity) FROM orders WHERE product = 'Workbench' AND order_date BETWEEN '2026-04-01' AND
    /// '2026-06-30'
    /// ```
    pub const UNITS_OF_TOP_PRODUCT: u64 = 254;
    /// Per cent of its target, to one digit: the last row of the regions.
    ///
    /// ```sql
    /// SELECT round(100.0 * sum(amount) / (SELECT target FROM targets WHERE region = 'Europe' AND quarter =
    /// '2026-04-01'), 1) FROM orders WHERE region = 'Europe' AND order_date BETWEEN '2026-04-01' AND '2026-06-30'
    /// ```
    pub const EUROPE_REACHED: f64 = 61.3;
}

/// Campaigns of `acme_sales`.
pub mod campaigns {
    /// Dollars, second quarter of 2026.
    ///
    /// ```sql
    /// SELECT sum(spend) FROM campaigns WHERE month IN ('2026-04-01', '2026-05-01', '2026-06-01')
    /// ```
    pub const SPEND: u64 = 83_365;
    /// Of that quarter.
    ///
    /// ```sql
    /// SELECT sum(leads) FROM campaigns WHERE month IN ('2026-04-01', '2026-05-01', '2026-06-01')
    /// ```
    pub const LEADS: u64 = 3_602;
    /// Of that quarter: the second stage of the funnel.
    ///
    /// ```sql
    /// SELECT sum(opportunities) FROM campaigns WHERE month IN ('2026-04-01', '2026-05-01', '2026-06-01')
    /// ```
    pub const OPPORTUNITIES: u64 = 724;
    /// Of that quarter.
    ///
    /// ```sql
    /// SELECT count(*) FROM customers WHERE signed_up BETWEEN '2026-04-01' AND '2026-06-30'
    /// ```
    pub const NEW_CUSTOMERS: u64 = 173;
    /// Dollars.
    ///
    /// ```sql
    /// SELECT 1.0 * sum(spend) / sum(customers) FROM campaigns WHERE month IN ('2026-04-01', '2026-05-01',
    /// '2026-06-01')
    /// ```
    pub const COST_PER_CUSTOMER: f64 = 481.87861271676303;
    /// In June 2026: the last point of "Search".
    ///
    /// ```sql
    /// SELECT leads FROM campaigns WHERE channel = 'Search' AND month = '2026-06-01'
    /// ```
    pub const SEARCH_LEADS_IN_JUNE: u64 = 441;
    /// Dollars, to two digits: the first row of the channels.
    ///
    /// ```sql
    /// SELECT round(1.0 * sum(spend) / sum(customers), 2) FROM campaigns WHERE channel = 'Email' AND month IN
    /// ('2026-04-01', '2026-05-01', '2026-06-01')
    /// ```
    pub const COST_PER_CUSTOMER_BY_EMAIL: f64 = 197.04;
}
