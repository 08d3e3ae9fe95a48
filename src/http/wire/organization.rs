//! The caller's organization on the wire: what every member may know of it.

use poem_openapi::Object;
use poem_openapi::types::{ParseFromJSON, ToJSON, Type};
use serde::{Deserialize, Serialize};

use super::key::Environment;
use super::limits::Credits;
use super::{Spelling, Stamp};
use crate::http::conditional::Tagged;
use crate::service::organizations as service;

/// An organization with its plan and credits.
#[derive(Serialize, Object)]
pub struct Organization<I: Type + ParseFromJSON + ToJSON> {
    id: I,
    name: String,
    /// Which kind of keys it has: `test` in a sandbox, otherwise `live`.
    environment: Environment,
    plan: String,
    credits: Credits,
    /// The sandbox organization that it has, with the same people; null without one.
    sandbox_id: Option<I>,
    created_at: Stamp,
    updated_at: Stamp,
}

impl<I: Spelling> From<service::Organization> for Organization<I> {
    fn from(service::Organization { org, credits, sandbox }: service::Organization) -> Self {
        Self {
            id: I::of(org.id, org.uuid),
            name: org.name,
            environment: org.kind.environment().into(),
            plan: org.plan,
            credits: credits.into(),
            sandbox_id: sandbox.map(|(id, uuid)| I::of(id, uuid)),
            created_at: org.created_at.into(),
            updated_at: org.updated_at.into(),
        }
    }
}

impl<I: Spelling> Tagged for Organization<I> {
    /// Credits come and go, and are nothing that somebody's change could overwrite.
    fn definition(&self) -> Option<impl Serialize> {
        Some((&self.name, &self.plan, &self.sandbox_id))
    }
}

/// A change of an organization.
#[derive(Debug, Deserialize, Object)]
#[serde(deny_unknown_fields)]
pub struct OrganizationPatch {
    /// 1 to 200 characters.
    #[oai(validator(min_length = 1, max_length = 200))]
    pub name: String,
}

/// A sandbox organization to be made.
#[derive(Debug, Deserialize, Object)]
#[serde(deny_unknown_fields)]
pub struct NewSandbox {
    /// 1 to 200 characters; "Sandbox" unless it is given.
    #[serde(default)]
    #[oai(validator(min_length = 1, max_length = 200))]
    pub name: Option<String>,
}
