//! The faces' operations put together: one list each, from which routes and documents are made.

use std::collections::{BTreeSet, HashMap};
use std::sync::LazyLock;

use super::face::Face;
use super::operations::{self, Routes};
use super::{api, api_v1, v1};
use crate::service::app::App;

/// The routers of the faces, in the order of [`Face::ALL`].
///
/// # Errors
/// When faces and table of operations do not fit together.
pub fn join(app: &App) -> Result<[Routes; 3], String> {
    let mut registered: BTreeSet<&str> = operations::ids::<api::Api>();
    registered.extend(operations::ids::<api_v1::Api>());
    registered.extend(operations::ids::<v1::Api>());
    if let [first, ..] = operations::unregistered(&registered)[..] {
        return Err(format!("the operation `{first}` is in the table, and no face has it"));
    }
    Ok([
        Routes::join(Face::Platform, api::all(app))?,
        Routes::join(Face::External, api_v1::all(app))?,
        Routes::join(Face::V1, v1::all(app))?,
    ])
}

/// The path of an operation on a face, with the names of its variables.
pub fn template(face: Face, operation: &str) -> Option<&'static str> {
    static PATHS: LazyLock<[HashMap<&'static str, String>; 3]> = LazyLock::new(|| {
        [operations::paths::<api::Api>(), operations::paths::<api_v1::Api>(), operations::paths::<v1::Api>()]
    });
    PATHS[face as usize].get(operation).map(String::as_str)
}
