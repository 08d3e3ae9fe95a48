//! Which text needs shaping, and in which order its runs stand on the line.
//!
//! Hebrew and Arabic are written to the left, the numbers within them to the right: the Unicode bidirectional algorithm
//! tells where each run stands. Each line is ordered by itself, and left aligned.

use unicode_bidi::BidiInfo;

/// A stretch of text in one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run<'a> {
    pub(super) text: &'a str,
    pub(super) right_to_left: bool,
}

/// Whether each character is its own glyph, from left to right, whatever stands beside it.
pub(super) fn is_simple(text: &str) -> bool {
    text.chars().all(|character| {
        !matches!(character,
            '\u{300}'..='\u{36f}' | '\u{483}'..='\u{489}' | '\u{590}'..='\u{1cff}' | '\u{1dc0}'..='\u{1dff}'
            | '\u{200c}' | '\u{200d}' | '\u{20d0}'..='\u{20ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe00}'..='\u{fe0f}'
            | '\u{fe20}'..='\u{fe2f}' | '\u{fe70}'..='\u{fefe}')
    })
}

/// The runs of one line in the order in which they stand on paper, from left to right.
pub(super) fn runs(text: &str) -> Vec<Run<'_>> {
    let info = BidiInfo::new(text, None);
    let mut found = Vec::new();
    for paragraph in &info.paragraphs {
        let (levels, ranges) = info.visual_runs(paragraph, paragraph.range.clone());
        for range in ranges {
            let right_to_left = levels.get(range.start).is_some_and(unicode_bidi::Level::is_rtl);
            if let Some(text) = text.get(range) {
                found.push(Run { text, right_to_left });
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latin_text_is_one_run() {
        assert!(is_simple("Größe 12 €, 漢字"));
        assert_eq!(runs("ab 12"), [Run { text: "ab 12", right_to_left: false }]);
    }

    #[test]
    fn numbers_in_hebrew_keep_their_digits_in_order() {
        let text = "שלום 2013 עולם";
        assert!(!is_simple(text));
        let found = runs(text);
        assert_eq!(
            found.iter().filter(|run| !run.right_to_left).map(|run| run.text.trim()).collect::<Vec<_>>(),
            ["2013"]
        );
        assert_eq!(found.first().map(|run| run.text.trim()), Some("עולם"), "the end stands at the left");
    }

    #[test]
    fn a_hebrew_word_in_latin_text_stays_in_its_place() {
        let found: Vec<&str> = runs("see שלום here").iter().map(|run| run.text).collect();
        assert_eq!(found, ["see ", "שלום", " here"]);
    }

    #[test]
    fn runs_lose_nothing() {
        for text in ["", "...", "א", "a א. b", "א (a) ב!", "1 א 2 ב 3"] {
            let length: usize = runs(text).iter().map(|run| run.text.len()).sum();
            assert_eq!(length, text.len(), "{text}");
        }
    }
}
