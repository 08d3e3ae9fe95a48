//! A picture as a list of shapes: what a chart is before it is written as SVG or drawn into a PDF.
//!
//! Coordinates are `f64` with the origin at the top left and y downwards, in the unit of the scene's size (CSS pixels
//! for SVG, points for PDF). Shapes carry colour roles, never colours: each writer has its own palette.

pub use super::font::Weight;

/// What a shape stands for; decides its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// A series, counted from zero; colours repeat after eight.
    Series(usize),
    /// The base line of an axis and its ticks.
    Axis,
    /// Lines behind the data.
    Grid,
    /// Text to read.
    Text,
    /// Text that explains.
    Muted,
}

/// A place in the scene.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// To the right.
    pub x: f64,
    /// Downwards.
    pub y: f64,
}

impl Point {
    /// The point at `x`, `y`.
    pub fn new(x: f64, y: f64) -> Self {
        Self { x, y }
    }
}

/// How a line is drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stroke {
    /// Its colour.
    pub role: Role,
    /// Its width.
    pub width: f64,
}

/// Which part of a text stands at its position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Anchor {
    /// The first character.
    #[default]
    Start,
    /// The middle.
    Middle,
    /// The last character.
    End,
}

/// One line of text.
#[derive(Debug, Clone, PartialEq)]
pub struct Text {
    /// On the base line.
    pub at: Point,
    /// What it says.
    pub content: String,
    /// Which part of it stands at `at`.
    pub anchor: Anchor,
    /// The type size.
    pub size: f64,
    /// How heavy it is.
    pub weight: Weight,
    /// Its colour.
    pub role: Role,
    /// Degrees, clockwise around `at`.
    pub rotation: f64,
}

/// A shape.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    /// A straight line.
    Line {
        /// One end.
        from: Point,
        /// The other.
        to: Point,
        /// How it is drawn.
        stroke: Stroke,
    },
    /// Connected straight lines.
    Polyline {
        /// Two or more.
        points: Vec<Point>,
        /// How they are drawn.
        stroke: Stroke,
    },
    /// A filled polygon, closed by itself.
    Polygon {
        /// Three or more.
        points: Vec<Point>,
        /// Its colour.
        fill: Role,
    },
    /// A filled rectangle.
    Rect {
        /// Its upper left corner.
        at: Point,
        /// Never negative.
        width: f64,
        /// Never negative.
        height: f64,
        /// Its colour.
        fill: Role,
        /// What a reader who points at it is told; empty for nothing.
        hint: String,
    },
    /// A filled circle.
    Circle {
        /// Its middle.
        center: Point,
        /// From the middle to the rim.
        radius: f64,
        /// Its colour.
        fill: Role,
        /// What a reader who points at it is told; empty for nothing.
        hint: String,
    },
    /// Text.
    Text(Text),
}

/// A picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Scene {
    /// Of the whole.
    pub width: f64,
    /// Of the whole.
    pub height: f64,
    /// From back to front.
    pub shapes: Vec<Shape>,
}

impl Scene {
    /// An empty scene.
    pub fn new(width: f64, height: f64) -> Self {
        Self { width, height, shapes: Vec::new() }
    }

    /// Adds a straight line.
    pub fn line(&mut self, from: Point, to: Point, stroke: Stroke) {
        self.shapes.push(Shape::Line { from, to, stroke });
    }

    /// Adds a text.
    pub fn text(&mut self, text: Text) {
        self.shapes.push(Shape::Text(text));
    }
}
