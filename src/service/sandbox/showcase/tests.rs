use std::collections::HashSet;

use super::*;

/// With the name of its dashboard.
fn widgets() -> impl Iterator<Item = (&'static str, &'static ShowcaseWidget)> {
    SHOWCASES.iter().flat_map(|showcase| showcase.widgets.iter().map(|widget| (showcase.name, widget)))
}

#[test]
fn the_first_dashboard_opens_with_the_quarters_revenue_and_its_target() {
    let names: Vec<&str> = SHOWCASES.iter().map(|showcase| showcase.name).collect();
    assert_eq!(names, ["Q2 Revenue", "Marketing Funnel", "On-time performance"]);
    let revenue = &SHOWCASES[0].widgets[0];
    assert_eq!((revenue.kind, revenue.target), (WidgetKind::Kpi, Some(1_000_000.0)));
    assert_eq!((revenue.style, revenue.currency, revenue.decimals), (FormatStyle::Currency, Some("USD"), Some(0)));
    assert_eq!(SHOWCASES[0].widgets[1].kind, WidgetKind::LineChart);
}

#[test]
fn dashboards_over_generated_data_say_so() {
    for showcase in SHOWCASES {
        let generated = showcase.widgets.iter().any(|widget| widget.source == super::super::acme::SLUG);
        assert_eq!(showcase.description.contains("generated"), generated, "{}", showcase.name);
        assert!(!showcase.description.contains("  "), "{}", showcase.description);
    }
}

#[test]
fn widgets_fill_the_grid_without_overlap() {
    for showcase in SHOWCASES {
        let mut taken = HashSet::new();
        let mut rows = 0;
        for widget in showcase.widgets {
            let (x, y, width, height) = widget.position;
            assert!(width > 0 && height > 0 && x + width <= COLUMNS, "{}", widget.title);
            rows = rows.max(y + height);
            for cell in (x..x + width).flat_map(|x| (y..y + height).map(move |y| (x, y))) {
                assert!(taken.insert(cell), "{}: {cell:?}", widget.title);
            }
        }
        assert_eq!(taken.len(), usize::from(COLUMNS) * usize::from(rows), "{}", showcase.name);
    }
}

#[test]
fn every_dashboard_has_each_kind_of_widget_and_titles_of_their_own() {
    for showcase in SHOWCASES {
        let titles: HashSet<&str> = showcase.widgets.iter().map(|widget| widget.title).collect();
        assert_eq!(titles.len(), showcase.widgets.len(), "{}", showcase.name);
        for kind in WidgetKind::ALL {
            assert!(showcase.widgets.iter().any(|widget| widget.kind == kind), "{} {kind:?}", showcase.name);
        }
    }
}

#[test]
fn queries_of_many_rows_say_in_which_order() {
    for (dashboard, widget) in widgets() {
        let one_row = widget.kind == WidgetKind::Kpi;
        assert_eq!(!one_row, widget.sql.contains("\nORDER BY "), "{dashboard}: {}", widget.title);
        assert_eq!(widget.sql, widget.sql.trim(), "{dashboard}: {}", widget.title);
        assert!(widget.target.is_none() || one_row, "{dashboard}: {}", widget.title);
    }
}
