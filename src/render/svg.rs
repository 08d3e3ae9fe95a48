//! A scene as SVG for browsers.
//!
//! Colours come from the page's style sheet by class; there is neither a `style` attribute nor a `<style>` element, so
//! the picture may stand in a page whose policy forbids inline styles. The presentation attributes that are written
//! beside the classes are the light palette: any rule of a style sheet overrides them, and without one the picture is
//! still readable.
//!
//! | class | on |
//! |---|---|
//! | `c-chart` | the root; sets the font |
//! | `c-s1` … `c-s8` | shapes of a series |
//! | `c-axis`, `c-grid` | lines of an axis, lines behind the data |
//! | `c-text`, `c-muted` | text to read, text that explains |
//! | `c-stroke`, `c-fill` | beside each of them: whether the colour is the line's or the area's |
//! | `c-bold` | heavy text |
//!
//! Twelve colours and two rules are a theme: `.c-s1 { --c: … }`, `.c-stroke { stroke: var(--c) }`,
//! `.c-fill { fill: var(--c) }`.

use std::fmt::Write;

use super::font;
use super::palette;
use super::scene::{Anchor, Point, Role, Scene, Shape, Stroke, Text, Weight};

/// The scene as an `<svg>` element with `title` as its accessible name.
pub fn write(scene: &Scene, title: &str) -> String {
    let mut out = String::with_capacity(512 + scene.shapes.len() * 96);
    let (width, height) = (number(scene.width), number(scene.height));
    push(
        &mut out,
        format_args!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" class="c-chart" role="img" viewBox="0 0 {width} {height}" width="{width}" height="{height}" font-family="system-ui, sans-serif"><title>{}</title>"#,
            escape(title)
        ),
    );
    for shape in &scene.shapes {
        write_shape(&mut out, shape);
    }
    out.push_str("</svg>");
    out
}

fn write_shape(out: &mut String, shape: &Shape) {
    match shape {
        Shape::Line { from, to, stroke } => push(
            out,
            format_args!(
                r#"<line {} x1="{}" y1="{}" x2="{}" y2="{}"/>"#,
                stroked(*stroke),
                number(from.x),
                number(from.y),
                number(to.x),
                number(to.y)
            ),
        ),
        Shape::Polyline { points, stroke } => push(
            out,
            format_args!(
                r#"<polyline {} fill="none" stroke-linejoin="round" stroke-linecap="round" points="{}"/>"#,
                stroked(*stroke),
                coordinates(points)
            ),
        ),
        Shape::Polygon { points, fill } => {
            push(out, format_args!(r#"<polygon {} points="{}"/>"#, filled(*fill), coordinates(points)));
        }
        Shape::Rect { at, width, height, fill, hint } => push(
            out,
            format_args!(
                r#"<rect {} x="{}" y="{}" width="{}" height="{}"{}"#,
                filled(*fill),
                number(at.x),
                number(at.y),
                number(*width),
                number(*height),
                close("rect", hint)
            ),
        ),
        Shape::Circle { center, radius, fill, hint } => push(
            out,
            format_args!(
                r#"<circle {} cx="{}" cy="{}" r="{}"{}"#,
                filled(*fill),
                number(center.x),
                number(center.y),
                number(*radius),
                close("circle", hint)
            ),
        ),
        Shape::Text(text) => write_text(out, text),
    }
}

fn write_text(out: &mut String, text: &Text) {
    let (x, y) = (number(text.at.x), number(text.at.y));
    let bold = match text.weight {
        Weight::Regular => ("", ""),
        Weight::Bold => (" c-bold", r#" font-weight="600""#),
    };
    let anchor = match text.anchor {
        Anchor::Start => "",
        Anchor::Middle => r#" text-anchor="middle""#,
        Anchor::End => r#" text-anchor="end""#,
    };
    push(
        out,
        format_args!(
            r#"<text class="{} c-fill{}" fill="{}" x="{x}" y="{y}" font-size="{}"{}{anchor}"#,
            class(text.role),
            bold.0,
            hex(text.role),
            number(text.size),
            bold.1
        ),
    );
    if text.rotation != 0.0 {
        push(out, format_args!(r#" transform="rotate({} {x} {y})""#, number(text.rotation)));
    }
    push(out, format_args!(">{}</text>", escape(&text.content)));
}

/// The end of a start tag: at once, or around a hint.
fn close(tag: &str, hint: &str) -> String {
    if hint.is_empty() { "/>".to_owned() } else { format!("><title>{}</title></{tag}>", escape(hint)) }
}

fn stroked(stroke: Stroke) -> String {
    let (class, color) = (class(stroke.role), hex(stroke.role));
    format!(r#"class="{class} c-stroke" stroke="{color}" stroke-width="{}""#, number(stroke.width))
}

fn filled(role: Role) -> String {
    format!(r#"class="{} c-fill" fill="{}""#, class(role), hex(role))
}

fn class(role: Role) -> &'static str {
    const SERIES: [&str; 8] = ["c-s1", "c-s2", "c-s3", "c-s4", "c-s5", "c-s6", "c-s7", "c-s8"];
    match role {
        Role::Series(index) => SERIES[index % SERIES.len()],
        Role::Axis => "c-axis",
        Role::Grid => "c-grid",
        Role::Text => "c-text",
        Role::Muted => "c-muted",
    }
}

fn hex(role: Role) -> String {
    let (red, green, blue) = palette::color(role);
    format!("#{red:02x}{green:02x}{blue:02x}")
}

fn coordinates(points: &[Point]) -> String {
    let mut text = String::with_capacity(points.len() * 14);
    for (position, point) in points.iter().enumerate() {
        if position > 0 {
            text.push(' ');
        }
        push(&mut text, format_args!("{},{}", number(point.x), number(point.y)));
    }
    text
}

/// A coordinate with two decimals at most, and never `NaN`: a picture with one wrong point is better than none.
fn number(value: f64) -> String {
    if !value.is_finite() {
        return "0".to_owned();
    }
    let text = format!("{value:.2}");
    let short = text.trim_end_matches('0').trim_end_matches('.');
    if short == "-0" { "0".to_owned() } else { short.to_owned() }
}

/// Text as it may stand in an element or a quoted attribute, without characters that XML forbids.
pub fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in font::one_line(text).chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            '\u{fffe}' | '\u{ffff}' => safe.push('\u{fffd}'),
            _ => safe.push(character),
        }
    }
    safe
}

/// Formatting into a string cannot fail.
fn push(out: &mut String, arguments: std::fmt::Arguments<'_>) {
    let _infallible = out.write_fmt(arguments);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_always_numbers() {
        let written: Vec<String> = [1.0, 1.5, 2.0 / 3.0, -0.001, f64::NAN, f64::INFINITY].map(number).into();
        assert_eq!(written, ["1", "1.5", "0.67", "0", "0", "0"]);
    }

    #[test]
    fn text_cannot_leave_its_element() {
        assert_eq!(
            escape("</title><script a='1' b=\"2\">&\0"),
            "&lt;/title&gt;&lt;script a=&#39;1&#39; b=&quot;2&quot;&gt;&amp;"
        );
    }
}
