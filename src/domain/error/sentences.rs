//! What is said of an error to whoever reads it: one sentence that tells what to do. Those of errors without facts stand in
//! the table of codes.

use std::fmt;

use super::{Error, TakenBy};
use crate::domain::access::Permissions;

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidRequest(message)
            | Self::InvalidJson(message)
            | Self::Conflict(message)
            | Self::NotReady(message)
            | Self::InvalidFile(message)
            | Self::SourceUnavailable(message)
            | Self::QueryTimeout(message)
            | Self::QueryTooLarge(message)
            | Self::Recorded { message, .. } => out.write_str(message),
            Self::InvalidField { field, reason } => write!(out, "`{field}` {reason}"),
            Self::UnknownField(field) => write!(out, "`{field}` is not a field of this operation; leave it out."),
            Self::InvalidParameter { name, reason } => write!(out, "`{name}` {reason}"),
            Self::InvalidSql { message, .. } => out.write_str(message),
            Self::InsufficientCredits { remaining, estimated } => {
                write!(out, "Need ~{estimated} credits, have {remaining}")
            }
            Self::PermissionMissing { permission: None, .. } => out.write_str(
                "Managing keys takes a session or a key with the scope `read-write`; log in, or use such a key.",
            ),
            Self::PermissionMissing { permission: Some(permission), by } => {
                let needed = permission.as_str();
                match by {
                    TakenBy::Scope(_) if Permissions::NEVER_IN_A_KEY.holds(*permission) => {
                        write!(out, "No key may hold the permission `{needed}`; log in and use the session.")
                    }
                    TakenBy::Scope(Some(scope)) => {
                        let scope = scope.as_str();
                        write!(
                            out,
                            "The key's scope `{scope}` does not include the permission `{needed}`; use a key that has it."
                        )
                    }
                    TakenBy::Scope(None) => {
                        write!(out, "The permission `{needed}` is not in the key's list; use a key that was given it.")
                    }
                    TakenBy::Role(role) => {
                        let role = role.as_str();
                        write!(
                            out,
                            "The role `{role}` does not include the permission `{needed}`; an owner or administrator \
                             can give another role."
                        )
                    }
                }
            }
            Self::SessionRequired => out.write_str("API keys cannot do this; log in and use the session."),
            Self::PlanRequired { feature, plan, needed } => {
                write!(out, "The plan `{plan}` does not include {feature}")?;
                match needed {
                    Some(needed) => {
                        write!(out, "; the plan `{needed}` does. Whoever operates the server sets plans.")
                    }
                    None => out.write_str(", and no other does; whoever operates the server sets what plans include."),
                }
            }
            Self::TrialEnded { plan, needed } => {
                write!(out, "The trial, which is the plan `{plan}`, has ended; reading still works")?;
                match needed {
                    Some(needed) => {
                        write!(out, ", and the plan `{needed}` goes on. Whoever operates the server sets plans.")
                    }
                    None => out.write_str(". Whoever operates the server sets plans."),
                }
            }
            Self::AddressNotAllowed(None) => out.write_str(
                "The key has a list of networks, and the proxy names no address for the caller in `X-Forwarded-For` \
                 that can be read; let the proxy set it.",
            ),
            Self::AddressNotAllowed(Some(address)) => {
                write!(
                    out,
                    "The key may not be used from {address}: its list names other networks. Call from one of these, or use another key."
                )
            }
            Self::HttpsRequired => out.write_str(
                "Requests must come over HTTPS. Put a TLS proxy in front and list its address in \
                 `server.trusted_proxies`, or call the server on a loopback address.",
            ),
            Self::RequestInProgress => out.write_str(
                "A request with this Idempotency-Key is being served; send it again in a moment for its answer.",
            ),
            Self::AlreadyRotating { until } => write!(
                out,
                "The key is being rotated until {until}: use its successor, or revoke the older of the two to end it sooner."
            ),
            Self::IdempotencyMismatch => out.write_str(
                "This Idempotency-Key was used here with another request; give each request a key of its own.",
            ),
            Self::NotFound { noun, id } => write!(out, "No {noun} with ID {id} was found."),
            Self::NoSuchPath => out.write_str("There is nothing at this path; /docs/ lists what there is."),
            Self::MethodNotAllowed(allow) => write!(out, "This path has the methods {allow}; use one of these."),
            Self::NotAcceptable(offered) => write!(out, "This operation answers in {offered} only; accept that."),
            Self::PreconditionFailed => out.write_str(
                "The object is not as `If-Match` or `If-None-Match` wants it; read it again and send its `ETag`.",
            ),
            Self::RangeNotSatisfiable { length } => {
                write!(out, "The file has {length} bytes; ask for a range that begins within them.")
            }
            Self::UnsupportedCoding => out.write_str("Send the body as it is, without `Content-Encoding`."),
            Self::TooLarge { limit } => write!(out, "The request body is over the limit of {limit} bytes; send less."),
            Self::UnsupportedMediaType(taken) => write!(out, "Send the body as {taken}."),
            Self::RateLimited { window, limit, retry_after } => {
                let window = window.as_str();
                write!(out, "The limit of {limit} requests per {window} is reached; try again in {retry_after} s.")
            }
            Self::SetupLinkInvalid => out.write_str(
                "This is not the setup link that works now: each is good for 30 minutes and until the server's next \
                 start. Start the server again for a new one.",
            ),
            Self::TooManyOpen { what, limit } => {
                write!(out, "{limit} {what} are open, which is as many as may be; close one, or try again later.")
            }
            Self::TooManyLogins { retry_after } => write!(
                out,
                "Too many logins failed; try again in {retry_after} s. The operator can forgive them by \
                 `claribi user unlock`."
            ),
            other => out.write_str(other.code().sentence()),
        }
    }
}
