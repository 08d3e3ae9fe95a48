//! Users on the wire.

use poem_openapi::Object;
use poem_openapi::types::{ParseFromJSON, ToJSON, Type};
use serde::Serialize;

use super::session::Role;
use super::{Spelling, Stamp};
use crate::domain::org as domain;
use crate::http::conditional::Tagged;

/// A user.
#[derive(Serialize, Object)]
pub struct User<I: Type + ParseFromJSON + ToJSON> {
    id: I,
    /// First and last name; the e-mail of a user who has neither.
    name: String,
    email: String,
    /// May be empty.
    first_name: String,
    /// May be empty.
    last_name: String,
    role: Role,
    created_at: Stamp,
    updated_at: Stamp,
}

impl<I: Spelling> From<domain::User> for User<I> {
    fn from(user: domain::User) -> Self {
        Self {
            id: I::of(user.id, user.uuid),
            name: user.name(),
            email: user.email,
            first_name: user.first_name,
            last_name: user.last_name,
            role: user.role.into(),
            created_at: user.created_at.into(),
            updated_at: user.updated_at.into(),
        }
    }
}

impl<I: Spelling> Tagged for User<I> {}
