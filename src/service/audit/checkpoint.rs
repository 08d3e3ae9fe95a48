//! Signing where the chain ends: from time to time, after many entries, and at the end of the program.

use crate::domain::audit::checkpoint::PublicKey;
use crate::domain::audit::{Checkpoint, CheckpointKind, Signed, Signer};
use crate::domain::error::{Error, Result};
use crate::service::app::App;
use crate::store::audit::{checkpoints, entries};

impl App {
    /// Signs where the chain ends, if enough has come since it was last signed. Blocks.
    pub fn checkpoint_when_due(&self) -> Result<()> {
        let rules = self.settings.audit;
        let (newest, (seq, _)) =
            self.store.read_audit_now(|db| Ok((checkpoints::newest(db, CheckpointKind::Head)?, entries::head(db)?)))?;
        let is_due = match newest.map(|signed| signed.checkpoint) {
            None => seq > 0,
            Some(last) => {
                let next = last
                    .at_ms
                    .saturating_add_unsigned(rules.checkpoint_every.as_millis().try_into().unwrap_or(u64::MAX));
                seq - last.seq >= rules.checkpoint_entries || (seq > last.seq && self.clock.now().millis() >= next)
            }
        };
        if is_due { self.checkpoint() } else { Ok(()) }
    }

    /// Signs where the chain ends, and keeps that in the file and beside it. Nothing beside a server, and when nothing has
    /// come since. Blocks.
    pub fn checkpoint(&self) -> Result<()> {
        let Some(appender) = self.store.appender() else { return Ok(()) };
        let (newest, (seq, hash)) =
            self.store.read_audit_now(|db| Ok((checkpoints::newest(db, CheckpointKind::Head)?, entries::head(db)?)))?;
        if newest.map_or(0, |signed| signed.checkpoint.seq) == seq {
            return Ok(());
        }
        let signed = self.sign(CheckpointKind::Head, seq, hash)?;
        // What is signed survives power loss: otherwise a power cut would look like somebody's scissors.
        self.store.sync_audit()?;
        checkpoints::insert(appender, signed).committed_now()?;
        self.data.replace(&self.data.audit_head(), &format!("{}\n", signed.text())).map_err(Error::internal)?;
        tracing::debug!(checkpoint = signed.text(), "the audit log was signed");
        Ok(())
    }

    /// Signs a place of the chain.
    pub(super) fn sign(&self, kind: CheckpointKind, seq: i64, hash: [u8; 32]) -> Result<Signed> {
        let checkpoint = Checkpoint { kind, seq, hash, at_ms: self.clock.now().millis() };
        Ok(signer(self.keyring.audit.current().1.expose())?.sign(checkpoint))
    }

    /// What checks the signatures, oldest first.
    pub fn audit_keys(&self) -> Result<Vec<PublicKey>> {
        self.keyring.audit.all().map(|secret| Ok(signer(secret.expose())?.public_key())).collect()
    }
}

fn signer(seed: &[u8; 32]) -> Result<Signer> {
    Signer::from_seed(seed).ok_or_else(|| Error::internal("the key that signs the audit log cannot be used"))
}
