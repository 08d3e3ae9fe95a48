//! How keys end: one, or many at once.

use serde_json::json;

use super::{KeyView, find, whose};
use crate::domain::access::Permission;
use crate::domain::error::Result;
use crate::domain::id::{IdRef, Key as KeyKind};
use crate::domain::org::name;
use crate::service::app::App;
use crate::service::caller::Caller;
use crate::service::conditions::Standing;
use crate::store::main::keys::{self, Whose};

/// The longest reason, in characters.
const REASON_LENGTH: usize = 500;

/// Whose keys are revoked at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// The caller's own.
    Own,
    /// All of the organisation.
    Organization,
}

impl App {
    /// Revokes a key; when this returns, no later request is let in by it. The second time it is the same answer.
    pub async fn revoke_key(
        &self,
        caller: &Caller,
        id: &IdRef<KeyKind>,
        spelled: &str,
        reason: Option<String>,
    ) -> Result<KeyView> {
        caller.require_key_management()?;
        check_reason(reason.as_deref())?;
        let view = self.key(caller, id, spelled)?;
        if view.key.revoked_at.is_some() {
            return Ok(view);
        }
        let (writer, id) = (caller.clone(), view.key.id);
        self.store
            .write(move |tx| {
                let key = find(tx, &writer, id, whose(&writer))?;
                let before = json!({"status": key.status(writer.at).as_str()});
                writer.expects(Standing::Key(&KeyView { key, ..view }))?;
                keys::revoke(tx, writer.org(), id, reason.as_deref(), writer.at)?;
                let after = json!({"status": "revoked", "reason": reason});
                writer.record(tx, "key.revoke", &id.prefixed(), Some(before), Some(after))
            })
            .await?;
        self.key(caller, &IdRef::Number(id), spelled)
    }

    /// Revokes all keys that work, the caller's included, and leaves sessions; gives how many there were.
    pub async fn revoke_keys(&self, caller: &Caller, reach: Reach, reason: Option<String>) -> Result<usize> {
        caller.require_key_management()?;
        check_reason(reason.as_deref())?;
        let user = caller.identity().holder.user;
        let (whose, object) = match reach {
            Reach::Own => (Whose::Of(user), user.prefixed()),
            Reach::Organization => {
                caller.require(Permission::KeysManageAll)?;
                (Whose::Everyones, caller.org().prefixed())
            }
        };
        let writer = caller.clone();
        self.store
            .write(move |tx| {
                let revoked = keys::revoke_all(tx, writer.org(), whose, reason.as_deref(), writer.at)?;
                if !revoked.is_empty() {
                    let ids: Vec<String> = revoked.iter().map(|id| id.prefixed()).collect();
                    let after = json!({"revoked": ids, "reason": reason});
                    writer.record(tx, "key.revoke_all", &object, None, Some(after))?;
                }
                Ok(revoked.len())
            })
            .await
    }
}

fn check_reason(reason: Option<&str>) -> Result<()> {
    reason.map_or(Ok(()), |reason| name("reason", reason, REASON_LENGTH).map(drop))
}
