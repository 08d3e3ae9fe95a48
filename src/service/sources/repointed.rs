//! Where a source is from now on and what opens it there: a secret goes nowhere that it was not given for, and of a URL
//! what it asks with is sealed apart from where it is.

use crate::domain::connection::{Connection, Credentials, WebFile};
use crate::domain::error::{Error, Result};
use crate::domain::id::{OrgId, SourceId};
use crate::domain::source::Source;
use crate::service::app::App;
use crate::store::Tx;

/// What changes of a source, or is to: `None` stays.
#[derive(Debug)]
pub(super) struct Repointing<C = Connection> {
    /// Where it is.
    pub to: Option<C>,
    /// What opens it.
    pub credentials: Option<Credentials>,
}

impl App {
    /// What is to be kept when a source is pointed elsewhere, or given other secrets.
    ///
    /// # Errors
    /// `InvalidField` for a place that the secret was not given for, and for masks of what is not known.
    pub(super) fn repointed(
        &self,
        (tx, org): (&Tx<'_>, OrgId),
        found: &Source,
        Repointing { to, credentials }: Repointing,
    ) -> Result<Repointing> {
        match (&found.connection, to) {
            (_, None) if credentials.is_none() => Ok(Repointing { to: None, credentials: None }),
            (Some(Connection::Url(from)), None) => {
                self.reopened((tx, (org, found.id)), from, Repointing { to: None, credentials })
            }
            (Some(Connection::Url(from)), Some(Connection::Url(to))) => {
                self.reopened((tx, (org, found.id)), from, Repointing { to: Some(to), credentials })
            }
            (from, to) => {
                let stays = from.as_ref().zip(to.as_ref()).is_none_or(|(from, to)| from.shares_secret_with(to));
                if found.has_secret && !stays && credentials.is_none() {
                    return Err(given_for_another());
                }
                Ok(Repointing { to, credentials })
            }
        }
    }

    /// The same of a URL, which has a secret of its own.
    fn reopened(
        &self,
        (tx, at): (&Tx<'_>, (OrgId, SourceId)),
        from: &WebFile,
        Repointing { to, credentials: brought }: Repointing<WebFile>,
    ) -> Result<Repointing> {
        // What does not open any more can be replaced, but not kept.
        let keeps = brought.is_none() || to.as_ref().unwrap_or(from).is_masked();
        let known = match self.credentials_in(tx, at)? {
            Ok(known) => known,
            Err(_) if !keeps => Credentials::default(),
            Err(_) => {
                let reason = "cannot be opened here any more; send it again, or null, with the whole `connection`.";
                return Err(Error::field("secret", reason));
            }
        };
        let (to, query) = match to {
            None => (None, known.query.clone()),
            Some(to) => {
                let stays = Connection::Url(from.clone()).shares_secret_with(&Connection::Url(to.clone()));
                if !stays && !known.headers.is_empty() && brought.is_none() {
                    return Err(given_for_another());
                }
                let (to, query) = if !to.is_masked() {
                    to.apart()
                } else if stays && to.asks_as_shown(from) {
                    (to, from.asked(&known))
                } else {
                    return Err(masked_for_another());
                };
                (Some(Connection::Url(to)), query)
            }
        };
        let headers = brought.map_or_else(|| known.headers.clone(), |brought| brought.headers);
        let credentials = Credentials { headers, query, password: None };
        let is_new = !keeps || credentials != known;
        Ok(Repointing { to, credentials: is_new.then_some(credentials) })
    }
}

/// A URL whose masks stand for nothing that is known.
pub(super) fn masked_for_another() -> Error {
    Error::field("connection.url", "has values that are masked and not those of the source; send it whole.")
}

fn given_for_another() -> Error {
    let reason = "was given for another place; send it again with the new `connection`, or as null.";
    Error::field("secret", reason)
}
