//! Text and shapes in `f64`, put onto a page of krilla.
//!
//! The only place where coordinates become `f32` and characters become glyphs. Text without complex scripts is placed
//! by the same advances that it was measured with; the rest is shaped by krilla, run by run.

use std::collections::HashMap;

use krilla::geom::{Path, PathBuilder, Point as PdfPoint, Rect, Transform};
use krilla::num::NormalizedF32;
use krilla::paint::{Fill, LineCap, LineJoin, Stroke};
use krilla::surface::Surface;
use krilla::text::{Font, GlyphId, KrillaGlyph, TextDirection};

use super::super::font::{self, Face, Weight};
use super::super::palette::{self, Rgb};
use super::super::scene::{Anchor, Point, Scene, Shape};
use super::RenderError;
use super::direction;

/// The faces as krilla embeds them.
pub(super) struct Fonts {
    regular: Font,
    bold: Font,
}

impl Fonts {
    /// Reads both faces.
    pub(super) fn load() -> Result<Self, RenderError> {
        let load = |weight| Font::new(Face::bytes(weight).into(), 0).ok_or(RenderError::Font);
        Ok(Self { regular: load(Weight::Regular)?, bold: load(Weight::Bold)? })
    }

    fn of(&self, weight: Weight) -> Font {
        match weight {
            Weight::Regular => self.regular.clone(),
            Weight::Bold => self.bold.clone(),
        }
    }
}

/// How text looks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Type {
    pub(super) size: f64,
    pub(super) weight: Weight,
    pub(super) color: Rgb,
}

impl Type {
    pub(super) fn regular(size: f64, color: Rgb) -> Self {
        Self { size, weight: Weight::Regular, color }
    }

    pub(super) fn bold(size: f64, color: Rgb) -> Self {
        Self { size, weight: Weight::Bold, color }
    }
}

/// A page to draw on.
pub(super) struct Canvas<'a, 'b> {
    surface: &'a mut Surface<'b>,
    fonts: &'a Fonts,
    glyphs: Vec<KrillaGlyph>,
    fills: HashMap<Rgb, Fill>,
}

impl<'a, 'b> Canvas<'a, 'b> {
    pub(super) fn new(surface: &'a mut Surface<'b>, fonts: &'a Fonts) -> Self {
        Self { surface, fonts, glyphs: Vec::new(), fills: HashMap::new() }
    }

    /// One line of text, its base line at `y`.
    pub(super) fn text(&mut self, x: f64, y: f64, text: &str, style: Type) {
        self.anchored(x, y, text, Anchor::Start, style);
    }

    /// One line of text that ends at `x`.
    pub(super) fn text_to(&mut self, x: f64, y: f64, text: &str, style: Type) {
        self.anchored(x, y, text, Anchor::End, style);
    }

    /// One line of text at an anchor.
    pub(super) fn anchored(&mut self, x: f64, y: f64, text: &str, anchor: Anchor, style: Type) {
        let text = &*font::one_line(text);
        if text.is_empty() {
            return;
        }
        let share = match anchor {
            Anchor::Start => 0.0,
            Anchor::Middle => 0.5,
            Anchor::End => 1.0,
        };
        let start = if share == 0.0 { x } else { x - font::width(text, style.weight, style.size) * share };
        self.set_fill(style.color);
        if direction::is_simple(text) {
            self.simple(start, y, text, style);
            return;
        }
        let mut pen = start;
        for run in direction::runs(text) {
            if !run.right_to_left && direction::is_simple(run.text) {
                self.simple(pen, y, run.text, style);
            } else {
                let direction = if run.right_to_left { TextDirection::RightToLeft } else { TextDirection::LeftToRight };
                let at = PdfPoint::from_xy(short(pen), short(y));
                self.surface.draw_text(at, self.fonts.of(style.weight), short(style.size), run.text, false, direction);
            }
            pen += font::width(run.text, style.weight, style.size);
        }
    }

    fn simple(&mut self, x: f64, y: f64, text: &str, style: Type) {
        let face = Face::of(style.weight);
        self.glyphs.clear();
        for (at, character) in text.char_indices() {
            let glyph = face.glyph(character);
            let range = at..at + character.len_utf8();
            let id = GlyphId::new(u32::from(glyph.id));
            self.glyphs.push(KrillaGlyph::new(id, short(glyph.advance), 0.0, 0.0, 0.0, range, None));
        }
        let at = PdfPoint::from_xy(short(x), short(y));
        self.surface.draw_glyphs(at, &self.glyphs, self.fonts.of(style.weight), text, short(style.size), false);
    }

    /// Filled rectangles of one colour, each `(x, y, width, height)`.
    pub(super) fn rects(&mut self, rects: impl IntoIterator<Item = (f64, f64, f64, f64)>, color: Rgb) {
        let mut path = PathBuilder::new();
        for (x, y, width, height) in rects {
            if let Some(rect) = Rect::from_xywh(short(x), short(y), short(width), short(height)) {
                path.push_rect(rect);
            }
        }
        self.fill_path(path, color);
    }

    /// A filled rectangle.
    pub(super) fn rect(&mut self, x: f64, y: f64, width: f64, height: f64, color: Rgb) {
        self.rects([(x, y, width, height)], color);
    }

    /// A filled rectangle with round corners.
    pub(super) fn round_rect(&mut self, x: f64, y: f64, width: f64, height: f64, radius: f64, color: Rgb) {
        let radius = radius.min(width / 2.0).min(height / 2.0);
        if radius <= 0.0 {
            return;
        }
        let mut path = PathBuilder::new();
        let (right, bottom) = (x + width, y + height);
        // A quarter of a circle as a cubic curve.
        let bend = radius * 0.552_285;
        let point = |x: f64, y: f64| (short(x), short(y));
        let curve = |path: &mut PathBuilder, a: (f32, f32), b: (f32, f32), c: (f32, f32)| {
            path.cubic_to(a.0, a.1, b.0, b.1, c.0, c.1);
        };
        path.move_to(short(x + radius), short(y));
        path.line_to(short(right - radius), short(y));
        curve(&mut path, point(right - radius + bend, y), point(right, y + radius - bend), point(right, y + radius));
        path.line_to(short(right), short(bottom - radius));
        curve(
            &mut path,
            point(right, bottom - radius + bend),
            point(right - radius + bend, bottom),
            point(right - radius, bottom),
        );
        path.line_to(short(x + radius), short(bottom));
        curve(&mut path, point(x + radius - bend, bottom), point(x, bottom - radius + bend), point(x, bottom - radius));
        path.line_to(short(x), short(y + radius));
        curve(&mut path, point(x, y + radius - bend), point(x + radius - bend, y), point(x + radius, y));
        path.close();
        self.fill_path(path, color);
    }

    /// A horizontal line.
    pub(super) fn rule(&mut self, x: f64, y: f64, width: f64, thickness: f64, color: Rgb) {
        self.rect(x, y - thickness / 2.0, width, thickness, color);
    }

    /// A scene with its upper left corner at `x`, `y`.
    pub(super) fn scene(&mut self, x: f64, y: f64, scene: &Scene) {
        self.surface.push_transform(&Transform::from_translate(short(x), short(y)));
        for shape in &scene.shapes {
            self.shape(shape);
        }
        self.surface.pop();
    }

    fn shape(&mut self, shape: &Shape) {
        match shape {
            Shape::Line { from, to, stroke } => {
                self.stroke_points(&[*from, *to], stroke.width, palette::color(stroke.role));
            }
            Shape::Polyline { points, stroke } => {
                self.stroke_points(points, stroke.width, palette::color(stroke.role));
            }
            Shape::Polygon { points, fill } => {
                let mut path = connected(points);
                path.close();
                self.fill_path(path, palette::color(*fill));
            }
            Shape::Rect { at, width, height, fill, .. } => {
                self.rect(at.x, at.y, *width, *height, palette::color(*fill));
            }
            Shape::Circle { center, radius, fill, .. } => {
                let side = radius * 2.0;
                self.round_rect(center.x - radius, center.y - radius, side, side, *radius, palette::color(*fill));
            }
            Shape::Text(text) => {
                let style = Type { size: text.size, weight: text.weight, color: palette::color(text.role) };
                if text.rotation == 0.0 {
                    self.anchored(text.at.x, text.at.y, &text.content, text.anchor, style);
                    return;
                }
                let turn = Transform::from_rotate_at(short(text.rotation), short(text.at.x), short(text.at.y));
                self.surface.push_transform(&turn);
                self.anchored(text.at.x, text.at.y, &text.content, text.anchor, style);
                self.surface.pop();
            }
        }
    }

    fn stroke_points(&mut self, points: &[Point], width: f64, color: Rgb) {
        let Some(path) = connected(points).finish() else { return };
        self.surface.set_fill(None);
        self.surface.set_stroke(Some(Stroke {
            paint: paint(color),
            width: short(width),
            line_cap: LineCap::Butt,
            line_join: LineJoin::Round,
            ..Stroke::default()
        }));
        self.surface.draw_path(&path);
        self.surface.set_stroke(None);
    }

    fn fill_path(&mut self, path: PathBuilder, color: Rgb) {
        let Some(path): Option<Path> = path.finish() else { return };
        self.set_fill(color);
        self.surface.draw_path(&path);
    }

    fn set_fill(&mut self, color: Rgb) {
        let fill = self.fills.entry(color).or_insert_with(|| Fill {
            paint: paint(color),
            opacity: NormalizedF32::ONE,
            ..Fill::default()
        });
        self.surface.set_fill(Some(fill.clone()));
    }
}

fn paint((red, green, blue): Rgb) -> krilla::paint::Paint {
    krilla::color::rgb::Color::new(red, green, blue).into()
}

fn connected(points: &[Point]) -> PathBuilder {
    let mut path = PathBuilder::new();
    for (index, point) in points.iter().enumerate() {
        if index == 0 {
            path.move_to(short(point.x), short(point.y));
        } else {
            path.line_to(short(point.x), short(point.y));
        }
    }
    path
}

/// Page coordinates as krilla takes them.
pub(super) fn short(value: f64) -> f32 {
    #[expect(clippy::cast_possible_truncation, reason = "a page is small; a millionth of a point cannot be seen")]
    let short = value as f32;
    if short.is_finite() { short } else { 0.0 }
}
