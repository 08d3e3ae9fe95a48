//! What requests with an Idempotency-Key did, written by the transactions that did it. Who may ask for it again, and
//! what is answered then, is the business of `service::once`.

use rusqlite::{OptionalExtension, Row};

use crate::domain::id::{OrgId, RunId, SourceId};
use crate::domain::time::Timestamp;
use crate::store::{Main, Reader, StoreError, Tx};

/// What a request is known by when it comes again.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Claim {
    /// The organisation.
    pub org: OrgId,
    /// A lineage of keys, or the negative of a user's id.
    pub owner: i64,
    /// The path, without a slash at its end.
    pub path: String,
    /// The Idempotency-Key.
    pub key: String,
}

/// SHA-256 of what a request asks for.
pub type Fingerprint = [u8; 32];

/// Work that goes on when its request has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// A run of a report.
    Run(RunId),
    /// A source whose files are being read.
    Source(SourceId),
}

/// An answer as it was sent, secrets apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredAnswer {
    /// The status.
    pub status: u16,
    /// JSON.
    pub body: Vec<u8>,
}

/// How far an earlier request came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// To its answer.
    Answered(StoredAnswer),
    /// To work that was not answered for.
    Begun(Effect),
}

/// What an earlier request left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Earlier {
    /// What it asked for.
    pub fingerprint: Fingerprint,
    /// How far it came.
    pub outcome: Outcome,
}

fn read(row: &Row<'_>) -> rusqlite::Result<Earlier> {
    let run: Option<RunId> = row.get("run_id")?;
    let source: Option<SourceId> = row.get("source_id")?;
    let outcome = match (run, source) {
        (Some(run), _) => Outcome::Begun(Effect::Run(run)),
        (None, Some(source)) => Outcome::Begun(Effect::Source(source)),
        (None, None) => Outcome::Answered(StoredAnswer { status: row.get("status")?, body: row.get("body")? }),
    };
    Ok(Earlier { fingerprint: row.get("fingerprint")?, outcome })
}

/// What the request of this claim left, if it came after `since`.
pub fn find(db: &Reader<'_, Main>, claim: &Claim, since: Timestamp) -> Result<Option<Earlier>, StoreError> {
    let Claim { org, owner, path, key } = claim;
    let found = db
        .prepare(
            "SELECT fingerprint, run_id, source_id, status, body FROM idempotency
             WHERE org_id = ?1 AND owner = ?2 AND path = ?3 AND key = ?4 AND created_at > ?5",
        )?
        .query_row(rusqlite::params![org, owner, path, key, since], read)
        .optional()?;
    Ok(found)
}

/// Notes how far a request came, in the place of what it, or an expired one, noted before.
pub fn put(tx: &Tx<'_>, claim: &Claim, earlier: &Earlier, now: Timestamp) -> Result<(), StoreError> {
    let (mut run, mut source, mut answer) = (None, None, None);
    match &earlier.outcome {
        Outcome::Begun(Effect::Run(id)) => run = Some(id),
        Outcome::Begun(Effect::Source(id)) => source = Some(id),
        Outcome::Answered(stored) => answer = Some(stored),
    }
    tx.prepare(
        "INSERT OR REPLACE INTO idempotency
             (org_id, owner, path, key, fingerprint, created_at, run_id, source_id, status, body)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )?
    .execute(rusqlite::params![
        claim.org,
        claim.owner,
        claim.path,
        claim.key,
        earlier.fingerprint,
        now,
        run,
        source,
        answer.map(|stored| stored.status),
        answer.map(|stored| &stored.body),
    ])?;
    Ok(())
}

/// Lets go of the request that began a run: the run has failed, and the request may be sent again.
pub fn free_run(tx: &Tx<'_>, org: OrgId, run: RunId) -> Result<(), StoreError> {
    tx.prepare("DELETE FROM idempotency WHERE org_id = ?1 AND run_id = ?2")?.execute(rusqlite::params![org, run])?;
    Ok(())
}

/// Removes what every organisation's requests left before this instant; gives how much it was.
pub fn purge(tx: &Tx<'_>, before: Timestamp) -> Result<usize, StoreError> {
    Ok(tx.prepare("DELETE FROM idempotency WHERE created_at <= ?1")?.execute([before])?)
}
