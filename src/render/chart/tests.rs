use super::super::scene::Shape;
use super::*;
use crate::domain::result::Cell;

fn series(name: &str, points: &[(Cell, Cell)]) -> Series {
    Series { name: name.to_owned(), points: points.to_vec() }
}

fn text(text: &str) -> Cell {
    Cell::Text(text.to_owned())
}

fn draw(kind: WidgetKind, x: ColumnType, series: &[Series]) -> String {
    svg(kind, "Title", x, series, &Format::default(), 640.0, 320.0)
}

const KINDS: [WidgetKind; 2] = [WidgetKind::LineChart, WidgetKind::BarChart];

#[test]
fn nothing_to_show_says_no_data() {
    for kind in KINDS {
        assert!(draw(kind, ColumnType::Date, &[]).contains(">No data</text>"));
        let nulls = [series("a", &[(text("2013-01-01"), Cell::Null)])];
        assert!(draw(kind, ColumnType::Date, &nulls).contains(">No data</text>"));
    }
}

#[test]
fn odd_data_never_give_coordinates_that_are_no_numbers() {
    let huge = [Cell::Double(f64::MAX), Cell::Double(f64::MIN), Cell::Double(5e-324), Cell::Integer(0)];
    let sets: Vec<Vec<(Cell, Cell)>> = vec![
        vec![(Cell::Integer(1), Cell::Integer(5))],
        (0..5).map(|i| (Cell::Integer(i), Cell::Double(7.25))).collect(),
        huge.iter().map(|cell| (cell.clone(), cell.clone())).collect(),
        vec![(Cell::Null, Cell::Integer(3)), (Cell::Integer(1), Cell::Null)],
        vec![(Cell::Double(1e300), Cell::Double(1e-300)), (Cell::Double(-1e300), Cell::Double(1e-299))],
        (0..3000).map(|i| (Cell::Integer(i), Cell::Integer(i * i))).collect(),
        vec![(text("2013-01-01"), Cell::Integer(1)), (text("not a date"), Cell::Integer(2))],
        vec![(text("9999-12-31"), Cell::Integer(1)), (text("0001-01-01"), Cell::Integer(2))],
    ];
    for points in &sets {
        for kind in KINDS {
            for x in
                [ColumnType::Integer, ColumnType::Double, ColumnType::Date, ColumnType::Timestamp, ColumnType::Text]
            {
                for (width, height) in [(640.0, 320.0), (1.0, 1.0), (f64::NAN, -5.0)] {
                    let one = [series("a", points)];
                    let drawn = svg(kind, "t", x, &one, &Format::default(), width, height);
                    assert!(!drawn.contains("NaN") && !drawn.contains("inf"), "{kind:?} {x:?} {points:?}");
                    let scene = scene(&Chart {
                        kind,
                        x,
                        series: &one,
                        format: &Format::default(),
                        width,
                        height,
                        text_size: 12.0,
                    });
                    for shape in &scene.shapes {
                        if let Shape::Rect { at, width, height, .. } = shape {
                            assert!(
                                at.x.is_finite() && at.y.is_finite() && *width >= 0.0 && *height >= 0.0,
                                "{shape:?}"
                            );
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn hostile_names_stay_text_and_no_style_is_inlined() {
    let evil = "</text><script>alert(1)</script>\" style=\"x";
    for kind in KINDS {
        let drawn = svg(
            kind,
            evil,
            ColumnType::Text,
            &[series(evil, &[(text(evil), Cell::Integer(1))]), series("b", &[(text(evil), Cell::Integer(2))])],
            &Format { unit: Some("<b>".into()), ..Format::default() },
            640.0,
            320.0,
        );
        assert!(
            !drawn.contains("<script")
                && !drawn.contains("<style")
                && !drawn.contains("style=\"")
                && !drawn.contains("<b>")
        );
        assert!(drawn.contains("role=\"img\"") && drawn.contains("<title>&lt;/text&gt;"));
    }
}

#[test]
fn a_null_interrupts_the_line() {
    let day = |d: u32, value: Cell| (text(&format!("2013-01-{d:02}")), value);
    let points = [
        day(1, Cell::Integer(1)),
        day(2, Cell::Integer(2)),
        day(3, Cell::Null),
        day(4, Cell::Integer(2)),
        day(5, Cell::Integer(3)),
    ];
    let drawn = draw(WidgetKind::LineChart, ColumnType::Date, &[series("a", &points)]);
    assert_eq!(drawn.matches("<polyline").count(), 2);
}

#[test]
fn points_are_joined_in_the_order_of_x_not_of_rows() {
    let shuffled = [3, 1, 2].map(|i| (Cell::Integer(i), Cell::Integer(i * 10)));
    let sorted = [1, 2, 3].map(|i| (Cell::Integer(i), Cell::Integer(i * 10)));
    let draw = |points: &[(Cell, Cell)]| draw(WidgetKind::LineChart, ColumnType::Integer, &[series("a", points)]);
    assert_eq!(draw(&shuffled), draw(&sorted));
}

#[test]
fn a_legend_stands_above_several_series_and_not_above_one() {
    let one = series("Revenue", &[(text("a"), Cell::Integer(1))]);
    let two = series("Cost", &[(text("a"), Cell::Integer(2))]);
    assert!(!draw(WidgetKind::BarChart, ColumnType::Text, std::slice::from_ref(&one)).contains(">Revenue</text>"));
    let drawn = draw(WidgetKind::BarChart, ColumnType::Text, &[one, two]);
    assert!(drawn.contains(">Revenue</text>") && drawn.contains(">Cost</text>") && drawn.contains("c-s2"));
}

#[test]
fn bars_grow_from_zero_and_grow_down_when_negative() {
    let points = [(text("a"), Cell::Integer(10)), (text("b"), Cell::Integer(-10))];
    let one = [series("s", &points)];
    let format = Format::default();
    let scene = scene(&Chart {
        kind: WidgetKind::BarChart,
        x: ColumnType::Text,
        series: &one,
        format: &format,
        width: 640.0,
        height: 320.0,
        text_size: 12.0,
    });
    let bars: Vec<(f64, f64)> = scene
        .shapes
        .iter()
        .filter_map(|shape| match shape {
            Shape::Rect { at, height, .. } => Some((at.y, *height)),
            _ => None,
        })
        .collect();
    assert_eq!(bars.len(), 2);
    assert!((bars[0].0 + bars[0].1 - bars[1].0).abs() < 1e-9, "they meet at zero: {bars:?}");
    assert!((bars[0].1 - bars[1].1).abs() < 1e-9);
}

#[test]
fn many_categories_keep_their_labels_inside_the_picture() {
    let points: Vec<(Cell, Cell)> =
        (0..60).map(|i| (text(&format!("Category number {i}")), Cell::Integer(i))).collect();
    let drawn = draw(WidgetKind::BarChart, ColumnType::Text, &[series("s", &points)]);
    assert!(drawn.contains("rotate(-45"));
    assert!(drawn.matches("<rect").count() == 60);
}
