//! Breaking text into lines.
//!
//! Lines break at spaces; a word longer than a line breaks where the line ends. Neither hyphenation nor the breaking
//! rules of scripts without spaces are attempted: there, every line is full.

use super::super::font::{self, Face, Weight};

/// The lines of a text: its own line breaks are kept, and each of its lines is wrapped to `room`.
pub(super) fn paragraphs(text: &str, weight: Weight, size: f64, room: f64) -> Vec<String> {
    let mut lines = Vec::new();
    for line in text.trim_end().split('\n') {
        let clean = font::one_line(line);
        let wrapped = wrap(clean.trim_end(), weight, size, room);
        if wrapped.is_empty() {
            lines.push(String::new());
        }
        lines.extend(wrapped.into_iter().map(str::to_owned));
    }
    lines
}

/// One line of text, wrapped to `room`. No line is empty; empty text has none.
pub(super) fn wrap(text: &str, weight: Weight, size: f64, room: f64) -> Vec<&str> {
    let face = Face::of(weight);
    let mut lines = Vec::new();
    let (mut start, mut pen) = (0, 0.0);
    // The last place to break after: the end of the line before it, the start of the line behind it, and how far the
    // pen was there.
    let mut chance: Option<(usize, usize, f64)> = None;
    for (at, character) in text.char_indices() {
        let advance = face.glyph(character).advance * size;
        let next = at + character.len_utf8();
        if character == ' ' {
            pen += advance;
            chance = Some((at, next, pen));
            continue;
        }
        // A line always takes one character at least, however narrow it is. What moves to the next line may be too long
        // for it once more.
        while pen + advance > room && at > start {
            let (end, begin, used) = match chance {
                Some(chance) if chance.0 > start => chance,
                _ => (at, at, pen),
            };
            push(&mut lines, &text[start..end]);
            start = begin;
            pen -= used;
            chance = None;
        }
        pen += advance;
        if matches!(character, '-' | '_' | '/' | '–' | '—' | ',' | ';') {
            chance = Some((next, next, pen));
        }
    }
    push(&mut lines, &text[start.min(text.len())..]);
    lines
}

fn push<'a>(lines: &mut Vec<&'a str>, line: &'a str) {
    let line = line.trim_end();
    if !line.is_empty() {
        lines.push(line);
    }
}

/// As [`wrap`], at most `most` lines, the last of which tells with an ellipsis that there was more.
pub(super) fn wrap_to(text: &str, weight: Weight, size: f64, room: f64, most: usize) -> Vec<String> {
    let mut lines: Vec<String> = wrap(text, weight, size, room).into_iter().map(str::to_owned).collect();
    if lines.len() > most {
        lines.truncate(most);
        if let Some(last) = lines.last_mut() {
            *last = font::ellipsize(&format!("{last} …………"), weight, size, room).replace(" …", "…");
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn wrapped_lines_fit_and_lose_nothing(text in "[a-zäöü ,/漢-]{0,80}", room in 20.0..200.0f64) {
            let lines = wrap(&text, Weight::Regular, 10.0, room);
            for line in &lines {
                prop_assert!(font::width(line, Weight::Regular, 10.0) <= room + 1e-9, "{line:?} in {room}");
            }
            let squeeze = |text: &str| text.chars().filter(|c| *c != ' ').collect::<String>();
            prop_assert_eq!(squeeze(&lines.concat()), squeeze(&text));
        }
    }

    #[test]
    fn lines_break_at_spaces_and_long_words_break_anyway() {
        assert_eq!(wrap("one two three", Weight::Regular, 10.0, 45.0), ["one two", "three"]);
        assert!(wrap("incomprehensibilities", Weight::Regular, 10.0, 45.0).len() > 2);
        assert_eq!(wrap("ab", Weight::Regular, 10.0, 1.0), ["a", "b"]);
        assert!(wrap("   ", Weight::Regular, 10.0, 45.0).is_empty());
    }

    #[test]
    fn line_breaks_of_the_text_are_kept() {
        assert_eq!(paragraphs("a\n\nb\r\n", Weight::Regular, 10.0, 100.0), ["a", "", "b"]);
    }

    #[test]
    fn too_many_lines_end_with_an_ellipsis() {
        let lines = wrap_to("one two three four five six", Weight::Regular, 10.0, 45.0, 2);
        assert_eq!(lines.len(), 2);
        assert!(lines[1].ends_with('…') && font::width(&lines[1], Weight::Regular, 10.0) <= 45.0, "{lines:?}");
    }
}
