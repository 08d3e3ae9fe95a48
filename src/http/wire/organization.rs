//! The caller's organization on the wire: what every member may know of it.

use poem_openapi::Object;
use poem_openapi::types::{ParseFromJSON, ToJSON, Type};
use serde::Serialize;

use super::key::Environment;
use super::limits::Credits;
use super::{Spelling, Stamp};
use crate::http::conditional::Tagged;
use crate::service::usage as service;

/// An organization with its plan and credits.
#[derive(Serialize, Object)]
pub struct Organization<I: Type + ParseFromJSON + ToJSON> {
    id: I,
    name: String,
    /// Which kind of keys it has: `test` in a sandbox, otherwise `live`.
    environment: Environment,
    plan: String,
    credits: Credits,
    created_at: Stamp,
    updated_at: Stamp,
}

impl<I: Spelling> From<service::Organization> for Organization<I> {
    fn from(service::Organization { org, credits }: service::Organization) -> Self {
        Self {
            id: I::of(org.id, org.uuid),
            name: org.name,
            environment: org.kind.environment().into(),
            plan: org.plan,
            credits: credits.into(),
            created_at: org.created_at.into(),
            updated_at: org.updated_at.into(),
        }
    }
}

impl<I: Spelling> Tagged for Organization<I> {}
