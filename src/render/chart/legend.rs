//! The names of the series above the data, when there is more than one.

use crate::domain::result::Series;

use super::super::font;
use super::super::scene::{Anchor, Point, Role, Scene, Shape, Text, Weight};

/// More rows than this would leave no room for the data.
const ROWS: usize = 3;

/// Draws the legend and returns the height it took.
pub(super) fn draw(scene: &mut Scene, series: &[Series], size: f64) -> f64 {
    if series.len() < 2 {
        return 0.0;
    }
    let (swatch, gap, row_height) = (size * 0.75, size * 1.6, size * 1.7);
    let (mut x, mut row) = (0.0, 0);
    for (index, one) in series.iter().enumerate() {
        let clean = font::one_line(&one.name);
        let name = font::ellipsize(&clean, Weight::Regular, size, scene.width * 0.4);
        let advance = swatch + size * 0.5 + font::width(&name, Weight::Regular, size) + gap;
        // Room for "+ 12 more" is kept on the last row.
        let reserve = if row + 1 == ROWS { size * 6.0 } else { 0.0 };
        if x > 0.0 && x + advance - gap + reserve > scene.width {
            if row + 1 == ROWS {
                let rest = format!("+ {} more", series.len() - index);
                scene.text(label(rest, Point::new(x, baseline(row, row_height, size)), size, Role::Muted));
                break;
            }
            x = 0.0;
            row += 1;
        }
        let y = baseline(row, row_height, size);
        scene.shapes.push(Shape::Rect {
            at: Point::new(x, y - swatch),
            width: swatch,
            height: swatch,
            fill: Role::Series(index),
            hint: String::new(),
        });
        scene.text(label(name.into_owned(), Point::new(x + swatch + size * 0.5, y), size, Role::Text));
        x += advance;
    }
    #[expect(clippy::cast_precision_loss, reason = "at most three rows")]
    let rows = (row + 1) as f64;
    rows * row_height
}

fn baseline(row: usize, row_height: f64, size: f64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "at most three rows")]
    let row = row as f64;
    row * row_height + size * 1.1
}

fn label(content: String, at: Point, size: f64, role: Role) -> Text {
    Text { at, content, anchor: Anchor::Start, size, weight: Weight::Regular, role, rotation: 0.0 }
}
