//! Lines: one for each series, interrupted at nulls.

use super::super::scene::{Point, Role, Scene, Shape, Stroke};
use super::axis::Across;
use super::data::{self, Data, Mark};
use super::ticks::Ticks;
use super::{Chart, Frame};

/// Above this many points in a series, points have no marker of their own.
const MARKERS: usize = 40;

/// Draws the lines and their markers.
pub(super) fn draw(
    scene: &mut Scene,
    frame: Frame,
    data: &Data<'_>,
    across: &Across,
    values: &Ticks,
    chart: &Chart<'_>,
) {
    let size = chart.text_size;
    for (index, marks) in data.series.iter().enumerate() {
        let role = Role::Series(index);
        let place = |mark: &Mark<'_>| {
            let y = frame.y(values.fraction(mark.y?));
            Some(Point::new(frame.left + across.fraction(mark.x) * frame.width, y))
        };
        for run in marks.split(|mark| mark.y.is_none()) {
            let points: Vec<Point> = run.iter().filter_map(place).collect();
            if points.len() > 1 {
                let stroke = Stroke { role, width: size / 6.5 };
                scene.shapes.push(Shape::Polyline { points: thin(points, frame.width), stroke });
            }
            // A value between two nulls has no line; without a marker nobody would see it.
            if run.len() == 1 || marks.len() <= MARKERS {
                let name = chart.series.get(index).map_or("", |series| series.name.as_str());
                for mark in run {
                    let (Some(center), Some(value)) = (place(mark), mark.y) else { continue };
                    let hint = format!("{} · {name}: {}", data::label(mark.cell), chart.format.apply(value));
                    scene.shapes.push(Shape::Circle { center, radius: size * 0.2, fill: role, hint });
                }
            }
        }
    }
}

/// At most four points for each unit of width: the first, the lowest, the highest and the last, which draw the same
/// line as all of them.
fn thin(points: Vec<Point>, width: f64) -> Vec<Point> {
    #[expect(clippy::cast_precision_loss, reason = "points are far fewer than 2^53")]
    if points.len() as f64 <= width * 4.0 {
        return points;
    }
    let mut kept = Vec::new();
    for column in points.chunk_by(|a, b| a.x.floor() == b.x.floor()) {
        let (mut lowest, mut highest) = (0, 0);
        for (index, point) in column.iter().enumerate() {
            if point.y < column[lowest].y {
                lowest = index;
            }
            if point.y > column[highest].y {
                highest = index;
            }
        }
        let mut chosen = [0, lowest, highest, column.len() - 1];
        chosen.sort_unstable();
        let mut last = None;
        for index in chosen {
            if last != Some(index) {
                kept.push(column[index]);
            }
            last = Some(index);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_keep_their_extremes_and_lose_the_rest() {
        let points: Vec<Point> = (0..10_000)
            .map(|i| Point::new(f64::from(i) / 100.0, if i == 5_055 { 900.0 } else { f64::from(i % 7) }))
            .collect();
        let kept = thin(points.clone(), 100.0);
        assert!(kept.len() <= 400, "{}", kept.len());
        assert!(kept.iter().any(|point| point.y == 900.0));
        assert_eq!((kept.first(), kept.last()), (points.first(), points.last()));
    }
}
