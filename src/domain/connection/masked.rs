//! URLs as they are shown. What a URL asks with is often what opens it (signed URLs, tokens), and nobody can tell by a
//! name: all values of its query, and its fragment, are sealed with the source's other secrets.

use super::{Connection, Credentials, SecretText, WebFile};

/// What stands for a value that is not shown.
pub const MASK: &str = "***";

/// A URL up to its query or fragment, and these.
fn split(url: &str) -> (&str, &str) {
    url.split_at(url.find(['?', '#']).unwrap_or(url.len()))
}

/// The URL with its values masked; names stay, what has none is a value.
pub fn masked(url: &str) -> String {
    let (place, asked) = split(url);
    let (query, fragment) = asked.split_at(asked.find('#').unwrap_or(asked.len()));
    let part = |part: &str| match part.split_once('=') {
        Some((_, "")) => part.to_owned(),
        Some((name, _)) => format!("{name}={MASK}"),
        None if part.is_empty() => String::new(),
        None => MASK.to_owned(),
    };
    let mut shown = place.to_owned();
    if let Some(query) = query.strip_prefix('?') {
        shown.push('?');
        shown.push_str(&query.split('&').map(part).collect::<Vec<_>>().join("&"));
    }
    if let Some(fragment) = fragment.strip_prefix('#') {
        shown.push('#');
        shown.push_str(if fragment.is_empty() { "" } else { MASK });
    }
    shown
}

impl WebFile {
    /// Whether a value of the URL is a mask: such a URL is one that was shown.
    pub fn is_masked(&self) -> bool {
        let (_, asked) = split(&self.url);
        asked.split(['?', '&', '#', '=']).any(|part| part == MASK)
    }

    /// The file as it is kept in the clear, and what its URL asks with where that has any value.
    #[must_use]
    pub fn apart(self) -> (Self, Option<SecretText>) {
        let shown = masked(&self.url);
        if shown == self.url {
            return (self, None);
        }
        let asked = SecretText::new(split(&self.url).1.to_owned());
        (Self { url: shown, ..self }, Some(asked))
    }

    /// What the URL asks with: as it is sealed, or as it stands in the URL where nothing is.
    pub fn asked(&self, sealed: &Credentials) -> Option<SecretText> {
        let open = || Some(split(&self.url).1).filter(|asked| !asked.is_empty());
        sealed.query.clone().or_else(|| open().map(|asked| SecretText::new(asked.to_owned())))
    }

    /// The whole URL, to fetch the file by.
    pub fn whole(&self, sealed: &Credentials) -> String {
        match &sealed.query {
            Some(asked) => format!("{}{}", split(&self.url).0, asked.expose()),
            None => self.url.clone(),
        }
    }

    /// Whether it asks with the other's masks.
    pub fn asks_as_shown(&self, other: &Self) -> bool {
        split(&self.url).1 == split(&masked(&other.url)).1
    }
}

impl Connection {
    /// As it is kept in the clear, and what a URL asks with.
    #[must_use]
    pub fn apart(self) -> (Self, Option<SecretText>) {
        match self {
            Self::Url(file) => {
                let (file, asked) = file.apart();
                (Self::Url(file), asked)
            }
            other => (other, None),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn file(url: &str) -> WebFile {
        WebFile { url: url.to_owned(), file: None }
    }

    #[test]
    fn names_are_shown_and_values_are_not() {
        for (url, shown) in [
            ("https://a.example/x.csv", "https://a.example/x.csv"),
            ("https://a.example/x.csv?", "https://a.example/x.csv?"),
            ("https://a.example/x?day=1&X-Amz-Signature=a=b&", "https://a.example/x?day=***&X-Amz-Signature=***&"),
            ("https://a.example?opal&b=&=c", "https://a.example?***&b=&=***"),
            ("https://a.example/x?a=1#opal", "https://a.example/x?a=***#***"),
            ("https://a.example/x#opal?b=1", "https://a.example/x#***"),
        ] {
            assert_eq!(masked(url), shown);
        }
    }

    #[test]
    fn what_is_sealed_makes_the_url_whole() {
        let (shown, query) = file("https://a.example/x.csv?sig=opal").apart();
        let sealed = Credentials { query, ..Credentials::default() };
        assert!(shown.is_masked() && shown.url == "https://a.example/x.csv?sig=***");
        assert_eq!(shown.whole(&sealed), "https://a.example/x.csv?sig=opal");
        let plain = file("https://a.example/x.csv");
        assert!(!plain.is_masked() && plain.clone().apart() == (plain, None));
    }

    proptest! {
        #[test]
        fn no_value_is_shown_and_masks_stay_masks(asked in "[?#][a-c=&#?*]{0,12}", value in "opal[a-z]{0,5}") {
            let url = format!("https://x.example/y{asked}={value}");
            let shown = masked(&url);
            prop_assert!(!shown.contains(&value), "{}", shown);
            prop_assert_eq!(masked(&shown), shown.clone());
            let (kept, query) = file(&url).apart();
            prop_assert_eq!(kept.whole(&Credentials { query, ..Credentials::default() }), url);
        }
    }
}
