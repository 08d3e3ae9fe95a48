//! The measures of DejaVu Sans, the one family that reports are set in and that charts are measured with.
//!
//! Measuring adds advances without kerning or ligatures, and the PDF places simple text by the same advances, so what
//! fits here fits there. Browsers set charts in their own font, which is narrower than DejaVu nearly everywhere.

use std::borrow::Cow;
use std::sync::LazyLock;

/// How heavy text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Weight {
    /// Running text.
    #[default]
    Regular,
    /// Headings and figures.
    Bold,
}

/// A glyph and how far it moves the pen.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Glyph {
    /// Its number in the font file.
    pub(crate) id: u16,
    /// In parts of the type size.
    pub(crate) advance: f64,
}

/// The advance of a character when the font cannot tell.
const FALLBACK: Glyph = Glyph { id: 0, advance: 0.6 };
/// Stands for what the font lacks: the font has it, so that a reader sees it and the copied text is the original's.
const REPLACEMENT: char = '\u{fffd}';
/// Characters below this are looked up in a table; that covers Latin, Greek and Cyrillic.
const TABLE: u32 = 0x530;

/// One face of the family.
pub(crate) struct Face {
    parsed: Option<ttf_parser::Face<'static>>,
    table: Vec<Glyph>,
}

impl Face {
    /// The face of that weight.
    pub(crate) fn of(weight: Weight) -> &'static Self {
        static REGULAR: LazyLock<Face> = LazyLock::new(|| Face::parse(dejavu::sans::regular()));
        static BOLD: LazyLock<Face> = LazyLock::new(|| Face::parse(dejavu::sans::bold()));
        match weight {
            Weight::Regular => &REGULAR,
            Weight::Bold => &BOLD,
        }
    }

    /// The font file of that weight.
    pub(crate) fn bytes(weight: Weight) -> &'static [u8] {
        match weight {
            Weight::Regular => dejavu::sans::regular(),
            Weight::Bold => dejavu::sans::bold(),
        }
    }

    fn parse(bytes: &'static [u8]) -> Self {
        let parsed = ttf_parser::Face::parse(bytes, 0).ok();
        let table =
            (0..TABLE).map(|code| char::from_u32(code).map_or(FALLBACK, |c| look_up(parsed.as_ref(), c))).collect();
        Self { parsed, table }
    }

    /// The glyph of a character.
    pub(crate) fn glyph(&self, character: char) -> Glyph {
        let index = usize::try_from(u32::from(character)).unwrap_or(usize::MAX);
        self.table.get(index).copied().unwrap_or_else(|| look_up(self.parsed.as_ref(), character))
    }

    /// The width of one line of text, in the unit of `size`.
    pub(crate) fn width(&self, text: &str, size: f64) -> f64 {
        text.chars().map(|character| self.glyph(character).advance).sum::<f64>() * size
    }
}

fn look_up(face: Option<&ttf_parser::Face<'static>>, character: char) -> Glyph {
    let Some(face) = face else { return FALLBACK };
    let id = face.glyph_index(character).or_else(|| face.glyph_index(REPLACEMENT)).unwrap_or(ttf_parser::GlyphId(0));
    let advance = face.glyph_hor_advance(id).map_or(FALLBACK.advance, f64::from);
    Glyph { id: id.0, advance: advance / f64::from(face.units_per_em()) }
}

/// The width of one line of text, in the unit of `size`.
pub(crate) fn width(text: &str, weight: Weight, size: f64) -> f64 {
    Face::of(weight).width(text, size)
}

/// The longest beginning of `text` that fits, with an ellipsis when something was cut.
pub(crate) fn ellipsize(text: &str, weight: Weight, size: f64, room: f64) -> Cow<'_, str> {
    const ELLIPSIS: char = '…';
    let face = Face::of(weight);
    let mark = face.glyph(ELLIPSIS).advance * size;
    let (mut pen, mut cut) = (0.0, 0);
    for (start, character) in text.char_indices() {
        pen += face.glyph(character).advance * size;
        if pen + mark <= room {
            cut = start + character.len_utf8();
        }
        if pen > room {
            return Cow::Owned(format!("{}{ELLIPSIS}", text[..cut].trim_end()));
        }
    }
    Cow::Borrowed(text)
}

/// The text on one line, without characters that have no shape: line breaks and tabs become spaces; other controls,
/// marks of direction and zero-width characters go, so that text cannot rearrange what stands beside it.
pub(crate) fn one_line(text: &str) -> Cow<'_, str> {
    if !text.contains(|character: char| character.is_control() || is_shapeless(character)) {
        return Cow::Borrowed(text);
    }
    let mut line = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' | '\t' => line.push(' '),
            _ if character.is_control() || is_shapeless(character) => {}
            _ => line.push(character),
        }
    }
    Cow::Owned(line)
}

fn is_shapeless(character: char) -> bool {
    matches!(character,
        '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2028}' | '\u{2029}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{ad}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bold_is_wider_than_regular_and_missing_characters_have_a_width() {
        assert!(width("Revenue", Weight::Bold, 10.0) > width("Revenue", Weight::Regular, 10.0));
        assert!(width("漢字", Weight::Regular, 10.0) > 0.0);
        let face = Face::of(Weight::Regular);
        assert_eq!(face.glyph('漢').id, face.glyph('\u{fffd}').id);
        assert_ne!(face.glyph('漢').id, 0);
    }

    #[test]
    fn cut_text_fits_and_says_that_it_was_cut() {
        let cut = ellipsize("a rather long label", Weight::Regular, 10.0, 50.0);
        assert!(cut.ends_with('…') && width(&cut, Weight::Regular, 10.0) <= 50.0, "{cut}");
        assert_eq!(ellipsize("short", Weight::Regular, 10.0, 50.0), "short");
        assert_eq!(ellipsize("anything", Weight::Regular, 10.0, 0.0), "…");
    }

    #[test]
    fn controls_and_marks_of_direction_do_not_survive() {
        assert_eq!(one_line("a\nb\u{202e}c\0\r\n"), "a bc ");
        assert!(matches!(one_line("plain"), Cow::Borrowed(_)));
    }
}
