//! Conditions of requests: entity tags, and how `If-Match` and `If-None-Match` compare them (RFC 9110, 8.8.3 and 13.1).
//!
//! A tag of ours is `<definition>.<representation>-<coding>` in its longest form. The definition stands before a dot
//! only where an object also tells how it is used; the coding stands at the end only of a compressed body.

/// The ends of the tags of compressed bodies.
const CODINGS: [&str; 2] = ["-gz", "-zst"];

/// The value of `If-Match` or `If-None-Match`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// `*`: any object that exists.
    Any,
    /// One of these tags. What could not be read of a list is no tag, and an unreadable list is empty.
    Tags(Vec<ListedTag>),
}

/// A tag as a client lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedTag {
    weak: bool,
    opaque: String,
}

impl Condition {
    /// Reads the lines of a header.
    pub fn read<'l>(lines: impl Iterator<Item = &'l str>) -> Self {
        let list = lines.collect::<Vec<_>>().join(",");
        if list.trim() == "*" { Self::Any } else { Self::Tags(tags(&list).unwrap_or_default()) }
    }

    /// Whether a change may be based on a tag of the list: strong comparison of what a change can overwrite.
    pub fn names_definition(&self, opaque: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Tags(tags) => tags.iter().any(|tag| !tag.weak && definition(&tag.opaque) == definition(opaque)),
        }
    }

    /// Whether the list has this tag by its name: one that was given before.
    pub fn lists(&self, opaque: &str) -> bool {
        matches!(self, Self::Tags(_)) && self.names_content(opaque).is_some()
    }

    /// The tag of the list under which a client holds the same content, in whichever coding: weak comparison.
    pub fn names_content<'c>(&'c self, opaque: &'c str) -> Option<&'c str> {
        match self {
            Self::Any => Some(opaque),
            Self::Tags(tags) => {
                let same = |tag: &&ListedTag| without_coding(&tag.opaque) == without_coding(opaque);
                tags.iter().find(same).map(|tag| tag.opaque.as_str())
            }
        }
    }
}

/// Whether the one tag of `If-Range` is this one: strong comparison.
pub fn is_tag(text: &str, opaque: &str) -> bool {
    tags(text).is_some_and(|tags| matches!(&tags[..], [tag] if !tag.weak && tag.opaque == opaque))
}

/// A list of tags; `None` when it is none. A comma may stand within a tag.
fn tags(list: &str) -> Option<Vec<ListedTag>> {
    let mut tags = Vec::new();
    let mut rest = list.trim_start_matches([' ', '\t', ',']);
    while !rest.is_empty() {
        let (weak, quoted) = rest.strip_prefix("W/").map_or((false, rest), |quoted| (true, quoted));
        let (opaque, after) = quoted.strip_prefix('"')?.split_once('"')?;
        tags.push(ListedTag { weak, opaque: opaque.to_owned() });
        let after = after.trim_start_matches([' ', '\t']);
        if !after.is_empty() && !after.starts_with(',') {
            return None;
        }
        rest = after.trim_start_matches([' ', '\t', ',']);
    }
    Some(tags)
}

fn without_coding(opaque: &str) -> &str {
    CODINGS.iter().find_map(|coding| opaque.strip_suffix(coding)).unwrap_or(opaque)
}

fn definition(opaque: &str) -> &str {
    let content = without_coding(opaque);
    content.split_once('.').map_or(content, |(definition, _)| definition)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn condition(text: &str) -> Condition {
        Condition::read([text].into_iter())
    }

    #[test]
    fn a_list_is_read_over_lines_with_commas_and_weak_tags() {
        let found = Condition::read(["\"a\" , W/\"b,c\",", ",\"\""].into_iter());
        let tag = |weak, opaque: &str| ListedTag { weak, opaque: opaque.to_owned() };
        assert_eq!(found, Condition::Tags(vec![tag(false, "a"), tag(true, "b,c"), tag(false, "")]));
        assert_eq!(condition(" * "), Condition::Any);
    }

    #[test]
    fn what_is_no_list_of_tags_names_nothing() {
        for text in ["", "a", "\"a", "\"a\" \"b\"", "*, \"a\"", "w/\"a\"", "W/a", "\"a\"b"] {
            assert_eq!(condition(text), Condition::Tags(Vec::new()), "{text}");
        }
    }

    #[test]
    fn a_change_is_never_based_on_a_weak_tag() {
        assert!(condition("\"a\"").names_definition("a"));
        assert!(condition("\"x\", \"a-gz\"").names_definition("a"));
        assert!(condition("*").names_definition("a"));
        assert!(!condition("W/\"a\"").names_definition("a"));
        assert!(!condition("\"b\"").names_definition("a"));
    }

    #[test]
    fn use_alone_changes_the_content_and_not_what_a_change_is_based_on() {
        assert!(condition("\"d.1\"").names_definition("d.2"));
        assert_eq!(condition("\"d.1\"").names_content("d.2"), None);
        assert!(!condition("\"e.1\"").names_definition("d.1"));
    }

    #[test]
    fn content_is_known_in_every_coding_and_also_weakly() {
        for (text, held) in [("\"a\"", "a"), ("W/\"a\"", "a"), ("\"x\", \"a-gz\"", "a-gz"), ("\"a-zst\"", "a-zst")] {
            assert_eq!(condition(text).names_content("a"), Some(held), "{text}");
        }
        assert_eq!(condition("\"a-br\"").names_content("a"), None);
    }

    #[test]
    fn if_range_takes_one_strong_tag() {
        assert!(is_tag("\"a\"", "a"));
        for other in ["W/\"a\"", "\"b\"", "\"a\", \"b\"", "Sat, 21 Nov 2026 06:00:00 GMT", "a", "*"] {
            assert!(!is_tag(other, "a"), "{other}");
        }
    }
}
