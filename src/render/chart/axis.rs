//! The two axes: lines behind the data with the values at their left, and what stands below.

use super::super::font;
use super::super::scene::{Anchor, Point, Role, Scene, Stroke, Text, Weight};
use super::Frame;
use super::data::{Data, Domain};
use super::ticks::Ticks;
use super::time;
use crate::domain::widget::Format;

/// The room for labels of the values.
pub(super) fn label_width(labels: &[String], size: f64) -> f64 {
    labels.iter().map(|label| font::width(label, Weight::Regular, size)).fold(0.0, f64::max)
}

/// Draws a line at each tick, and its label.
pub(super) fn draw_values(scene: &mut Scene, frame: Frame, ticks: &Ticks, labels: &[String], size: f64) {
    for (value, label) in ticks.values.iter().zip(labels) {
        let y = frame.y(ticks.fraction(*value));
        let stroke = Stroke { role: Role::Grid, width: size / 14.0 };
        scene.line(Point::new(frame.left, y), Point::new(frame.right(), y), stroke);
        scene.text(Text {
            at: Point::new(frame.left - size * 0.6, y + size * 0.35),
            content: label.clone(),
            anchor: Anchor::End,
            size,
            weight: Weight::Regular,
            role: Role::Muted,
            rotation: 0.0,
        });
    }
}

/// What stands below the data, and where x lies.
#[derive(Debug)]
pub(super) struct Across {
    /// Where they stand, as fractions of the width, and what they say.
    labels: Vec<(f64, String)>,
    /// Written upwards to their position, when they are too long to stand beside one another.
    slanted: bool,
    scale: Scale,
    size: f64,
    height: f64,
}

#[derive(Debug)]
enum Scale {
    Bands(f64),
    Linear { low: f64, high: f64 },
}

impl Scale {
    fn fraction(&self, x: f64) -> f64 {
        match *self {
            Self::Bands(count) => (x + 0.5) / count,
            // Halves, because the whole may be more than a double holds.
            Self::Linear { low, high } => ((x / 2.0 - low / 2.0) / (high / 2.0 - low / 2.0)).clamp(0.0, 1.0),
        }
    }
}

impl Across {
    /// Chooses scale and labels for the room there is. Of categories, the first `shown` are drawn.
    pub(super) fn fit(data: &Data<'_>, shown: usize, left: f64, width: f64, size: f64) -> Self {
        match &data.domain {
            Domain::Categories { labels, ordered } => {
                Self::bands(&labels[..shown.min(labels.len())], *ordered, left, width, size)
            }
            Domain::Numbers { low, high, whole } => Self::numbers(*low, *high, *whole, width, size),
            Domain::Times { low, high, finest } => {
                let scale = Scale::Linear { low: *low, high: *high };
                let ticks = time::ticks(*low, *high, width / (size * 5.5), *finest);
                let labels = ticks.into_iter().map(|tick| (scale.fraction(tick.at), tick.label)).collect();
                Self { labels, slanted: false, scale, size, height: size * 2.2 }
            }
        }
    }

    fn numbers(low: f64, high: f64, whole: bool, width: f64, size: f64) -> Self {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to a small range")]
        let wanted = (width / (size * 6.5)).clamp(2.0, 10.0) as usize;
        let ticks = if whole { Ticks::cover_whole(low, high, wanted) } else { Ticks::cover(low, high, wanted) };
        // The ends stay where the data end, unless they are a single point: years need no empty margins.
        let (low, high) = if low < high { (low, high) } else { (ticks.low(), ticks.high()) };
        let scale = Scale::Linear { low, high };
        // Years and small counts are written without a comma.
        let texts = if whole && high.abs().max(low.abs()) < 10_000.0 {
            ticks.values.iter().map(|value| format!("{value:.0}")).collect()
        } else {
            ticks.labels(&Format::default())
        };
        let inside = |value: &f64| *value >= low && *value <= high;
        let labels = ticks
            .values
            .iter()
            .zip(texts)
            .filter(|(value, _)| inside(value))
            .map(|(value, text)| (scale.fraction(*value), text))
            .collect();
        Self { labels, slanted: false, scale, size, height: size * 2.2 }
    }

    fn bands(texts: &[String], ordered: bool, left: f64, width: f64, size: f64) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "categories are far fewer than 2^53")]
        let count = texts.len().max(1) as f64;
        let scale = Scale::Bands(count);
        let band = width / count;
        let measure = |text: &str| font::width(text, Weight::Regular, size);
        let widest = texts.iter().map(|text| measure(text)).fold(0.0, f64::max);
        let every = |step: usize| texts.iter().enumerate().step_by(step.max(1));
        let at = |index: usize| {
            #[expect(clippy::cast_precision_loss, reason = "categories are far fewer than 2^53")]
            let index = index as f64;
            (index + 0.5) / count
        };
        // Side by side; ordered ones with gaps between them; cut a little when that is enough.
        if ordered || widest + size * 0.6 <= band || band >= size * 7.0 {
            let step = if ordered { stride((widest + size * 1.2) / band) } else { 1 };
            let room = if ordered { f64::INFINITY } else { band - size * 0.6 };
            let labels = every(step)
                .map(|(index, text)| (at(index), font::ellipsize(text, Weight::Regular, size, room).into_owned()))
                .collect();
            return Self { labels, slanted: false, scale, size, height: size * 2.2 };
        }
        let step = stride(size * 1.4 / band);
        let slope = std::f64::consts::FRAC_1_SQRT_2;
        let labels: Vec<(f64, String)> = every(step)
            .map(|(index, text)| {
                let room = ((left + at(index) * width) / slope - size).min(size * 9.0);
                (at(index), font::ellipsize(text, Weight::Regular, size, room).into_owned())
            })
            .collect();
        let longest = labels.iter().map(|(_, text)| measure(text)).fold(0.0, f64::max);
        Self { labels, slanted: true, scale, size, height: longest * slope + size * 1.6 }
    }

    /// The room that it takes below the data.
    pub(super) fn height(&self) -> f64 {
        self.height
    }

    /// Where an x lies, as a fraction of the width.
    pub(super) fn fraction(&self, x: f64) -> f64 {
        self.scale.fraction(x)
    }

    /// Draws the base line, at zero when zero is on the scale, and the labels.
    pub(super) fn draw(&self, scene: &mut Scene, frame: Frame, values: &Ticks) {
        let stroke = Stroke { role: Role::Axis, width: self.size / 12.0 };
        let base = frame.y(values.fraction(0.0));
        scene.line(Point::new(frame.left, base), Point::new(frame.right(), base), stroke);
        for (fraction, label) in &self.labels {
            let x = frame.left + fraction * frame.width;
            if let Scale::Linear { .. } = self.scale {
                let bottom = frame.bottom();
                scene.line(Point::new(x, bottom), Point::new(x, bottom + self.size * 0.35), stroke);
            }
            let half = font::width(label, Weight::Regular, self.size) / 2.0;
            let (at, anchor, rotation) = if self.slanted {
                (Point::new(x + self.size * 0.3, frame.bottom() + self.size), Anchor::End, -45.0)
            } else {
                // The outermost labels stay inside the picture.
                let x = x.min(scene.width - half).max(half);
                (Point::new(x, frame.bottom() + self.size * 1.5), Anchor::Middle, 0.0)
            };
            let role = Role::Muted;
            let (content, weight) = (label.clone(), Weight::Regular);
            scene.text(Text { at, content, anchor, size: self.size, weight, role, rotation });
        }
    }
}

/// How many bands a label spans.
fn stride(bands: f64) -> usize {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates, and 1 is least")]
    let step = bands.ceil().max(1.0) as usize;
    step
}
