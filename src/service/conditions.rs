//! What a request says that an object must be for it to be changed: asked within the transaction that changes it, so
//! that nothing comes between the question and the change.

use super::keys::KeyView;
use super::organizations::Organization;
use super::sessions::SessionView;
use crate::domain::catalog::CatalogTable;
use crate::domain::dashboard::Dashboard;
use crate::domain::error::Result;
use crate::domain::report::Report;
use crate::domain::saved_query::SavedQuery;
use crate::domain::source::Source;
use crate::domain::user::User;

/// An object as it stands now.
#[derive(Debug, Clone, Copy)]
pub enum Standing<'o> {
    /// A dashboard with its widgets.
    Dashboard(&'o Dashboard),
    /// A saved query.
    SavedQuery(&'o SavedQuery),
    /// A data source with its tables.
    Source(&'o Source),
    /// A table of a data source.
    Table(&'o CatalogTable),
    /// A report with its newest run.
    Report(&'o Report),
    /// A user.
    User(&'o User),
    /// A session; how it was used does not matter.
    Session(&'o SessionView),
    /// An organisation with its credits.
    Organization(&'o Organization),
    /// A key; how it was used does not matter.
    Key(&'o KeyView),
}

/// The conditions of a request. A face knows what it showed to its client, so the HTTP side implements this.
pub trait Conditions: Send + Sync {
    /// Whether the object is still what the client has seen.
    ///
    /// # Errors
    /// `PreconditionFailed` when it is not.
    fn check(&self, object: Standing<'_>) -> Result<()>;
}
