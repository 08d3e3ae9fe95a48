//! What opens sources: sealed in their rows, opened when they are synced, and shown to nobody.

use std::collections::BTreeSet;

use serde_json::json;
use zeroize::Zeroizing;

use crate::domain::connection::Credentials;
use crate::domain::error::{Error, Result};
use crate::domain::id::{IdRef, OrgId, Source as SourceKind, SourceId};
use crate::domain::source::Source;
use crate::domain::time::Timestamp;
use crate::keyring::seal::{self, Place, SealError};
use crate::keyring::{Generations, Keyring};
use crate::service::app::App;
use crate::store::Tx;
use crate::store::main::changes::{self, NewChange, Origin};
use crate::store::main::{connections, sources};

/// The text of a secret, where there is one.
type Opened = Option<Zeroizing<Vec<u8>>>;

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

    /// A source with what opens it, both of one moment: a secret goes nowhere that it was not given for.
    ///
    /// # Errors
    /// `SourceUnavailable` when it does not open here any more: whoever owns the source can send it again.
    pub(super) fn source_to_open(&self, org: OrgId, id: SourceId) -> Result<(Source, Credentials)> {
        let (source, text) = match self.opened(org, id)? {
            // The key was rotated between reading the row and reading the key: the row has another one already.
            (_, Err(SealError::Generation(_))) => self.opened(org, id)?,
            found => found,
        };
        let Some(text) = text.map_err(|error| unopened(&source, error))? else {
            return Ok((source, Credentials::default()));
        };
        let credentials = serde_json::from_slice(&text).map_err(|_| unopened(&source, SealError::Damaged))?;
        Ok((source, credentials))
    }

    /// What opens a source, within a transaction that changes it.
    pub(super) fn credentials_in(
        &self,
        tx: &Tx<'_>,
        (org, id): (OrgId, SourceId),
    ) -> Result<Result<Credentials, SealError>> {
        let Some(sealed) = connections::secret(tx, org, id)? else { return Ok(Ok(Credentials::default())) };
        let opened = seal::open(&self.sealing()?, &place(org, id), &sealed);
        Ok(opened.and_then(|text| serde_json::from_slice(&text).map_err(|_| SealError::Damaged)))
    }

    fn opened(&self, org: OrgId, id: SourceId) -> Result<(Source, Result<Opened, SealError>)> {
        let (source, sealed) = self.store.read_now(|db| {
            let source = sources::find(db, org, &IdRef::Number(id))?;
            let source = source.ok_or_else(|| Error::not_found::<SourceKind>(id.prefixed()))?;
            Ok((source, connections::secret(db, org, id)?))
        })?;
        let Some(sealed) = sealed else { return Ok((source, Ok(None))) };
        let opened = seal::open(&self.sealing()?, &place(org, id), &sealed);
        Ok((source, opened.map(Some)))
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
