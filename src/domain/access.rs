//! Roles, permissions, and what a key may do: what its owner's role, its own permissions and the plan all allow.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

macro_rules! permissions {
    ($($name:ident $text:literal;)*) => {
        /// One thing that a caller may be allowed to do.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Permission { $(#[doc = $text] $name,)* }

        impl Permission {
            /// All of them, in the order in which they are declared and listed.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The name on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

permissions! {
    ReportsRead "reports:read";
    DashboardsRead "dashboards:read";
    DataSourcesRead "data_sources:read";
    GoalsRead "goals:read";
    UsageRead "usage:read";
    AnalyticsQuery "analytics:query";
    ReportsGenerate "reports:generate";
    ReportsDelete "reports:delete";
    DashboardsCreate "dashboards:create";
    DashboardsUpdate "dashboards:update";
    DashboardsRefresh "dashboards:refresh";
    DashboardsDelete "dashboards:delete";
    DataSourcesSync "data_sources:sync";
    GoalsManage "goals:manage";
    DataSourcesCreate "data_sources:create";
    DataSourcesUpdate "data_sources:update";
    DataSourcesDelete "data_sources:delete";
    UsersRead "users:read";
    OrganizationRead "organization:read";
    AuditRead "audit:read";
    WebhooksManage "webhooks:manage";
    AlertsManage "alerts:manage";
    UsersManage "users:manage";
    KeysManageAll "keys:manage_all";
    OrganizationManage "organization:manage";
    BillingManage "billing:manage";
}

impl Permission {
    /// The permission of that name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|permission| permission.as_str() == text)
    }

    const fn bit(self) -> u32 {
        1 << (self as u8)
    }
}

/// A set of permissions.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Permissions(u32);

impl Permissions {
    /// None.
    pub const NONE: Self = Self(0);
    /// What no key ever holds.
    pub const NEVER_IN_A_KEY: Self = Self::of(&[Permission::BillingManage, Permission::KeysManageAll]);

    /// The set of these.
    pub const fn of(permissions: &[Permission]) -> Self {
        let mut bits = 0;
        let mut index = 0;
        while index < permissions.len() {
            bits |= permissions[index].bit();
            index += 1;
        }
        Self(bits)
    }

    /// Whether it holds `permission`.
    pub const fn holds(self, permission: Permission) -> bool {
        self.0 & permission.bit() != 0
    }

    /// Those in both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Those that are not in `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Those in either.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of it is in `other`.
    pub const fn within(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }

    /// Whether it is empty.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// In the table's order.
    pub fn iter(self) -> impl Iterator<Item = Permission> {
        Permission::ALL.iter().copied().filter(move |permission| self.holds(*permission))
    }

    /// As the store keeps it.
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// As the store kept it; bits that mean nothing are dropped.
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits & ((1 << Permission::ALL.len()) - 1))
    }
}

impl fmt::Debug for Permissions {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_set().entries(self.iter().map(Permission::as_str)).finish()
    }
}

impl FromIterator<Permission> for Permissions {
    fn from_iter<I: IntoIterator<Item = Permission>>(permissions: I) -> Self {
        Self(permissions.into_iter().fold(0, |bits, permission| bits | permission.bit()))
    }
}

/// What a user is in their organisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Everything, the bill included.
    Owner,
    /// Everything but the bill.
    Administrator,
    /// Works with data, dashboards and reports.
    Analyst,
    /// Reads.
    Viewer,
}

const VIEWER: Permissions = Permissions::of(&[
    Permission::ReportsRead,
    Permission::DashboardsRead,
    Permission::DataSourcesRead,
    Permission::GoalsRead,
    Permission::UsageRead,
]);
const ANALYST: Permissions = VIEWER.or(Permissions::of(&[
    Permission::AnalyticsQuery,
    Permission::ReportsGenerate,
    Permission::ReportsDelete,
    Permission::DashboardsCreate,
    Permission::DashboardsUpdate,
    Permission::DashboardsRefresh,
    Permission::DashboardsDelete,
    Permission::DataSourcesSync,
    Permission::GoalsManage,
]));
const ADMINISTRATOR: Permissions = ANALYST.or(Permissions::of(&[
    Permission::DataSourcesCreate,
    Permission::DataSourcesUpdate,
    Permission::DataSourcesDelete,
    Permission::UsersRead,
    Permission::OrganizationRead,
    Permission::AuditRead,
    Permission::WebhooksManage,
    Permission::AlertsManage,
    Permission::UsersManage,
    Permission::KeysManageAll,
    Permission::OrganizationManage,
]));
const OWNER: Permissions = ADMINISTRATOR.or(Permissions::of(&[Permission::BillingManage]));

impl Role {
    /// All of them, the most powerful first.
    pub const ALL: [Self; 4] = [Self::Owner, Self::Administrator, Self::Analyst, Self::Viewer];

    /// What the role allows; `tests/it/golden/policy.txt` holds it as a table.
    pub const fn permissions(self) -> Permissions {
        match self {
            Self::Owner => OWNER,
            Self::Administrator => ADMINISTRATOR,
            Self::Analyst => ANALYST,
            Self::Viewer => VIEWER,
        }
    }

    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Administrator => "administrator",
            Self::Analyst => "analyst",
            Self::Viewer => "viewer",
        }
    }

    /// The role of that name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text)
    }
}

/// The presets a key's permissions can be given by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Every `:read`, and `analytics:query`.
    ReadOnly,
    /// Everything the role allows that a key may hold.
    ReadWrite,
}

impl Scope {
    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ReadOnly => "read-only",
            Self::ReadWrite => "read-write",
        }
    }

    /// The preset of that name.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::ReadOnly, Self::ReadWrite].into_iter().find(|scope| scope.as_str() == text)
    }
}

/// What a key was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grant {
    /// A preset, which follows the role.
    Preset(Scope),
    /// These permissions, as far as the role allows them.
    Listed(Permissions),
}

impl Grant {
    /// What a key with this grant may do now, its owner having `role`.
    pub fn effective(self, role: Role) -> Permissions {
        let asked = match self {
            Self::Preset(Scope::ReadWrite) => role.permissions(),
            Self::Preset(Scope::ReadOnly) => Permission::ALL
                .iter()
                .copied()
                .filter(|permission| {
                    permission.as_str().ends_with(":read") || *permission == Permission::AnalyticsQuery
                })
                .collect(),
            Self::Listed(permissions) => permissions,
        };
        asked.and(role.permissions()).without(Permissions::NEVER_IN_A_KEY)
    }

    /// The preset, if it was one.
    pub fn scope(self) -> Option<Scope> {
        match self {
            Self::Preset(scope) => Some(scope),
            Self::Listed(_) => None,
        }
    }
}

macro_rules! by_name {
    ($($kind:ident)*) => {$(
        impl Serialize for $kind {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> Deserialize<'de> for $kind {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                Self::parse(&text).ok_or_else(|| serde::de::Error::custom(format!("`{text}` is not known here")))
            }
        }
    )*};
}
by_name!(Role Scope Permission);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_analyst_has_fourteen_permissions() {
        let counts = Role::ALL.map(|role| role.permissions().iter().count());
        assert_eq!(counts, [26, 25, 14, 5]);
    }

    #[test]
    fn no_key_ever_holds_the_bill_or_everyones_keys() {
        for role in Role::ALL {
            for grant in [Grant::Preset(Scope::ReadWrite), Grant::Listed(OWNER)] {
                let held = grant.effective(role);
                assert!(!held.holds(Permission::BillingManage) && !held.holds(Permission::KeysManageAll));
                assert!(held.within(role.permissions()));
            }
        }
    }

    #[test]
    fn read_only_reads_and_queries_as_far_as_the_role_goes() {
        let names =
            |role| Grant::Preset(Scope::ReadOnly).effective(role).iter().map(Permission::as_str).collect::<Vec<_>>();
        assert_eq!(
            names(Role::Viewer),
            ["reports:read", "dashboards:read", "data_sources:read", "goals:read", "usage:read"]
        );
        assert!(names(Role::Analyst).contains(&"analytics:query"));
        assert!(names(Role::Owner).contains(&"audit:read"));
    }
}
