//! An error of every code, as a client may meet it: what the documents and the pages of the reference show. Their bodies
//! come from the same builder as every answer.

use std::net::{IpAddr, Ipv4Addr};

use uuid::Uuid;

use crate::domain::access::{Permission, Scope};
use crate::domain::code::Code;
use crate::domain::error::{Error, TakenBy};
use crate::domain::id::RequestId;
use crate::domain::window::WindowName;

/// The request whose answer is shown.
pub const REQUEST: RequestId = RequestId(Uuid::from_u128(0x0196_0a8f_4d2e_7c3b_9a51_6f0e_8d7c_4b2a));

/// An error of this code.
pub fn of(code: Code) -> Error {
    let said = |message: &str| Error::Recorded { code, message: message.to_owned() };
    match code {
        Code::InvalidRequest => Error::field("name", "is missing."),
        Code::InvalidJson => {
            Error::InvalidJson("The body is not valid JSON at line 1, column 12: expected `,` or `}`.".to_owned())
        }
        Code::UnknownField => Error::UnknownField("nam".to_owned()),
        Code::InvalidParameter => Error::parameter("limit", "must be 1 to 100."),
        Code::InvalidCursor => Error::InvalidCursor,
        Code::InvalidSql => Error::InvalidSql {
            message: "There is no column `delay`; did you mean `dep_delay`?".to_owned(),
            position: Some((1, 8)),
        },
        Code::TwoCredentials => Error::TwoCredentials,
        Code::CredentialsMissing => Error::CredentialsMissing,
        Code::InvalidKey => Error::InvalidKey,
        Code::KeyRevoked => Error::KeyRevoked,
        Code::KeyExpired => Error::KeyExpired,
        Code::KeyInUrl => Error::KeyInUrl,
        Code::InvalidToken => Error::InvalidToken,
        Code::InvalidLogin => Error::InvalidLogin,
        Code::InsufficientCredits => Error::InsufficientCredits { remaining: 10, estimated: 25 },
        Code::PermissionMissing => Error::PermissionMissing {
            permission: Some(Permission::DashboardsUpdate),
            by: TakenBy::Scope(Some(Scope::ReadOnly)),
        },
        Code::PlanRequired => Error::PlanRequired {
            feature: "API access",
            plan: "starter".to_owned(),
            needed: Some("professional".to_owned()),
        },
        Code::AddressNotAllowed => Error::AddressNotAllowed(Some(IpAddr::V4(Ipv4Addr::new(198, 51, 100, 7)))),
        Code::HttpsRequired => Error::HttpsRequired,
        Code::TrialEnded => Error::TrialEnded { plan: "trial".to_owned(), needed: Some("professional".to_owned()) },
        Code::SetupRequired => Error::NotSetUp,
        Code::NotFound => Error::NotFound { noun: "dashboard", id: "999".to_owned() },
        Code::MethodNotAllowed => Error::MethodNotAllowed("GET, HEAD, OPTIONS, POST".to_owned()),
        Code::NotAcceptable => Error::NotAcceptable("application/json or text/csv"),
        Code::RequestTimeout => Error::RequestTimeout,
        Code::Conflict => {
            Error::Conflict("There is a data source with the SQL name `sales` already; choose another name.".to_owned())
        }
        Code::NotReady => {
            Error::NotReady("The run is not over yet; ask for it again until its status is `succeeded`.".to_owned())
        }
        Code::TooLarge => Error::TooLarge { limit: 1 << 20 },
        Code::UnsupportedMediaType => Error::UnsupportedMediaType("application/json in UTF-8"),
        Code::MisdirectedRequest => Error::MisdirectedRequest,
        Code::InvalidFile => {
            Error::InvalidFile("`sales.csv` has 3 fields in line 7, and 4 in its first line.".to_owned())
        }
        Code::SourceUnavailable => Error::SourceUnavailable(
            "The server answered 404 instead of 200; check the URL, and what opens it.".to_owned(),
        ),
        Code::QueryTimeout => Error::QueryTimeout(Code::QueryTimeout.sentence().to_owned()),
        Code::QueryTooLarge => Error::QueryTooLarge(Code::QueryTooLarge.sentence().to_owned()),
        Code::QueryCanceled => Error::QueryCanceled,
        Code::RateLimited => Error::RateLimited { window: WindowName::Hour, limit: 1_000, retry_after: 30 },
        Code::Internal => Error::internal("shown in the reference"),
        Code::Overloaded => Error::Overloaded,
        Code::AuditUnavailable => Error::AuditUnavailable,
        Code::StorageUnavailable => Error::StorageUnavailable("shown in the reference".into()),
        Code::RangeNotSatisfiable => Error::RangeNotSatisfiable { length: 48_213 },
        Code::PreconditionFailed => Error::PreconditionFailed,
        Code::RequestInProgress | Code::AlreadyRotating | Code::IdempotencyMismatch => said(code.sentence()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sample_is_of_its_code_and_has_only_facts_that_the_table_names() {
        for code in Code::ALL {
            let error = of(*code);
            assert_eq!(error.code(), *code);
            for (name, _) in error.facts() {
                assert!(code.facts().contains(&name), "{}: {name}", code.as_str());
            }
        }
    }
}
