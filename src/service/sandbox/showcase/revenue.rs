//! "Q2 Revenue": how the second quarter of 2026 went for Acme.

use super::super::acme::SLUG;
use super::{Showcase, ShowcaseWidget};
use crate::domain::widget::WidgetKind::{self, BarChart, Kpi, LineChart, Table};

pub(super) const SHOWCASE: Showcase = Showcase {
    name: "Q2 Revenue",
    description: "Orders of April to June 2026 against the quarter's targets and the quarters before. The data are \
                  generated: Acme does not exist.",
    widgets: &[
        acme(
            Kpi,
            "Revenue",
            (0, 0, 3, 2),
            r"
SELECT sum(amount) AS revenue
FROM orders
WHERE order_date >= DATE '2026-04-01' AND order_date < DATE '2026-07-01'
",
        )
        .dollars(0)
        .target(1_000_000.0),
        acme(
            LineChart,
            "Revenue by week of the quarter",
            (0, 2, 8, 4),
            r#"
-- A second quarter has exactly 13 weeks; last year's are drawn over this year's, 365 days later.
WITH days AS (
  SELECT order_date AS day, amount AS this_year, 0 AS last_year
  FROM orders
  WHERE order_date >= DATE '2026-04-01' AND order_date < DATE '2026-07-01'
  UNION ALL
  SELECT order_date + INTERVAL '365 days', 0, amount
  FROM orders
  WHERE order_date >= DATE '2025-04-01' AND order_date < DATE '2025-07-01'
)
SELECT
  CAST(date_bin(INTERVAL '7 days', day, TIMESTAMP '2026-04-01') AS DATE) AS week,
  sum(this_year) AS "Q2 2026",
  sum(last_year) AS "Q2 2025"
FROM days
GROUP BY 1
ORDER BY 1
"#,
        )
        .dollars(0),
        acme(
            BarChart,
            "Revenue by region",
            (8, 2, 4, 4),
            r#"
SELECT
  region,
  sum(CASE WHEN order_date < DATE '2026-04-01' THEN amount ELSE 0 END) AS "Q1 2026",
  sum(CASE WHEN order_date >= DATE '2026-04-01' THEN amount ELSE 0 END) AS "Q2 2026"
FROM orders
WHERE order_date >= DATE '2026-01-01' AND order_date < DATE '2026-07-01'
GROUP BY region
ORDER BY 3 DESC, region
"#,
        )
        .dollars(0),
        acme(
            Kpi,
            "Growth over Q2 2025",
            (3, 0, 3, 2),
            r"
SELECT
  CAST(sum(CASE WHEN order_date >= DATE '2026-04-01' THEN amount ELSE 0 END) AS DOUBLE)
    / sum(CASE WHEN order_date < DATE '2025-07-01' THEN amount ELSE 0 END) - 1 AS growth
FROM orders
WHERE order_date >= DATE '2025-04-01' AND order_date < DATE '2026-07-01'
",
        )
        .percent(1),
        acme(
            Kpi,
            "Orders",
            (6, 0, 3, 2),
            r"
SELECT count(*) AS orders
FROM orders
WHERE order_date >= DATE '2026-04-01' AND order_date < DATE '2026-07-01'
",
        ),
        acme(
            Kpi,
            "Average order value",
            (9, 0, 3, 2),
            r"
SELECT avg(amount) AS average_order_value
FROM orders
WHERE order_date >= DATE '2026-04-01' AND order_date < DATE '2026-07-01'
",
        )
        .dollars(2),
        acme(
            Table,
            "Top products",
            (0, 6, 7, 5),
            r#"
SELECT
  product AS "Product",
  count(*) AS "Orders",
  sum(quantity) AS "Units",
  sum(amount) AS "Revenue ($)",
  round(100.0 * sum(discount) / sum(quantity * unit_price), 1) AS "Discount (%)"
FROM orders
WHERE order_date >= DATE '2026-04-01' AND order_date < DATE '2026-07-01'
GROUP BY product
ORDER BY 4 DESC, 1
LIMIT 10
"#,
        ),
        acme(
            Table,
            "Regions against their targets",
            (7, 6, 5, 5),
            r#"
WITH sold AS (
  SELECT region, sum(amount) AS revenue
  FROM orders
  WHERE order_date >= DATE '2026-04-01' AND order_date < DATE '2026-07-01'
  GROUP BY region
)
SELECT
  targets.region AS "Region",
  targets.target AS "Target ($)",
  sold.revenue AS "Revenue ($)",
  round(100.0 * sold.revenue / targets.target, 1) AS "Reached (%)"
FROM targets
JOIN sold ON sold.region = targets.region
WHERE targets.quarter = DATE '2026-04-01'
ORDER BY 4 DESC, 1
"#,
        ),
    ],
};

const fn acme(
    kind: WidgetKind,
    title: &'static str,
    position: (u16, u16, u16, u16),
    sql: &'static str,
) -> ShowcaseWidget {
    ShowcaseWidget::new(kind, title, SLUG, position, sql)
}
