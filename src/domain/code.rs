//! The one table of error codes: status, words, advice, and what becomes of the call in audit and metrics.
//!
//! A code's words say what is true of every such error; what is true of one error stands in [`super::error`]. The
//! pages at `/docs/errors/` and the OpenAPI documents are made of this table.

mod table;

use super::audit::kind::Outcome;
pub use table::Code;

/// Whether the same request, sent again, can have another answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// Not before something was changed.
    No,
    /// After a while: `Retry-After` says how long, where it is there.
    Later,
    /// Yes, but it is not known whether the first one had its effect: an `Idempotency-Key` makes the repeat harmless.
    SameKey,
}

impl Retry {
    /// The answer to "does sending it again help?".
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::No => "No: the same request is answered the same way until something is changed.",
            Self::Later => "Yes, later: wait as long as the header `Retry-After` says, where it is there.",
            Self::SameKey => {
                "Yes. Whether the first request had its effect is not known: repeat a POST with the `Idempotency-Key` \
                 that it had, and nothing is done twice."
            }
        }
    }
}

/// A line of the table.
#[derive(Debug)]
struct Row {
    code: &'static str,
    status: u16,
    outcome: Outcome,
    retry: Retry,
    facts: &'static [&'static str],
    title: &'static str,
    sentence: &'static str,
    advice: &'static str,
}

impl Code {
    /// The code of that name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.as_str() == text)
    }

    /// The code on the wire.
    pub const fn as_str(self) -> &'static str {
        self.row().code
    }

    /// The HTTP status.
    pub const fn status(self) -> u16 {
        self.row().status
    }

    /// What became of a call that was answered so, for audit and metrics.
    pub const fn outcome(self) -> Outcome {
        self.row().outcome
    }

    /// Whether sending the same again helps.
    pub const fn retry(self) -> Retry {
        self.row().retry
    }

    /// Names of the facts that may stand beside it; what they mean says [`fact_meaning`].
    pub const fn facts(self) -> &'static [&'static str] {
        self.row().facts
    }

    /// A few words: the `error` of the `/api/v1/` face.
    pub const fn title(self) -> &'static str {
        self.row().title
    }

    /// What it means in general: the `message` of the `/api/` face.
    pub const fn sentence(self) -> &'static str {
        self.row().sentence
    }

    /// What to do about it: a paragraph, in which backticks mark what is typed.
    pub const fn advice(self) -> &'static str {
        self.row().advice
    }
}

/// What a fact beside a code says. The names are the same on every face.
pub fn fact_meaning(name: &str) -> Option<&'static str> {
    Some(match name {
        "field" => "The field of the body, as a path: `widgets[0].title`.",
        "parameter" => "The parameter of the query.",
        "line" => "The line of the SQL, from one.",
        "column" => "The character in that line, from one.",
        "credits_remaining" => "Credits that are left this month.",
        "estimated_cost" => "Credits that the operation may take.",
        "permission" => "The permission that is needed.",
        "refused_by" => "What took it away: `scope` (of the key), `role`, `plan` or `address`.",
        "role" => "The role that does not include it.",
        "scope" => {
            "The scope of the key, `read-only` or `read-write`; not there when the key has a list of permissions."
        }
        "plan" => "The plan of the organization.",
        "needed_plan" => "A plan that includes what was asked.",
        "address" => "The address that the request came from.",
        "limit" => "The limit that was passed.",
        "window" => "The window that is full.",
        "retry_after" => "Seconds after which the request fits again.",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn codes_are_distinct_and_found_by_their_names() {
        let names: BTreeSet<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(names.len(), Code::ALL.len());
        assert!(Code::ALL.iter().all(|code| Code::parse(code.as_str()) == Some(*code)));
        assert_eq!(Code::parse("nothing"), None);
    }

    #[test]
    fn every_code_says_what_to_do_in_whole_sentences() {
        for code in Code::ALL {
            assert!(code.sentence().ends_with('.') && code.advice().ends_with('.'), "{}", code.as_str());
            assert!(code.advice().len() > 80, "{} gives no advice: {}", code.as_str(), code.advice());
            assert_eq!(code.advice().matches('`').count() % 2, 0, "{}", code.as_str());
            assert!(!code.title().ends_with('.') && code.title().len() < 40, "{}", code.as_str());
        }
    }

    #[test]
    fn every_fact_has_a_meaning() {
        for code in Code::ALL {
            assert!(code.facts().iter().all(|name| fact_meaning(name).is_some()), "{}", code.as_str());
        }
    }

    #[test]
    fn outcomes_fit_their_statuses() {
        for code in Code::ALL {
            let fits = match code.outcome() {
                Outcome::Server => code.status() >= 500,
                Outcome::Limited => matches!(code.status(), 402 | 429),
                Outcome::Refused => matches!(code.status(), 401 | 403 | 421),
                Outcome::Client => (400..500).contains(&code.status()),
                Outcome::Ok | Outcome::Gone => false,
            };
            assert!(fits, "{}", code.as_str());
        }
    }
}
