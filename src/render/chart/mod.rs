//! Line and bar charts as scenes.
//!
//! Responsible for what a chart shows and where: scales, ticks, labels, legend, marks. How shapes become bytes is the
//! business of [`super::svg`] and [`super::pdf`]. The same data gives the same scene.

mod axis;
mod bar;
mod data;
mod legend;
mod line;
pub mod ticks;
pub mod time;

use crate::domain::result::{ColumnType, Series};
use crate::domain::widget::{Format, FormatStyle, WidgetKind};

use self::data::Data;
use self::ticks::Ticks;
use super::scene::{Anchor, Point, Role, Scene, Text, Weight};

/// The type size of charts for browsers, in CSS pixels.
const SCREEN_TEXT: f64 = 12.0;
/// Smaller charts than this, in type sizes, have no room for axes.
const LEAST: (f64, f64) = (14.0, 8.0);

/// What to draw.
#[derive(Debug, Clone, Copy)]
pub struct Chart<'a> {
    /// `LineChart` draws lines; any other kind draws bars.
    pub kind: WidgetKind,
    /// The type of x, which decides between a scale and categories. Bars always stand on categories.
    pub x: ColumnType,
    /// The series; nulls interrupt lines and leave gaps between bars.
    pub series: &'a [Series],
    /// How values are written.
    pub format: &'a Format,
    /// Of the whole.
    pub width: f64,
    /// Of the whole.
    pub height: f64,
    /// The type size; every distance follows it.
    pub text_size: f64,
}

/// The rectangle that the data are drawn in.
#[derive(Debug, Clone, Copy)]
struct Frame {
    left: f64,
    top: f64,
    width: f64,
    height: f64,
}

impl Frame {
    fn right(&self) -> f64 {
        self.left + self.width
    }

    fn bottom(&self) -> f64 {
        self.top + self.height
    }

    /// Where a fraction of the height lies, from the bottom.
    fn y(&self, fraction: f64) -> f64 {
        self.bottom() - fraction * self.height
    }
}

/// The chart as SVG, sized in CSS pixels, with `title` as its accessible name.
pub fn svg(
    kind: WidgetKind,
    title: &str,
    x: ColumnType,
    series: &[Series],
    format: &Format,
    width: f64,
    height: f64,
) -> String {
    super::svg::write(&scene(&Chart { kind, x, series, format, width, height, text_size: SCREEN_TEXT }), title)
}

/// The chart as a scene. Without any value it says "No data".
pub fn scene(chart: &Chart<'_>) -> Scene {
    let size = chart.text_size.max(1.0);
    let extent = |wanted: f64, least: f64| if wanted.is_finite() { wanted.max(least * size) } else { least * size };
    let mut scene = Scene::new(extent(chart.width, LEAST.0), extent(chart.height, LEAST.1));

    let lines = chart.kind == WidgetKind::LineChart;
    let data = if lines { Data::for_lines(chart.x, chart.series) } else { Data::for_bars(chart.x, chart.series) };
    let Some((low, high)) = data.range() else {
        scene.text(Text {
            at: Point::new(scene.width / 2.0, scene.height / 2.0),
            content: "No data".to_owned(),
            anchor: Anchor::Middle,
            size: size * 1.1,
            weight: Weight::Regular,
            role: Role::Muted,
            rotation: 0.0,
        });
        return scene;
    };

    let legend_height = legend::draw(&mut scene, chart.series, size);
    let top = legend_height + size * 1.2;
    let room = scene.height - top - size * 2.4;
    let values = value_ticks(&data, low, high, room / (size * 3.0), chart);
    let labels = values.labels(chart.format);
    let left = axis::label_width(&labels, size) + size * 0.9;
    // Markers of lines need a little room beyond the last point.
    let margin = if lines { size * 0.4 } else { 0.0 };
    let width = (scene.width - left - margin).max(size);
    let shown = if lines { usize::MAX } else { bar::shown(&data, width) };
    let across = axis::Across::fit(&data, shown, left, width, size);
    let height = (scene.height - top - across.height()).max(size);
    let frame = Frame { left, top, width, height };

    axis::draw_values(&mut scene, frame, &values, &labels, size);
    if lines {
        line::draw(&mut scene, frame, &data, &across, &values, chart);
    } else {
        bar::draw(&mut scene, frame, &data, &values, chart);
    }
    across.draw(&mut scene, frame, &values);
    scene
}

/// The scale of the values: from zero for bars, and for lines unless that would flatten them.
fn value_ticks(data: &Data<'_>, low: f64, high: f64, wanted: f64, chart: &Chart<'_>) -> Ticks {
    let lines = chart.kind == WidgetKind::LineChart;
    let (mut low, mut high) = (low, high);
    if !lines || (low > 0.0 && low < high * 0.5) || low == high {
        low = low.min(0.0);
        high = high.max(0.0);
    } else if high < 0.0 && high > low * 0.5 {
        high = 0.0;
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to a small range")]
    let wanted = wanted.clamp(2.0, 8.0) as usize;
    if data.is_whole() && chart.format.style != FormatStyle::Percent {
        Ticks::cover_whole(low, high, wanted)
    } else {
        Ticks::cover(low, high, wanted)
    }
}

#[cfg(test)]
mod tests;
