//! Bars: a group for each category, a bar in it for each series, from zero up or down.

use super::super::font;
use super::super::scene::{Anchor, Point, Role, Scene, Shape, Text, Weight};
use super::data::{self, Data, Domain};
use super::ticks::Ticks;
use super::{Chart, Frame};

/// The least width of a bar with its gap.
const LEAST: f64 = 2.0;
/// Above this many bars, none carries its value.
const VALUES: usize = 16;

/// How many categories are drawn: as many as keep their bars apart.
pub(super) fn shown(data: &Data<'_>, width: f64) -> usize {
    #[expect(clippy::cast_precision_loss, reason = "series are far fewer than 2^53")]
    let group = data.series.len().max(1) as f64 * LEAST;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates, and 1 is least")]
    let most = (width / group).max(1.0) as usize;
    count(data).min(most)
}

fn count(data: &Data<'_>) -> usize {
    match &data.domain {
        Domain::Categories { labels, .. } => labels.len(),
        Domain::Numbers { .. } | Domain::Times { .. } => 0,
    }
}

/// Draws the bars, and says so when some categories found no room.
pub(super) fn draw(scene: &mut Scene, frame: Frame, data: &Data<'_>, values: &Ticks, chart: &Chart<'_>) {
    let size = chart.text_size;
    let shown = shown(data, frame.width);
    #[expect(clippy::cast_precision_loss, reason = "categories and series are far fewer than 2^53")]
    let (categories, members) = (shown.max(1) as f64, data.series.len().max(1) as f64);
    let band = frame.width / categories;
    let bar = (band * 0.72 / members).min(size * 5.0);
    let gap = if bar > size * 0.6 { size * 0.12 } else { 0.0 };
    let base = frame.y(values.fraction(0.0));

    let captions = shown <= VALUES && have_captions(data, chart, band * 0.95);
    for (index, marks) in data.series.iter().enumerate() {
        #[expect(clippy::cast_precision_loss, reason = "series are far fewer than 2^53")]
        let offset = (index as f64 - members / 2.0) * bar;
        let name = chart.series.get(index).map_or("", |series| series.name.as_str());
        for mark in marks.iter().filter(|mark| mark.x < categories) {
            let Some(value) = mark.y else { continue };
            let tip = frame.y(values.fraction(value));
            let middle = frame.left + (mark.x + 0.5) * band;
            let written = chart.format.apply(value);
            if captions {
                let above = if value < 0.0 { tip + size * 1.1 } else { tip - size * 0.4 };
                scene.text(caption(written.clone(), Point::new(middle, above), Anchor::Middle, size * 0.9));
            }
            scene.shapes.push(Shape::Rect {
                at: Point::new(middle + offset + gap / 2.0, tip.min(base)),
                width: (bar - gap).max(0.1),
                height: (tip - base).abs(),
                fill: Role::Series(index),
                hint: format!("{} · {name}: {written}", data::label(mark.cell)),
            });
        }
    }
    if shown < count(data) {
        let note = format!("the first {shown} of {} categories", count(data));
        let at = Point::new(frame.right(), frame.top - size * 0.5);
        scene.text(caption(note, at, Anchor::End, size * 0.9));
    }
}

/// Whether each bar carries its value: those of a single series, when all of them have room.
fn have_captions(data: &Data<'_>, chart: &Chart<'_>, room: f64) -> bool {
    let [marks] = data.series.as_slice() else { return false };
    let fits = |value: f64| font::width(&chart.format.apply(value), Weight::Regular, chart.text_size * 0.9) <= room;
    marks.iter().filter_map(|mark| mark.y).all(fits)
}

fn caption(content: String, at: Point, anchor: Anchor, size: f64) -> Text {
    Text { at, content, anchor, size, weight: Weight::Regular, role: Role::Muted, rotation: 0.0 }
}
