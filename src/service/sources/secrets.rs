//! What opens sources: sealed in their rows, opened when they are synced, and shown to nobody.

use std::collections::BTreeSet;

use serde_json::json;
use zeroize::Zeroizing;

use crate::domain::connection::Credentials;
use crate::domain::error::{Error, Result};
use crate::domain::id::{OrgId, SourceId};
use crate::domain::source::Source;
use crate::domain::time::Timestamp;
use crate::keyring::seal::{self, Place, SealError};
use crate::keyring::{Generations, Keyring};
use crate::service::app::App;
use crate::store::Tx;
use crate::store::main::changes::{self, NewChange, Origin};
use crate::store::main::connections;

/// Where the secret of a source stands.
const fn place(org: OrgId, source: SourceId) -> Place {
    Place { org, table: "sources", row: source.raw(), column: "secret" }
}

/// What a rotation did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rotation {
    /// Secrets under the new key.
    pub sealed: usize,
    /// Those that could not be opened and stay as they are.
    pub left: usize,
}

impl App {
    /// Keeps what opens a source, or forgets it. In the transaction, so that no rotation comes between the key and the
    /// row.
    pub(super) fn keep_credentials(
        &self,
        tx: &Tx<'_>,
        (org, source): (OrgId, SourceId),
        credentials: &Credentials,
        now: Timestamp,
    ) -> Result<()> {
        if credentials.is_empty() {
            return Ok(connections::keep_secret(tx, org, source, None, now)?);
        }
        let text = Zeroizing::new(serde_json::to_vec(credentials).map_err(Error::internal)?);
        let sealed = self.sealed(&self.sealing()?, (org, source), &text)?;
        Ok(connections::keep_secret(tx, org, source, Some(&sealed), now)?)
    }

    /// What opens a source.
    ///
    /// # Errors
    /// `SourceUnavailable` when it does not open here any more: whoever owns the source can send it again.
    pub(super) fn credentials(&self, org: OrgId, source: &Source) -> Result<Credentials> {
        // The key may be rotated between reading the row and reading the key: then the row has another one already.
        let opened = self.opened(org, source.id).or_else(|error| match error {
            SealError::Generation(_) => self.opened(org, source.id),
            SealError::Damaged => Err(error),
        });
        let Some(text) = opened.map_err(|error| unopened(source, error))? else { return Ok(Credentials::default()) };
        serde_json::from_slice(&text).map_err(|_| unopened(source, SealError::Damaged))
    }

    fn opened(&self, org: OrgId, source: SourceId) -> Result<Option<Zeroizing<Vec<u8>>>, SealError> {
        let sealed = self.store.read_now(|db| Ok(connections::secret(db, org, source)?));
        let sealed = sealed.map_err(|_| SealError::Damaged)?;
        let keys = self.sealing().map_err(|_| SealError::Damaged)?;
        sealed.map(|sealed| seal::open(&keys, &place(org, source), &sealed)).transpose()
    }

    /// Draws a new key for what is sealed in rows and seals all of it anew; then the older keys are forgotten. Works
    /// beside a server, which reads the key at each use.
    pub async fn rotate_sealing(&self, operator: &str) -> Result<Rotation> {
        let (app, actor, now) = (self.clone(), format!("operator {operator}"), self.clock.now());
        // One transaction: nobody seals between the new key and the last row.
        let rotation = self.store.write(move |tx| app.seal_anew(tx, &actor, now)).await?;
        let directory = self.data.secrets();
        self.store
            .write(move |tx| {
                let rows = connections::secrets(tx)?;
                let used: BTreeSet<i64> =
                    rows.iter().filter_map(|(_, _, sealed)| seal::generation(sealed).ok()).collect();
                Keyring::retire_sealing(&directory, |id| used.contains(&id)).map_err(Error::internal)
            })
            .await?;
        Ok(rotation)
    }

    fn seal_anew(&self, tx: &Tx<'_>, actor: &str, now: Timestamp) -> Result<Rotation> {
        let keys = Keyring::renew_sealing(&self.data.secrets(), &self.entropy).map_err(Error::internal)?;
        let mut rotation = Rotation { sealed: 0, left: 0 };
        for (org, source, sealed) in connections::secrets(tx)? {
            if let Ok(text) = seal::open(&keys, &place(org, source), &sealed) {
                connections::reseal(tx, org, source, &self.sealed(&keys, (org, source), &text)?)?;
                rotation.sealed += 1;
            } else {
                rotation.left += 1;
            }
        }
        let change = NewChange {
            at: now,
            org: None,
            origin: Origin::Cli,
            actor,
            request: None,
            action: "secrets.rotate",
            object: "sealing",
            before: None,
            after: Some(json!({"sealed": rotation.sealed, "left": rotation.left})),
        };
        changes::insert(tx, &change)?;
        Ok(rotation)
    }

    fn sealing(&self) -> Result<Generations> {
        Keyring::sealing(&self.data.secrets()).map_err(Error::internal)
    }

    fn sealed(&self, keys: &Generations, (org, source): (OrgId, SourceId), text: &[u8]) -> Result<Vec<u8>> {
        seal::seal(keys, &place(org, source), self.entropy.bytes(), text).map_err(Error::internal)
    }
}

fn unopened(source: &Source, error: SealError) -> Error {
    tracing::error!(source = %source.id.prefixed(), %error, "the secret of a data source does not open");
    Error::SourceUnavailable("The secret of the data source cannot be opened here; send it again.".to_owned())
}
