//! How many streams are open: in all, of an organisation, of a user, of a credential. Neither many sessions of one user nor
//! many users of one organisation take the place of all others.

use std::collections::HashMap;

use crate::domain::error::{Error, Result};
use crate::domain::id::{OrgId, UserId};

/// Streams of one key, with those it was rotated from and to, or of one session.
const PER_CALLER: usize = 5;
/// Streams of one user, by all sessions and keys of theirs.
const PER_USER: usize = 10;
/// Streams of one organisation.
const PER_ORG: usize = 100;
/// Streams in all.
const IN_ALL: usize = 500;

/// The streams that are open.
#[derive(Default)]
pub(super) struct Open {
    in_all: usize,
    of: HashMap<Part, usize>,
}

impl Open {
    /// Counts one more.
    ///
    /// # Errors
    /// `TooManyOpen` for one too many of some part, `Overloaded` for one too many in all.
    pub fn enter(&mut self, parts: &[Part; 3]) -> Result<()> {
        for part in parts {
            let (what, limit) = part.bound();
            if self.of.get(part).is_some_and(|count| *count >= limit) {
                return Err(Error::TooManyOpen { what, limit });
            }
        }
        if self.in_all >= IN_ALL {
            return Err(Error::Overloaded);
        }
        self.in_all += 1;
        parts.iter().for_each(|part| *self.of.entry(*part).or_default() += 1);
        Ok(())
    }

    /// Counts one less.
    pub fn leave(&mut self, parts: &[Part; 3]) {
        self.in_all -= 1;
        for part in parts {
            if let Some(count) = self.of.get_mut(part) {
                *count -= 1;
                if *count == 0 {
                    self.of.remove(part);
                }
            }
        }
    }
}

/// Of whom there are so many at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Part {
    /// A key's lineage, or a session.
    Caller(i64),
    /// Whose these are.
    User(UserId),
    /// Where they act.
    Org(OrgId),
}

impl Part {
    /// What is said of how many, and how many that are.
    fn bound(self) -> (&'static str, usize) {
        match self {
            Self::Caller(_) => ("streams of this credential", PER_CALLER),
            Self::User(_) => ("streams of this user", PER_USER),
            Self::Org(_) => ("streams of this organization", PER_ORG),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(caller: i64, user: i64, org: i64) -> [Part; 3] {
        [Part::Caller(caller), Part::User(UserId::new(user)), Part::Org(OrgId::new(org))]
    }

    fn limit(refused: Result<()>) -> usize {
        match refused {
            Err(Error::TooManyOpen { limit, .. }) => limit,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn neither_credentials_nor_users_nor_sessions_multiply_what_an_organisation_has_open() {
        let mut open = Open::default();
        for stream in 0..100 {
            open.enter(&parts(stream, stream / 10, 1)).unwrap();
            if stream == 9 {
                assert_eq!(limit(open.enter(&parts(900, 0, 1))), PER_USER);
            }
        }
        assert_eq!(limit(open.enter(&parts(900, 900, 1))), PER_ORG);
        open.enter(&parts(900, 900, 2)).unwrap();
        open.leave(&parts(0, 0, 1));
        open.enter(&parts(901, 0, 1)).unwrap();
        assert_eq!((open.in_all, open.of[&Part::Org(OrgId::new(1))]), (101, PER_ORG));
    }

    #[test]
    fn what_is_over_leaves_nothing_behind() {
        let mut open = Open::default();
        for _ in 0..PER_CALLER {
            open.enter(&parts(1, 1, 1)).unwrap();
        }
        assert_eq!(limit(open.enter(&parts(1, 1, 1))), PER_CALLER);
        (0..PER_CALLER).for_each(|_| open.leave(&parts(1, 1, 1)));
        assert!(open.of.is_empty() && open.in_all == 0);
    }
}
