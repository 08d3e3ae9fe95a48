//! Which passwords are good enough. Length decides; what everyone would try first is refused besides: by rule, and by a
//! list of the commonest that are long enough.
//!
//! Deliberately not here: hashing, and rules about classes of characters, which make passwords worse (NIST SP
//! 800-63B, section 3.1.1.2).

use std::sync::LazyLock;

/// The fewest characters.
pub const MIN_CHARACTERS: usize = 12;

/// The most bytes: hashing costs the same for all of them, reading does not.
pub const MAX_BYTES: usize = 1_024;

/// The 4,000 commonest passwords of at least [`MIN_CHARACTERS`] that leaked by 2015, in lower case and sorted: from Mark
/// Burnett's ten million, which he dedicated to the public domain.
const LEAKED: &str = include_str!("../../assets/passwords/common.txt");
static COMMONEST: LazyLock<Vec<&'static str>> = LazyLock::new(|| LEAKED.lines().collect());

/// Fewer different characters than this are a pattern.
const MIN_DIFFERENT: usize = 5;

/// Runs of which a password must not be a part or a repetition.
const RUNS: [&str; 5] = [
    "0123456789012345678901234567890",
    "abcdefghijklmnopqrstuvwxyz",
    "qwertyuiopasdfghjklzxcvbnm",
    "qwertzuiopasdfghjklyxcvbnm",
    "1q2w3e4r5t6z7u8i9o0p",
];

/// Words that alone, repeated, or with digits and signs around them are no password.
const COMMON: [&str; 22] = [
    "password",
    "passwort",
    "passw0rd",
    "p@ssword",
    "p@ssw0rd",
    "iloveyou",
    "letmein",
    "welcome",
    "changeme",
    "default",
    "administrator",
    "admin",
    "superuser",
    "dragon",
    "monkey",
    "football",
    "baseball",
    "sunshine",
    "princess",
    "qwerty",
    "trustno",
    "claribi",
];

/// Why a password is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Weakness {
    /// Fewer than [`MIN_CHARACTERS`].
    #[error("a password has at least 12 characters")]
    TooShort,
    /// More than [`MAX_BYTES`].
    #[error("a password has at most 1,024 bytes")]
    TooLong,
    /// A few characters over and over, or a row of the keyboard.
    #[error("this password is a simple pattern; a few unrelated words make a better one")]
    Pattern,
    /// A word that everyone tries first.
    #[error("this password is among the first that are tried; a few unrelated words make a better one")]
    Common,
    /// The account's own address or name.
    #[error("a password must not be made of the e-mail address")]
    Personal,
}

/// Checks a new password for the account with this e-mail address.
///
/// # Errors
/// The first reason to refuse it.
pub fn check(password: &str, email: &str) -> Result<(), Weakness> {
    if password.chars().count() < MIN_CHARACTERS {
        return Err(Weakness::TooShort);
    }
    if password.len() > MAX_BYTES {
        return Err(Weakness::TooLong);
    }
    let folded = password.to_lowercase();
    if is_pattern(&folded) {
        return Err(Weakness::Pattern);
    }
    let core = folded.trim_matches(|character: char| !character.is_alphabetic());
    let is_leaked = COMMONEST.binary_search(&folded.as_str()).is_ok();
    if is_leaked || COMMON.iter().any(|word| is_made_of(core, word) || is_made_of(&letters(&folded), word)) {
        return Err(Weakness::Common);
    }
    let email = email.to_lowercase();
    let name = email.split('@').next().unwrap_or_default();
    if folded == email || (!name.is_empty() && is_made_of(core, name)) {
        return Err(Weakness::Personal);
    }
    Ok(())
}

fn is_pattern(folded: &str) -> bool {
    let mut different: Vec<char> = folded.chars().collect();
    different.sort_unstable();
    different.dedup();
    let backwards: String = folded.chars().rev().collect();
    different.len() < MIN_DIFFERENT || RUNS.iter().any(|run| run.contains(folded) || run.contains(&backwards))
}

/// Whether the text is the word, once or several times over.
fn is_made_of(text: &str, word: &str) -> bool {
    !text.is_empty() && text.replace(word, "").is_empty()
}

fn letters(folded: &str) -> String {
    folded.chars().filter(|character| character.is_alphabetic()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(password: &str) -> Result<(), Weakness> {
        check(password, "alice.long-name@example.com")
    }

    #[test]
    fn twelve_characters_are_enough_whatever_they_are() {
        for password in ["correct horse", "gr8-Tr@in-9x", "überraschung", "雨の日に傘を持たない人がいた"]
        {
            assert_eq!(verdict(password), Ok(()), "{password}");
        }
    }

    #[test]
    fn length_is_counted_in_characters_below_and_in_bytes_above() {
        assert_eq!(verdict("tr4ins-leav"), Err(Weakness::TooShort));
        assert_eq!(verdict("éèêëàâäùûüç"), Err(Weakness::TooShort));
        assert_eq!(verdict(&"correct horse battery staple ".repeat(40)), Err(Weakness::TooLong));
        assert_eq!(verdict(&format!("unrelated{}", "é".repeat(508))), Err(Weakness::TooLong));
        assert_eq!(verdict(&"correct horse battery staple ".repeat(35)), Ok(()));
    }

    #[test]
    fn repetitions_and_rows_of_the_keyboard_are_refused() {
        for password in [
            "aaaaaaaaaaaa",
            "abababababab",
            "123412341234",
            "123456789012",
            "QWERTYUIOPAS",
            "lkjhgfdsapoi",
            "abcdefghijklm",
        ] {
            assert_eq!(verdict(password), Err(Weakness::Pattern), "{password}");
        }
    }

    #[test]
    fn the_words_everyone_tries_are_refused_with_digits_around_them_too() {
        for password in [
            "passwordpassword",
            "Password12345!",
            "2026administrator!",
            "iloveyou2026!!",
            "claribi-claribi",
            "Pass-word-1234",
        ] {
            assert_eq!(verdict(password), Err(Weakness::Common), "{password}");
        }
    }

    #[test]
    fn every_password_of_the_list_is_refused_in_any_case() {
        let mut sorted = COMMONEST.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted, *COMMONEST, "a search by halves needs the order");
        assert_eq!(COMMONEST.len(), 4_000);
        for password in COMMONEST.iter() {
            assert!(password.len() >= MIN_CHARACTERS, "{password} would be refused anyway");
            assert!(verdict(password).is_err() && verdict(&password.to_uppercase()).is_err(), "{password}");
        }
        assert_eq!(verdict("LeaveMeAlone"), Err(Weakness::Common));
    }

    #[test]
    fn the_address_and_its_name_are_refused() {
        assert_eq!(verdict("Alice.Long-Name@example.com"), Err(Weakness::Personal));
        assert_eq!(verdict("alice.long-name2026"), Err(Weakness::Personal));
        assert_eq!(check("correct horse", ""), Ok(()));
    }
}
