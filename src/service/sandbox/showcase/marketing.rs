//! "Marketing Funnel": what Acme's campaigns cost and what they brought.

use super::super::acme::SLUG;
use super::{Showcase, ShowcaseWidget};
use crate::domain::widget::WidgetKind::{self, BarChart, Kpi, LineChart, Table};

pub(super) const SHOWCASE: Showcase = Showcase {
    name: "Marketing Funnel",
    description: "Campaigns of April to June 2026, from the first impression to the new customer. The data are \
                  generated: Acme does not exist.",
    widgets: &[
        acme(
            Kpi,
            "Spend",
            (0, 0, 3, 2),
            r"
SELECT sum(spend) AS spend
FROM campaigns
WHERE month >= DATE '2026-04-01' AND month < DATE '2026-07-01'
",
        )
        .dollars(0),
        acme(
            Kpi,
            "Leads",
            (3, 0, 3, 2),
            r"
SELECT sum(leads) AS leads
FROM campaigns
WHERE month >= DATE '2026-04-01' AND month < DATE '2026-07-01'
",
        ),
        acme(
            Kpi,
            "New customers",
            (6, 0, 3, 2),
            r"
SELECT sum(customers) AS customers
FROM campaigns
WHERE month >= DATE '2026-04-01' AND month < DATE '2026-07-01'
",
        ),
        acme(
            Kpi,
            "Cost per customer",
            (9, 0, 3, 2),
            r"
SELECT CAST(sum(spend) AS DOUBLE) / sum(customers) AS cost_per_customer
FROM campaigns
WHERE month >= DATE '2026-04-01' AND month < DATE '2026-07-01'
",
        )
        .dollars(2),
        acme(
            BarChart,
            "From lead to customer",
            (0, 2, 5, 4),
            r#"
WITH total AS (
  SELECT
    month >= DATE '2026-04-01' AS latest,
    sum(leads) AS leads, sum(opportunities) AS opportunities, sum(customers) AS customers
  FROM campaigns
  WHERE month >= DATE '2026-01-01' AND month < DATE '2026-07-01'
  GROUP BY 1
),
stages AS (
  SELECT 1 AS step, 'Leads' AS stage, latest, leads AS people FROM total
  UNION ALL
  SELECT 2, 'Opportunities', latest, opportunities FROM total
  UNION ALL
  SELECT 3, 'Customers', latest, customers FROM total
)
SELECT
  stage,
  sum(CASE WHEN latest THEN 0 ELSE people END) AS "Q1 2026",
  sum(CASE WHEN latest THEN people ELSE 0 END) AS "Q2 2026"
FROM stages
GROUP BY step, stage
ORDER BY step
"#,
        ),
        acme(
            LineChart,
            "Leads by month",
            (5, 2, 7, 4),
            r#"
SELECT
  month,
  sum(CASE WHEN channel = 'Search' THEN leads ELSE 0 END) AS "Search",
  sum(CASE WHEN channel = 'Events' THEN leads ELSE 0 END) AS "Events",
  sum(CASE WHEN channel = 'Social' THEN leads ELSE 0 END) AS "Social",
  sum(CASE WHEN channel = 'Partners' THEN leads ELSE 0 END) AS "Partners",
  sum(CASE WHEN channel = 'Email' THEN leads ELSE 0 END) AS "Email"
FROM campaigns
GROUP BY month
ORDER BY month
"#,
        ),
        acme(
            LineChart,
            "Opportunities and customers by month",
            (0, 6, 5, 4),
            r#"
SELECT month, sum(opportunities) AS "Opportunities", sum(customers) AS "Customers"
FROM campaigns
GROUP BY month
ORDER BY month
"#,
        ),
        acme(
            Table,
            "Channels",
            (5, 6, 7, 4),
            r#"
SELECT
  channel AS "Channel",
  sum(spend) AS "Spend ($)",
  sum(clicks) AS "Clicks",
  sum(leads) AS "Leads",
  sum(customers) AS "Customers",
  round(100.0 * sum(clicks) / sum(impressions), 2) AS "Impression to click (%)",
  round(100.0 * sum(leads) / sum(clicks), 2) AS "Click to lead (%)",
  round(100.0 * sum(customers) / sum(leads), 2) AS "Lead to customer (%)",
  round(1.0 * sum(spend) / sum(customers), 2) AS "Cost per customer ($)"
FROM campaigns
WHERE month >= DATE '2026-04-01' AND month < DATE '2026-07-01'
GROUP BY channel
ORDER BY 9, 1
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
