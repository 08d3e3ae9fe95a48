//! Which text needs shaping, and in which order its runs stand on the line.
//!
//! Hebrew and Arabic are written to the left, the numbers within them to the right. This is the Unicode bidirectional
//! algorithm for one line without nested embeddings, which is what cells and paragraphs of a report hold.

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

/// The runs of one line, from left to right as they are read on paper.
pub(super) fn runs(text: &str) -> Vec<Run<'_>> {
    let base = text.chars().find_map(direction).unwrap_or(false);
    let mut runs: Vec<Run<'_>> = Vec::new();
    let mut start = 0;
    let mut current = base;
    // Where the neutral characters behind the last strong one begin.
    let mut neutral = 0;
    for (at, character) in text.char_indices() {
        let next = at + character.len_utf8();
        let Some(strong) = direction(character) else { continue };
        if strong != current {
            // What stands between two directions belongs to the line's own.
            let boundary = if current == base { at } else { neutral };
            push(&mut runs, &text[start..boundary], current);
            start = boundary;
            current = strong;
            if boundary < at && strong != base {
                push(&mut runs, &text[start..at], base);
                start = at;
            }
        }
        neutral = next;
    }
    let end = if current == base { text.len() } else { neutral };
    push(&mut runs, &text[start..end], current);
    push(&mut runs, &text[end..], base);
    if base {
        runs.reverse();
    }
    runs
}

fn push<'a>(runs: &mut Vec<Run<'a>>, text: &'a str, right_to_left: bool) {
    if !text.is_empty() {
        runs.push(Run { text, right_to_left });
    }
}

/// Right to left, left to right, or as its neighbours. Digits run to the right always.
fn direction(character: char) -> Option<bool> {
    match character {
        '\u{590}'..='\u{65f}' | '\u{66a}'..='\u{6ef}' | '\u{6fa}'..='\u{8ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{fefe}' => {
            Some(true)
        }
        _ if character.is_alphanumeric() => Some(false),
        _ => None,
    }
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
        assert_eq!(found.iter().filter(|run| !run.right_to_left).map(|run| run.text.trim()).collect::<Vec<_>>(), ["2013"]);
        assert_eq!(found.first().map(|run| run.text.trim()), Some("עולם"));
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
