//! The two closed vocabularies of a call: its method and its outcome. Their order is part of the encoding: a new one
//! goes to the end.

/// A request's method.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Method {
    /// `GET`
    Get,
    /// `HEAD`
    Head,
    /// `POST`
    Post,
    /// `PUT`
    Put,
    /// `PATCH`
    Patch,
    /// `DELETE`
    Delete,
    /// `OPTIONS`
    Options,
    /// Any other.
    Other,
}

impl Method {
    pub(super) const ALL: [Self; 8] =
        [Self::Get, Self::Head, Self::Post, Self::Put, Self::Patch, Self::Delete, Self::Options, Self::Other];

    /// The method of this name, which is upper case.
    pub fn of(name: &str) -> Self {
        Self::ALL.into_iter().find(|method| method.as_str() == name).unwrap_or(Self::Other)
    }

    /// Whether it asks for nothing to be done (RFC 9110, 9.2.1).
    pub const fn is_safe(self) -> bool {
        matches!(self, Self::Get | Self::Head | Self::Options)
    }

    /// The name, or `OTHER`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::Options => "OPTIONS",
            Self::Other => "OTHER",
        }
    }
}

/// What became of a request, for filters and counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It did what was asked.
    Ok,
    /// Credential, right, plan or address did not allow it.
    Refused,
    /// A window or the credits were used up.
    Limited,
    /// The request was wrong in another way.
    Client,
    /// It failed here.
    Server,
    /// The client left before the answer.
    Gone,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Self; 6] = [Self::Ok, Self::Refused, Self::Limited, Self::Client, Self::Server, Self::Gone];

    /// The outcome of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.as_str() == name)
    }

    /// The name in filters and lists.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Refused => "refused",
            Self::Limited => "limited",
            Self::Client => "client",
            Self::Server => "server",
            Self::Gone => "gone",
        }
    }
}
