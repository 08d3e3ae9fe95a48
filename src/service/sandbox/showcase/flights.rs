//! "On-time performance": how late the flights were that left New York City in 2013.

use super::{Showcase, ShowcaseWidget};
use crate::domain::widget::WidgetKind::{self, BarChart, Kpi, LineChart, Table};

/// The source's slug.
const SLUG: &str = "nyc_flights";

pub(super) const SHOWCASE: Showcase = Showcase {
    name: "On-time performance",
    description: "All flights that left New York City's three airports in 2013, by carrier, hour, weather and \
                  destination. Published by the US Bureau of Transportation Statistics.",
    widgets: &[
        nyc(Kpi, "Flights", (0, 0, 3, 2), "SELECT count(*) AS flights FROM flights"),
        nyc(
            Kpi,
            "Mean departure delay",
            (3, 0, 3, 2),
            r"
SELECT avg(dep_delay) AS mean_departure_delay
FROM flights
WHERE dep_delay IS NOT NULL
",
        )
        .minutes(),
        nyc(
            Kpi,
            "Arrived on time",
            (6, 0, 3, 2),
            r"
-- On time is a quarter of an hour late at most.
SELECT avg(CASE WHEN arr_delay <= 15 THEN 1.0 ELSE 0.0 END) AS share_on_time
FROM flights
WHERE arr_delay IS NOT NULL
",
        )
        .percent(1),
        nyc(
            Kpi,
            "Never departed",
            (9, 0, 3, 2),
            r"
SELECT count(*) AS canceled
FROM flights
WHERE dep_time IS NULL
",
        ),
        nyc(
            LineChart,
            "Mean departure delay by day",
            (0, 2, 12, 4),
            r#"
SELECT make_date(year, month, day) AS date, avg(dep_delay) AS "Mean departure delay"
FROM flights
WHERE dep_delay IS NOT NULL
GROUP BY 1
ORDER BY 1
"#,
        )
        .minutes(),
        nyc(
            BarChart,
            "Mean delay by carrier",
            (0, 6, 6, 5),
            r#"
SELECT
  airlines.name AS carrier,
  avg(flights.dep_delay) AS "Departure",
  avg(flights.arr_delay) AS "Arrival"
FROM flights
JOIN airlines ON airlines.carrier = flights.carrier
GROUP BY airlines.name
ORDER BY 2 DESC, 1
"#,
        )
        .minutes(),
        nyc(
            LineChart,
            "Mean departure delay by scheduled hour",
            (6, 6, 6, 5),
            r#"
SELECT
  hour,
  avg(CASE WHEN origin = 'EWR' THEN dep_delay END) AS "Newark",
  avg(CASE WHEN origin = 'JFK' THEN dep_delay END) AS "Kennedy",
  avg(CASE WHEN origin = 'LGA' THEN dep_delay END) AS "LaGuardia"
FROM flights
WHERE dep_delay IS NOT NULL
GROUP BY hour
ORDER BY hour
"#,
        )
        .minutes(),
        nyc(
            BarChart,
            "Mean delay by rain at departure",
            (0, 11, 5, 5),
            r#"
-- The hour's rain in inches, which the stations give in hundredths.
SELECT
  CASE
    WHEN weather.precip < 0.005 THEN 'Dry'
    WHEN weather.precip < 0.055 THEN 'Light'
    WHEN weather.precip < 0.205 THEN 'Moderate'
    ELSE 'Heavy'
  END AS rain,
  avg(flights.dep_delay) AS "Departure",
  avg(flights.arr_delay) AS "Arrival"
FROM flights
JOIN weather ON weather.origin = flights.origin AND weather.time_hour = flights.time_hour
WHERE weather.precip IS NOT NULL
GROUP BY 1
ORDER BY min(weather.precip)
"#,
        )
        .minutes(),
        nyc(
            Table,
            "Destinations with the longest delays",
            (5, 11, 7, 5),
            r#"
SELECT
  flights.dest AS "Code",
  coalesce(airports.name, flights.dest) AS "Airport",
  count(*) AS "Arrivals",
  round(avg(flights.arr_delay), 1) AS "Mean arrival delay (min)",
  round(100.0 * avg(CASE WHEN flights.arr_delay <= 15 THEN 1.0 ELSE 0.0 END), 1) AS "On time (%)"
FROM flights
LEFT JOIN airports ON airports.faa = flights.dest
WHERE flights.arr_delay IS NOT NULL
GROUP BY flights.dest, airports.name
HAVING count(*) >= 100
ORDER BY avg(flights.arr_delay) DESC, 1
LIMIT 12
"#,
        ),
    ],
};

const fn nyc(
    kind: WidgetKind,
    title: &'static str,
    position: (u16, u16, u16, u16),
    sql: &'static str,
) -> ShowcaseWidget {
    ShowcaseWidget::new(kind, title, SLUG, position, sql)
}
