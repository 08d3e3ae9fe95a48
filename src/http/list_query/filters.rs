//! The filters of each resource's lists: which parameters there are, and how they are read.

use std::net::IpAddr;

use poem_openapi::registry::MetaSchema;

use super::given::{Given, TEXT_LENGTH};
use super::{ListFilter, Parameter};
use crate::domain::access::Role;
use crate::domain::audit::Outcome;
use crate::domain::audit::filter::{self, AuditFilter};
use crate::domain::connection::{Kind, Mode};
use crate::domain::dashboard::DashboardFilter;
use crate::domain::error::{Error, Result};
use crate::domain::id::RequestId;
use crate::domain::key::{KeyFilter, Owner, Sought};
use crate::domain::key_text::Environment;
use crate::domain::ledger::{EntryKind, LedgerFilter};
use crate::domain::operation::Operation;
use crate::domain::page::SortBy;
use crate::domain::report::{ReportFilter, ReportFormat, ReportTemplateFilter, RunFilter, RunStatus, TemplateKind};
use crate::domain::saved_query::SavedQueryFilter;
use crate::domain::session::SessionFilter;
use crate::domain::source::{SourceFilter, SourceStatus};
use crate::domain::sync::{SyncFilter, SyncStatus, Trigger};
use crate::domain::user::{self, UserFilter};
use crate::http::face::Face;

impl ListFilter for DashboardFilter {
    const ORDERS: &'static [SortBy] = &[SortBy::CreatedAt, SortBy::UpdatedAt, SortBy::Name];

    fn parameters(_face: Face) -> Vec<Parameter> {
        [part_of_name()].into_iter().chain(created()).chain([updated()]).collect()
    }

    fn read(given: &Given<'_>) -> Result<Self> {
        Ok(Self { times: given.times()?, q: given.sought("q")? })
    }
}

impl ListFilter for SavedQueryFilter {
    const ORDERS: &'static [SortBy] = &[SortBy::CreatedAt, SortBy::UpdatedAt, SortBy::Name];

    fn parameters(_face: Face) -> Vec<Parameter> {
        [part_of_name()].into_iter().chain(created()).chain([updated()]).collect()
    }

    fn read(given: &Given<'_>) -> Result<Self> {
        Ok(Self { times: given.times()?, q: given.sought("q")? })
    }
}

impl ListFilter for SourceFilter {
    const ORDERS: &'static [SortBy] = &[SortBy::CreatedAt, SortBy::UpdatedAt, SortBy::Name];

    fn parameters(face: Face) -> Vec<Parameter> {
        let status = (face != Face::External)
            .then(|| one_of("status", "How they stand.", &SourceStatus::ALL, SourceStatus::as_str));
        let kind = one_of("kind", "What they are.", &Kind::ALL, Kind::as_str);
        let mode =
            (face != Face::External).then(|| one_of("mode", "How queries reach their data.", &Mode::ALL, Mode::as_str));
        let own = status.into_iter().chain([kind]).chain(mode);
        own.chain([part_of_name()]).chain(created()).chain([updated()]).collect()
    }

    fn read(given: &Given<'_>) -> Result<Self> {
        let status = match given.face {
            // What cannot be queried is not shown there.
            Face::External => Some(SourceStatus::Active),
            Face::Platform | Face::V1 => given.one_of("status", &SourceStatus::ALL, SourceStatus::as_str)?,
        };
        Ok(Self {
            times: given.times()?,
            q: given.sought("q")?,
            status,
            kind: given.one_of("kind", &Kind::ALL, Kind::as_str)?,
            mode: given.one_of("mode", &Mode::ALL, Mode::as_str)?,
        })
    }
}

impl ListFilter for SyncFilter {
    const ORDERS: &'static [SortBy] = &[SortBy::CreatedAt];

    fn parameters(_face: Face) -> Vec<Parameter> {
        let status = one_of("status", "How they stand.", &SyncStatus::ALL, SyncStatus::as_str);
        let trigger = one_of("trigger", "Why they began.", &Trigger::ALL, Trigger::as_str);
        [status, trigger].into_iter().chain(created()).collect()
    }

    fn read(given: &Given<'_>) -> Result<Self> {
        Ok(Self {
            times: given.times()?,
            status: given.one_of("status", &SyncStatus::ALL, SyncStatus::as_str)?,
            trigger: given.one_of("trigger", &Trigger::ALL, Trigger::as_str)?,
        })
    }
}

impl ListFilter for ReportFilter {
    const ORDERS: &'static [SortBy] = &[SortBy::CreatedAt, SortBy::UpdatedAt, SortBy::Name];

    fn parameters(_face: Face) -> Vec<Parameter> {
        let own = [
            one_of("status", "How their newest run stands.", &RunStatus::ALL, RunStatus::as_str),
            text("template_id", "Reports of this template. An id in any spelling of this face."),
            text("dashboard_id", "Reports that print this dashboard. An id in any spelling of this face."),
        ];
        own.into_iter().chain([part_of_name()]).chain(created()).chain([updated()]).collect()
    }

    fn read(given: &Given<'_>) -> Result<Self> {
        Ok(Self {
            times: given.times()?,
            q: given.sought("q")?,
            status: given.one_of("status", &RunStatus::ALL, RunStatus::as_str)?,
            template: given.id("template_id"),
            dashboard: given.id("dashboard_id"),
        })
    }
}

impl ListFilter for RunFilter {
    const ORDERS: &'static [SortBy] = &[SortBy::CreatedAt];

    fn parameters(_face: Face) -> Vec<Parameter> {
        let status = one_of("status", "How they stand.", &RunStatus::ALL, RunStatus::as_str);
        let format = one_of("format", "The format of their file.", &ReportFormat::ALL, ReportFormat::as_str);
        [status, format].into_iter().chain(created()).collect()
    }

    fn read(given: &Given<'_>) -> Result<Self> {
        Ok(Self {
            times: given.times()?,
            status: given.one_of("status", &RunStatus::ALL, RunStatus::as_str)?,
            format: given.one_of("format", &ReportFormat::ALL, ReportFormat::as_str)?,
        })
    }
}

impl ListFilter for ReportTemplateFilter {
    const ORDERS: &'static [SortBy] = &[SortBy::CreatedAt, SortBy::Name];

    fn parameters(_face: Face) -> Vec<Parameter> {
        let kind = one_of("kind", "What they do.", &TemplateKind::ALL, TemplateKind::as_str);
        [kind, part_of_name()].into_iter().chain(created()).collect()
    }

    fn read(given: &Given<'_>) -> Result<Self> {
        Ok(Self {
            times: given.times()?,
            q: given.sought("q")?,
            kind: given.one_of("kind", &TemplateKind::ALL, TemplateKind::as_str)?,
        })
    }
}

impl ListFilter for KeyFilter {
    const ORDERS: &'static [SortBy] = &[SortBy::CreatedAt, SortBy::Name];

    fn parameters(_face: Face) -> Vec<Parameter> {
        let own = [
            one_of("status", "How they stand, or what to look at of active ones.", &Sought::ALL, Sought::as_str),
            one_of("environment", "Live or test.", &Environment::ALL, Environment::as_str),
            text("user", "Keys of this user: an id in any spelling of this face, or an e-mail."),
        ];
        own.into_iter().chain([part_of_name()]).chain(created()).collect()
    }

    fn read(given: &Given<'_>) -> Result<Self> {
        Ok(Self {
            times: given.times()?,
            q: given.sought("q")?,
            status: given.one_of("status", &Sought::ALL, Sought::as_str)?,
            environment: given.one_of("environment", &Environment::ALL, Environment::as_str)?,
            user: owner(given),
        })
    }
}

impl ListFilter for UserFilter {
    const ORDERS: &'static [SortBy] = &[SortBy::CreatedAt, SortBy::UpdatedAt, SortBy::Name];

    fn parameters(_face: Face) -> Vec<Parameter> {
        let own = [
            one_of("role", "What they are.", &Role::ALL, Role::as_str),
            one_of("status", "How they stand.", &user::Status::ALL, user::Status::as_str),
            sought("A part of the name or the e-mail, in any case."),
        ];
        own.into_iter().chain(created()).chain([updated()]).collect()
    }

    fn read(given: &Given<'_>) -> Result<Self> {
        Ok(Self {
            times: given.times()?,
            q: given.sought("q")?,
            role: given.one_of("role", &Role::ALL, Role::as_str)?,
            status: given.one_of("status", &user::Status::ALL, user::Status::as_str)?,
        })
    }
}

impl ListFilter for SessionFilter {
    const ORDERS: &'static [SortBy] = &[SortBy::CreatedAt];

    fn parameters(_face: Face) -> Vec<Parameter> {
        let user = text(
            "user",
            "Sessions of this user, whom the caller may manage: an id in any spelling of this face, or an e-mail. \
             Without it, the caller's own.",
        );
        [user].into_iter().chain(created()).collect()
    }

    fn read(given: &Given<'_>) -> Result<Self> {
        Ok(Self { times: given.times()?, user: owner(given) })
    }
}

impl ListFilter for LedgerFilter {
    const ORDERS: &'static [SortBy] = &[SortBy::CreatedAt];

    fn parameters(_face: Face) -> Vec<Parameter> {
        let own = [
            one_of("kind", "What they are.", &EntryKind::ALL, EntryKind::as_str),
            text("user", "Entries for this user: an id in any spelling of this face, or an e-mail."),
            text("key", "Entries for work that was asked for with this API key: an id in any spelling of this face."),
        ];
        own.into_iter().chain(created()).collect()
    }

    fn read(given: &Given<'_>) -> Result<Self> {
        Ok(Self {
            times: given.times()?,
            kind: given.one_of("kind", &EntryKind::ALL, EntryKind::as_str)?,
            user: owner(given),
            key: given.id("key"),
        })
    }
}

impl ListFilter for AuditFilter {
    const ORDERS: &'static [SortBy] = &[SortBy::CreatedAt];

    fn parameters(_face: Face) -> Vec<Parameter> {
        let own = [
            text("key", "Calls with this key: an id in any spelling of this face."),
            text("key_prefix", "Calls with a key of these 8 public characters, the last ones of its printed prefix."),
            text("user", "Calls of this user: an id in any spelling of this face, or an e-mail."),
            text("operation", "Calls of this operation, by its `operationId`."),
            one_of("outcome", "What became of them.", &Outcome::ALL, Outcome::as_str),
            text("status", "Calls with this status: `404`, or `4xx` for all of a hundred."),
            text("address", "Calls from this IP address."),
            text("request_id", "The call with this `X-Request-Id`."),
        ];
        own.into_iter().chain(created()).collect()
    }

    fn read(given: &Given<'_>) -> Result<Self> {
        let operation = |text: &str| {
            let known = Operation::find(text).map(|operation| operation.id);
            known.ok_or_else(|| Error::parameter("operation", "must be the `operationId` of an operation."))
        };
        let prefix = |text: &str| {
            let characters = text.as_bytes().try_into();
            characters.map_err(|_| Error::parameter("key_prefix", "must be 8 characters, without `claribi_sk_`."))
        };
        let status = |text: &str| {
            filter::status(text).ok_or_else(|| Error::parameter("status", "must be a status such as 404, or 4xx."))
        };
        let address = |text: &str| {
            let address: Option<IpAddr> = text.parse().ok();
            address
                .map(|address| address.to_canonical())
                .ok_or_else(|| Error::parameter("address", "must be an IP address such as 203.0.113.9."))
        };
        Ok(Self {
            times: given.times()?,
            key: given.id("key"),
            key_prefix: given.text("key_prefix").map(prefix).transpose()?,
            user: owner(given),
            operation: given.text("operation").map(operation).transpose()?,
            outcome: given.one_of("outcome", &Outcome::ALL, Outcome::as_str)?,
            status: given.text("status").map(status).transpose()?,
            address: given.text("address").map(address).transpose()?,
            // Text that is no id is an unknown one.
            request: given
                .text("request_id")
                .map(|text| RequestId::parse(text).map_or([0; 16], |id| id.0.into_bytes())),
        })
    }
}

/// The user that the parameter `user` names.
pub(in crate::http) fn owner(given: &Given<'_>) -> Option<Owner> {
    given.text("user").map(|text| match text.contains('@') {
        true => Owner::Email(text.to_lowercase()),
        false => Owner::Id(given.spelled(text)),
    })
}

/// A parameter that is text.
pub(in crate::http) fn text(name: &'static str, description: &'static str) -> Parameter {
    (name, MetaSchema { description: Some(description), ..MetaSchema::new("string") })
}

fn one_of<T: Copy>(
    name: &'static str,
    description: &'static str,
    all: &[T],
    spelled: impl Fn(T) -> &'static str,
) -> Parameter {
    let enum_items = all.iter().map(|value| spelled(*value).into()).collect();
    (name, MetaSchema { description: Some(description), enum_items, ..MetaSchema::new("string") })
}

/// A parameter that is an instant.
pub(in crate::http) fn instant(name: &'static str, description: &'static str) -> Parameter {
    (name, MetaSchema { description: Some(description), ..MetaSchema::new_with_format("string", "date-time") })
}

fn part_of_name() -> Parameter {
    sought("A part of the name, in any case.")
}

fn sought(description: &'static str) -> Parameter {
    let (name, schema) = text("q", description);
    (name, MetaSchema { max_length: Some(TEXT_LENGTH), ..schema })
}

fn created() -> [Parameter; 2] {
    [instant("created_after", "Made at this instant or later."), instant("created_before", "Made before this instant.")]
}

fn updated() -> Parameter {
    instant("updated_after", "Changed at this instant or later.")
}
