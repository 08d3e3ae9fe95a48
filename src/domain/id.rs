//! Typed ids and their three spellings: an integer, prefix and hex, a uuid.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;

use uuid::Uuid;

/// What an id is of. Ids of different kinds do not mix.
pub trait Kind: 'static {
    /// Before the hex on the `/v1/` face, underscore included.
    const PREFIX: &'static str;
    /// What a reader calls it: "No dashboard with id d_7f3a was found."
    const NOUN: &'static str;
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident $id:ident $prefix:literal $noun:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name {}
        impl Kind for $name {
            const PREFIX: &'static str = $prefix;
            const NOUN: &'static str = $noun;
        }
        $(#[$doc])*
        pub type $id = Id<$name>;
    )*};
}

kinds! {
    /// A dashboard.
    DashboardKind DashboardId "d_" "dashboard";
    /// A widget of a dashboard.
    Widget WidgetId "w_" "widget";
    /// A report.
    Report ReportId "r_" "report";
    /// A run of a report.
    Run RunId "run_" "run";
    /// A report template.
    Template TemplateId "tpl_" "report template";
    /// A data source.
    Source SourceId "ds_" "data source";
    /// A sync of a data source.
    SyncKind SyncId "sync_" "sync";
    /// An API key.
    Key KeyId "key_" "API key";
    /// A user.
    User UserId "u_" "user";
    /// An organisation.
    Org OrgId "org_" "organization";
    /// A session.
    Session SessionId "ses_" "session";
    /// A saved query.
    SavedQueryKind SavedQueryId "q_" "saved query";
    /// A query that runs, named by its request: it has no row.
    RunningQueryKind RunningQueryId "req_" "running query";
    /// An entry of the audit log.
    AuditEntry AuditEntryId "log_" "audit entry";
    /// An entry of the ledger of credits.
    LedgerEntry LedgerEntryId "cr_" "ledger entry";
}

/// The integer of one row, never reused.
pub struct Id<K> {
    raw: i64,
    kind: PhantomData<fn() -> K>,
}

impl<K> Id<K> {
    /// The id of a row.
    pub const fn new(raw: i64) -> Self {
        Self { raw, kind: PhantomData }
    }

    /// The integer.
    pub const fn raw(self) -> i64 {
        self.raw
    }
}

impl<K: Kind> Id<K> {
    /// As the `/v1/` face spells it: prefix and lower-case hex.
    pub fn prefixed(self) -> String {
        format!("{}{:x}", K::PREFIX, self.raw)
    }
}

impl<K> Clone for Id<K> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<K> Copy for Id<K> {}
impl<K> PartialEq for Id<K> {
    fn eq(&self, other: &Self) -> bool {
        self.raw == other.raw
    }
}
impl<K> Eq for Id<K> {}
impl<K> Hash for Id<K> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.raw.hash(state);
    }
}
impl<K: Kind> fmt::Debug for Id<K> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}{:x}", K::PREFIX, self.raw)
    }
}

/// What a client named an object by.
pub enum IdRef<K> {
    /// The row's integer, from `42` or `d_2a`.
    Number(Id<K>),
    /// The stored uuid.
    Uuid(Uuid),
    /// Text that is no id: answers like an id that does not exist.
    Unknown,
}

impl<K: Kind> fmt::Debug for IdRef<K> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(id) => id.fmt(out),
            Self::Uuid(uuid) => uuid.fmt(out),
            Self::Unknown => out.write_str("unknown"),
        }
    }
}

impl<K> Clone for IdRef<K> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<K> Copy for IdRef<K> {}
impl<K> PartialEq for IdRef<K> {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Number(one), Self::Number(two)) => one == two,
            (Self::Uuid(one), Self::Uuid(two)) => one == two,
            _ => false,
        }
    }
}

impl<K> Hash for IdRef<K> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        std::mem::discriminant(self).hash(state);
        match self {
            Self::Number(id) => id.hash(state),
            Self::Uuid(uuid) => uuid.hash(state),
            Self::Unknown => {}
        }
    }
}

/// Whether a bare integer is an id: on the `/api/` face alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BareIntegers {
    /// `42` is an id.
    Accepted,
    /// `42` is unknown.
    Unknown,
}

impl<K: Kind> IdRef<K> {
    /// Reads a spelling. Never fails: what is no id is an unknown one.
    pub fn parse(text: &str, bare: BareIntegers) -> Self {
        if let Some(hex) = text.strip_prefix(K::PREFIX) {
            let lower = hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
            let canonical = lower && !hex.is_empty() && !hex.starts_with('0');
            return match i64::from_str_radix(hex, 16) {
                Ok(raw) if canonical => Self::Number(Id::new(raw)),
                _ => Self::Unknown,
            };
        }
        if bare == BareIntegers::Accepted && text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0') {
            return text.parse().map_or(Self::Unknown, |raw| Self::Number(Id::new(raw)));
        }
        match text.len() {
            36 => Uuid::try_parse(text).map_or(Self::Unknown, Self::Uuid),
            _ => Self::Unknown,
        }
    }
}

impl<K> From<Id<K>> for IdRef<K> {
    fn from(id: Id<K>) -> Self {
        Self::Number(id)
    }
}

/// The id of one request: time-ordered, made by the server, printed `req_` and 32 hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestId(pub Uuid);

impl RequestId {
    /// Reads what is printed; `None` for any other text.
    pub fn parse(text: &str) -> Option<Self> {
        let id = Self(Uuid::try_parse(text.strip_prefix("req_")?).ok()?);
        (id.to_string() == text).then_some(id)
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("req_")?;
        out.write_str(self.0.simple().encode_lower(&mut Uuid::encode_buffer()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_spelling_is_read_and_nothing_else() {
        let dashboard = |text| IdRef::<DashboardKind>::parse(text, BareIntegers::Unknown);
        assert_eq!(dashboard("d_7f3a"), IdRef::Number(Id::new(0x7f3a)));
        assert!(matches!(dashboard("018f2b6e-7a00-7000-8000-000000000001"), IdRef::Uuid(_)));
        for text in
            ["42", "d_", "d_7F3A", "d_07", "r_7f3a", "d_+1", "d_-1", "", "d_fffffffffffffffff", "{018f2b6e7a00}"]
        {
            assert!(matches!(dashboard(text), IdRef::Unknown), "{text}");
        }
        assert_eq!(IdRef::<DashboardKind>::parse("42", BareIntegers::Accepted), IdRef::Number(Id::new(42)));
        assert_eq!(DashboardId::new(42).prefixed(), "d_2a");
    }
}
