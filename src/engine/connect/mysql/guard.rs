//! Which queries are not sent to MySQL, though its read-only transactions take them: what locks rows, or names that
//! programs agree on, holds up others, and takes no more than the right to select.
//!
//! The text is cut into the words that the server would see. Where that depends on the server, as in comments that some
//! versions execute, it is refused. What is refused by mistake is next to nothing: these words stand together nowhere
//! else.

/// Functions that lock names.
const LOCKING: [&str; 6] = [
    "GET_LOCK",
    "RELEASE_LOCK",
    "RELEASE_ALL_LOCKS",
    "SERVICE_GET_READ_LOCKS",
    "SERVICE_GET_WRITE_LOCKS",
    "SERVICE_RELEASE_LOCKS",
];
/// Hints that set what was set for the query.
const SETTING: [&str; 2] = ["MAX_EXECUTION_TIME", "SET_VAR"];

/// What the server reads as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token<'s> {
    /// A word or a number: a letter, digit, `_`, `$` or anything beyond ASCII.
    Word(&'s str),
    /// A name in quotes, which may be a function's too.
    Name(&'s str),
    /// Anything else; of a text, its quote.
    Mark(u8),
}

/// Says why a query is not sent.
///
/// # Errors
/// A sentence's part that says what it does.
pub fn check(sql: &str) -> Result<(), &'static str> {
    let tokens = tokens(sql)?;
    for (at, token) in tokens.iter().enumerate() {
        let word = |ahead: usize, keyword: &str| matches!(tokens.get(at + ahead), Some(Token::Word(word)) if word.eq_ignore_ascii_case(keyword));
        if let Token::Word(first) = token {
            let locks = ends_a_number(first, "FOR") && (word(1, "UPDATE") || word(1, "SHARE"))
                || ends_a_number(first, "LOCK") && word(1, "IN") && word(2, "SHARE");
            if locks {
                return Err(
                    "it locks rows (`FOR UPDATE`, `FOR SHARE` or `LOCK IN SHARE MODE`), which reading does not \
                            take; leave that out",
                );
            }
        }
        if let Token::Word(name) | Token::Name(name) = token
            && tokens.get(at + 1) == Some(&Token::Mark(b'('))
            && LOCKING.iter().any(|function| may_be(name, function))
        {
            return Err("it calls a function that locks, such as `GET_LOCK`; leave that out");
        }
    }
    Ok(())
}

/// Whether it is the keyword, or a number with the keyword behind it: the server reads `1e1FOR` as two words.
fn ends_a_number(word: &str, keyword: &str) -> bool {
    let Some((number, end)) = word.len().checked_sub(keyword.len()).and_then(|at| word.split_at_checked(at)) else {
        return false;
    };
    end.eq_ignore_ascii_case(keyword) && number.bytes().next().is_none_or(|byte| byte.is_ascii_digit())
}

/// Whether the server may find the function by that name: it compares letters beyond ASCII with their like.
fn may_be(name: &str, function: &str) -> bool {
    name.chars().count() == function.len()
        && name.chars().zip(function.chars()).all(|(one, other)| !one.is_ascii() || one.eq_ignore_ascii_case(&other))
}

fn tokens(sql: &str) -> Result<Vec<Token<'_>>, &'static str> {
    let bytes = sql.as_bytes();
    if bytes.contains(&0) {
        return Err("it has a character of the number 0; leave that out");
    }
    let (mut tokens, mut at) = (Vec::new(), 0);
    while let Some(&byte) = bytes.get(at) {
        let rest = &bytes[at..];
        at += match byte {
            b'\'' | b'"' => {
                tokens.push(Token::Mark(byte));
                quoted(rest, true)
            }
            b'`' => {
                let length = quoted(rest, false);
                tokens.push(Token::Name(sql[at + 1..at + length].trim_end_matches('`')));
                length
            }
            b'#' => line(rest),
            b'-' if rest.starts_with(b"--") && rest.get(2).is_none_or(|next| *next <= b' ' || *next == 0x7f) => {
                line(rest)
            }
            b'/' if rest.starts_with(b"/*") => comment(&sql[at..])?,
            _ if is_of_word(byte) => {
                let length = rest.iter().take_while(|byte| is_of_word(**byte)).count();
                tokens.push(Token::Word(&sql[at..at + length]));
                length
            }
            _ => {
                if !byte.is_ascii_whitespace() && byte != 0x0b {
                    tokens.push(Token::Mark(byte));
                }
                1
            }
        };
    }
    Ok(tokens)
}

fn is_of_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$') || !byte.is_ascii()
}

/// The length of what begins with a quote. In it the quote stands twice, and in a text a backslash takes what follows.
fn quoted(rest: &[u8], is_text: bool) -> usize {
    let mut at = 1;
    while let Some(&byte) = rest.get(at) {
        match byte {
            b'\\' if is_text => at += 2,
            _ if byte != rest[0] => at += 1,
            _ if rest.get(at + 1) == Some(&byte) => at += 2,
            _ => return at + 1,
        }
    }
    rest.len()
}

/// The length of a comment to the end of its line.
fn line(rest: &[u8]) -> usize {
    rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len())
}

/// The length of a comment in `/*` and `*/`.
fn comment(rest: &str) -> Result<usize, &'static str> {
    let inner = &rest[2..];
    let length = inner.find("*/").unwrap_or(inner.len());
    let said = inner[..length].to_ascii_uppercase();
    if said.starts_with('!') || said.starts_with("M!") {
        return Err("it has a comment that servers execute (`/*!`); write out what is meant");
    }
    let is_hint = said.starts_with('+');
    if is_hint && (said.contains(['\'', '"', '`']) || SETTING.iter().any(|hint| said.contains(hint))) {
        return Err("it has a hint (`/*+`) with quotes, or one that sets a limit or a variable; leave that out");
    }
    Ok((length + 4).min(rest.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_locks_is_not_sent_however_it_is_written() {
        for sql in [
            "SELECT a FROM t FOR UPDATE",
            "select a from t for\n\tshare of t skip locked",
            "SELECT a FROM t LOCK IN SHARE MODE",
            "SELECT a FROM t lock/**/in -- x\n share # y\n mode",
            "SELECT * FROM (SELECT a FROM t WHERE a = 1e1FOR UPDATE) AS q",
            "SELECT a FROM t WHERE a = .5for update",
            "SELECT a FROM t WHERE a = 1LOCK IN SHARE MODE",
            "SELECT 'it''s \\' FOR', a FROM t FOR UPDATE",
            "SELECT `a``b`, \"x\\\"\" FROM t FOR UPDATE",
            "SELECT a--1 FROM t FOR UPDATE",
            "SELECT GET_LOCK('a', 1)",
            "SELECT get_lock /* x */ ('a', 1)",
            "SELECT `Release_Lock`('a')",
            "SELECT release_all_locks\n()",
            "SELECT GÉT_LOC\u{212a}('a', 1)",
            "SELECT 1 /*!50000 FOR UPDATE */",
            "SELECT 1 /*M!100000 FOR UPDATE */",
            "SELECT /*+ MAX_EXECUTION_TIME(100000) */ 1",
            "SELECT /*+ set_var(max_execution_time = 0) */ 1",
            "SELECT /*+ QB_NAME(`*/`) */ a FROM t FOR UPDATE",
            "SELECT 1 -- \0",
        ] {
            assert!(check(sql).is_err(), "{sql}");
        }
    }

    #[test]
    fn words_that_lock_elsewhere_are_sent_in_texts_names_and_comments() {
        for sql in [
            "SELECT 'FOR UPDATE', \"LOCK IN SHARE MODE\", 'GET_LOCK(1)', 'it''s \\' FOR UPDATE'",
            "SELECT `for update`, `lock` FROM t -- FOR UPDATE",
            "SELECT a /* FOR UPDATE ' */ FROM t # LOCK IN SHARE MODE",
            "SELECT a--1, lock_in, share, get_lock, release_lock FROM t",
            "SELECT updated FROM t WHERE note = 'for' AND update_count > 1",
            "SELECT /*+ INDEX(t i) NO_ICP(t) */ a FROM t USE INDEX FOR ORDER BY (i)",
            "WITH größe (a) AS (SELECT 1) SELECT SLEEP(1), is_free_lock('a') FROM größe",
            "SELECT waitfor share FROM t",
            "SELECT '",
            "SELECT `",
            "SELECT 'a\\",
            "SELECT /* x",
        ] {
            assert_eq!(check(sql), Ok(()), "{sql}");
        }
    }
}
