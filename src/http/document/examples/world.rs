//! The objects that examples show: those of a fresh sandbox, with the ids and uuids that they have in every sandbox, so
//! that what the reference shows can be sent to one and is answered.

use std::sync::Arc;

use serde_json::value::to_raw_value;
use uuid::Uuid;

use super::syncs;
use crate::domain::access::{Grant, Role, Scope};
use crate::domain::connection::{Kind, Mode};
use crate::domain::credits::Balance;
use crate::domain::dashboard::{Dashboard, Position, SourceRef, Widget};
use crate::domain::id::{
    DashboardId, Id, KeyId, OrgId, ReportId, RunId, SessionId, SourceId, TemplateId, UserId, WidgetId,
};
use crate::domain::import::ImportOptions;
use crate::domain::key::{Key, Rotation};
use crate::domain::key_text::{Environment, KeyText};
use crate::domain::org::{Org, OrgKind};
use crate::domain::plan::{Plan, QueryCaps};
use crate::domain::report::{Report, ReportFormat, ReportTemplate, Run, RunStatus, TemplateKind};
use crate::domain::result::{Cell, Column, ColumnType, Series, Table, WidgetData};
use crate::domain::source::{Source, SourceColumn, SourceStatus, SourceTable};
use crate::domain::time::Timestamp;
use crate::domain::widget::{Format, FormatStyle, WidgetKind};
use crate::domain::window::{Class, Headroom, Limits, Surface, WindowSet};
use crate::service::caller::{Caller, Holder, Identity, KeyFacts, Who};
use crate::service::dashboards::Refresh;
use crate::service::explain::Verified;
use crate::service::keys::{Activity, KeyUsage, KeyView};
use crate::service::organizations::Organization;
use crate::service::usage::{Credits, Usage};

/// When a sandbox says that its objects were made: 2026-07-01T06:00:00Z.
pub const MADE: Timestamp = Timestamp::from_seconds(1_782_885_600);
/// The instant of the examples: 2026-07-01T09:14:22Z.
pub const NOW: Timestamp = Timestamp::from_seconds(1_782_897_262);

/// An id with the uuid of the same row.
pub type Both<K> = (Id<K>, Uuid);

/// The end of a sandbox's uuids, which all begin with the instant [`MADE`].
pub(super) const fn uuid(end: u128) -> Uuid {
    Uuid::from_u128((0x019f_1c43_4b00 << 80) | end)
}

/// "Q2 Revenue".
pub const DASHBOARD: Both<crate::domain::id::DashboardKind> = (DashboardId::new(1), uuid(0x77c1_ab10_f0d3_923b_45b9));
/// Its first widget.
pub const WIDGET: Both<crate::domain::id::Widget> = (WidgetId::new(1), uuid(0x755d_81aa_8f27_1e30_4440));
/// "NYC flights 2013".
pub const FLIGHTS: Both<crate::domain::id::Source> = (SourceId::new(1), uuid(0x71dd_90d0_a6e8_eb9c_cfc9));
/// "Acme sales".
pub const SALES: Both<crate::domain::id::Source> = (SourceId::new(2), uuid(0x7f84_bb8e_fc19_efdb_9ef8));
/// The profile of data sources.
pub const TEMPLATE: Both<crate::domain::id::Template> = (TemplateId::new(1), uuid(0x783d_be35_de18_1749_9667));
/// The profile of the flights.
pub const REPORT: Both<crate::domain::id::Report> = (ReportId::new(1), uuid(0x762f_aa72_037d_6c0e_90da));
/// A run of it.
pub const RUN: Both<crate::domain::id::Run> = (RunId::new(1), uuid(0x7b1c_8e44_52f0_6c11_a3d7));
/// "Departures of a month".
pub const QUERY: Both<crate::domain::id::SavedQueryKind> = (Id::new(1), uuid(0x7a90_4c1e_55b2_0d3f_8e61));
/// The first key.
pub const KEY: Both<crate::domain::id::Key> = (KeyId::new(1), uuid(0x721b_a218_2f87_5da8_3593));
/// One that it is rotated into.
const SUCCESSOR: Both<crate::domain::id::Key> = (KeyId::new(3), uuid(0x7c10_9d5e_41c7_a2f4_6bd1));
/// The owner.
pub const OWNER: Both<crate::domain::id::User> = (UserId::new(1), uuid(0x79b5_81d1_d854_bb71_8002));
/// A session of the owner's.
pub const SESSION: Both<crate::domain::id::Session> = (SessionId::new(1), uuid(0x7d0e_91c2_3f5a_0b6d_77c4));
/// A user who was invited.
pub const GRACE: Both<crate::domain::id::User> = (UserId::new(5), uuid(0x7a44_8e19_02cd_5f3b_61aa));
/// The organisation.
pub const ORG: Both<crate::domain::id::Org> = (OrgId::new(1), uuid(0x753c_b6d7_6cec_99e0_7585));

/// The dashboard, refreshed.
pub fn dashboard() -> Dashboard {
    Dashboard {
        id: DASHBOARD.0,
        uuid: DASHBOARD.1,
        name: "Q2 Revenue".to_owned(),
        description: "Orders of April to June 2026 against the quarter's targets.".to_owned(),
        refreshed_at: Some(NOW),
        created_at: MADE,
        updated_at: MADE,
        version: 1,
        widgets: vec![kpi(), line(), table()],
    }
}

/// A number with its target.
pub fn kpi() -> Widget {
    Widget {
        target: Some(1_000_000.0),
        position: Some(Position { x: 0, y: 0, width: 3, height: 2 }),
        ..widget(
            WIDGET.0,
            WIDGET.1,
            (WidgetKind::Kpi, "Revenue"),
            "SELECT sum(amount) AS revenue FROM orders WHERE order_date >= DATE '2026-04-01'",
            &WidgetData::Kpi { value: Cell::Integer(680_420) },
        )
    }
}

fn line() -> Widget {
    let weeks = [("2026-04-01", 46_324), ("2026-04-08", 53_507), ("2026-04-15", 50_648)];
    let points = weeks.map(|(week, revenue)| (Cell::Text(week.to_owned()), Cell::Integer(revenue))).into();
    widget(
        WidgetId::new(2),
        uuid(0x711b_8c1b_1fe4_4dfc_2bef),
        (WidgetKind::LineChart, "Revenue by week"),
        "SELECT week, sum(amount) AS \"Q2 2026\" FROM orders GROUP BY week ORDER BY week",
        &WidgetData::Chart { x: ColumnType::Date, series: vec![Series { name: "Q2 2026".to_owned(), points }] },
    )
}

fn table() -> Widget {
    let column = |name: &str, kind| Column { name: name.to_owned(), kind };
    widget(
        WidgetId::new(7),
        uuid(0x7b31_b3b5_031b_c3d4_fba8),
        (WidgetKind::Table, "Regions"),
        "SELECT region, sum(amount) AS revenue FROM orders GROUP BY region ORDER BY revenue DESC",
        &WidgetData::Table(Table {
            columns: vec![column("region", ColumnType::Text), column("revenue", ColumnType::Integer)],
            rows: [("North America", 274_011), ("Europe", 190_024)]
                .map(|(region, revenue)| vec![Cell::Text(region.to_owned()), Cell::Integer(revenue)])
                .into(),
        }),
    )
}

fn widget(id: WidgetId, uuid: Uuid, (kind, title): (WidgetKind, &str), sql: &str, data: &WidgetData) -> Widget {
    let dollars = Format { style: FormatStyle::Currency, currency: Some("USD".to_owned()), ..Format::default() };
    Widget {
        id,
        uuid,
        kind,
        title: title.to_owned(),
        source: Some(SourceRef { id: SALES.0, uuid: SALES.1 }),
        sql: sql.to_owned(),
        target: None,
        format: if kind == WidgetKind::Table { Format::default() } else { dollars },
        position: None,
        data: to_raw_value(data).ok(),
        svg: None,
        error: None,
    }
}

/// What refreshing the dashboard did.
pub fn refresh() -> Refresh {
    Refresh { dashboard: dashboard(), refreshed_at: NOW, credits: 10, failed: 0 }
}

/// A data source, with one table of its five.
pub fn source(status: SourceStatus) -> Source {
    let text =
        |name: &str| SourceColumn { column: Column { name: name.to_owned(), kind: ColumnType::Text }, nullable: false };
    let airlines = SourceTable {
        name: "airlines".to_owned(),
        rows: Some(16),
        bytes: 873,
        loaded_at: None,
        file: Some("airlines.csv.zst".to_owned()),
        columns: vec![text("carrier"), text("name")],
    };
    let is_there = status == SourceStatus::Active;
    Source {
        id: FLIGHTS.0,
        uuid: FLIGHTS.1,
        name: "NYC flights 2013".to_owned(),
        slug: "nyc_flights".to_owned(),
        kind: Kind::File,
        mode: Mode::Extract,
        connection: None,
        has_secret: false,
        state: None,
        schedule: None,
        next_sync_at: None,
        paused: None,
        status,
        error: None,
        extract: None,
        tables: if is_there { vec![airlines] } else { Vec::new() },
        words: Vec::new(),
        options: ImportOptions::default(),
        last_synced_at: is_there.then_some(MADE),
        last_sync: Some(syncs::first(status)),
        created_at: MADE,
        updated_at: MADE,
        version: 1,
    }
}

/// A built-in template.
pub fn template() -> ReportTemplate {
    ReportTemplate {
        id: TEMPLATE.0,
        uuid: TEMPLATE.1,
        name: TemplateKind::Profile.title().to_owned(),
        description: TemplateKind::Profile.description().to_owned(),
        kind: TemplateKind::Profile,
        created_at: MADE,
    }
}

/// A report that was run once.
pub fn report() -> Report {
    Report {
        id: REPORT.0,
        uuid: REPORT.1,
        name: "Data source profile: NYC flights 2013".to_owned(),
        template: (TEMPLATE.0, TEMPLATE.1, TemplateKind::Profile),
        sources: vec![FLIGHTS],
        dashboard: None,
        format: ReportFormat::Pdf,
        latest_run: Some(run(RunStatus::Succeeded)),
        created_at: MADE,
        updated_at: MADE,
        version: 1,
    }
}

/// A run as it stands.
pub fn run(status: RunStatus) -> Run {
    let later = |seconds| Timestamp::from_seconds(NOW.seconds() + seconds);
    let is_over = status.is_final();
    Run {
        id: RUN.0,
        uuid: RUN.1,
        report: REPORT,
        status,
        format: ReportFormat::Pdf,
        requested_by: OWNER.0,
        credits: is_over.then_some(13),
        reserved: 13,
        error: None,
        file_bytes: is_over.then_some(196_608),
        created_at: NOW,
        started_at: (status != RunStatus::Queued).then_some(NOW),
        finished_at: is_over.then(|| later(2)),
    }
}

/// The text of a key. It is well formed, and no server knows it.
pub fn key_text() -> KeyText {
    let mut next = 0_u8;
    KeyText::mint(Environment::Test, &mut |bytes| {
        for byte in bytes {
            next = next.wrapping_mul(37).wrapping_add(11);
            *byte = next;
        }
    })
}

/// A key of the owner's.
pub fn key() -> KeyView {
    let grant = Grant::Preset(Scope::ReadOnly);
    KeyView {
        key: Key {
            id: KEY.0,
            uuid: KEY.1,
            lineage: 1,
            owner: OWNER.0,
            owner_email: owner().email,
            name: "ci-snapshot-bot".to_owned(),
            public: key_text().public().to_owned(),
            environment: Environment::Test,
            grant,
            created_at: MADE,
            expires_at: Some(Timestamp::from_seconds(1_798_761_600)),
            revoked_at: None,
            allowlist: Vec::new(),
            limits: Limits::default(),
            reminder: None,
            rotation: None,
        },
        permissions: grant.effective(Role::Owner),
        usage: None,
        calls: 0,
    }
}

/// The same key, used.
pub fn used_key() -> KeyView {
    let usage = KeyUsage {
        calls: 1_204,
        last_at: NOW,
        last_operation: "dashboards_get".to_owned(),
        last_address: "203.0.113.7".to_owned(),
    };
    KeyView { calls: usage.calls, usage: Some(usage), ..key() }
}

/// The key that took over from it.
pub fn successor() -> KeyView {
    let (older, used) = (key().key, used_key());
    let rotation = Rotation {
        successor: None,
        predecessor: Some((older.id, older.uuid)),
        grace_until: Timestamp::from_seconds(NOW.seconds() + 86_400),
    };
    let span = older.expires_at.unwrap_or(NOW).since(MADE);
    let (id, uuid) = SUCCESSOR;
    let key = Key { id, uuid, created_at: NOW, expires_at: Some(NOW.plus(span)), rotation: Some(rotation), ..older };
    KeyView { key, usage: None, ..used }
}

/// What the key was used for.
pub fn activity() -> Activity {
    Activity { usage: used_key().usage, requests: [180, 1_204, 1_204] }
}

/// The same key, revoked.
pub fn revoked_key() -> KeyView {
    let used = used_key();
    KeyView { key: Key { revoked_at: Some(NOW), ..used.key }, ..used }
}

/// What is left of the key's windows after some calls.
pub fn headroom() -> Headroom {
    let limits = limits();
    let mut windows = WindowSet::new();
    for call in 0..8 {
        let surface = if call % 2 == 0 { Surface::Other } else { Surface::Platform };
        windows.admit(NOW.millis() - 1_000 * call, Class::General, surface, &limits);
    }
    windows.admit(NOW.millis(), Class::Generation, Surface::Other, &limits);
    windows.peek(NOW.millis(), &limits)
}

fn limits() -> Limits {
    plan().key_limits(100)
}

fn plan() -> Plan {
    Plan {
        name: "enterprise".to_owned(),
        api_access: true,
        requests_per_hour: 5_000,
        requests_per_day: 100_000,
        generation_per_hour: 500,
        generation_per_day: 2_000,
        credits_per_month: 10_000,
        ip_allowlist: true,
        own_limits: true,
        sandbox_organization: true,
        trial_days: None,
        query: QueryCaps::default(),
        goes_on: None,
    }
}

/// Credits in the middle of a month.
pub fn balance() -> Balance {
    Balance { limit: plan().credits_per_month, used: 46, reserved: 13 }
}

/// The same with the end of the month.
pub fn credits() -> Credits {
    Credits { balance: balance(), resets_at: NOW.next_month_start() }
}

/// Credits, windows and requests.
pub fn usage() -> Usage {
    Usage { credits: credits(), headroom: Some(headroom()), requests: [1_204, 6_310, 20_117] }
}

pub(super) fn owner() -> Holder {
    Holder {
        user: OWNER.0,
        user_uuid: OWNER.1,
        email: "owner@sandbox.example".to_owned(),
        names: ("Olivia".to_owned(), "Owner".to_owned()),
        role: Role::Owner,
        active: true,
        home: ORG.0,
        org: ORG.0,
        org_uuid: ORG.1,
        org_name: "Acme Sandbox".to_owned(),
        org_kind: OrgKind::Sandbox,
        plan: plan().name,
        org_created_at: MADE,
    }
}

/// What the key may do, without a question about one call.
pub fn verified() -> Verified {
    Verified { headroom: Some(headroom()), explanation: None }
}

/// The sandbox's organisation.
pub fn organization() -> Organization {
    let Holder { org, org_uuid, org_name, org_kind, plan, .. } = owner();
    let org = Org {
        id: org,
        uuid: org_uuid,
        name: org_name,
        kind: org_kind,
        plan,
        parent: None,
        created_at: MADE,
        updated_at: MADE,
    };
    Organization { org, credits: credits(), sandbox: None }
}

/// The owner with the key.
pub fn caller() -> Caller {
    let KeyView { key, permissions, .. } = key();
    let mut public = [0; 8];
    public.copy_from_slice(key.public.as_bytes());
    let facts = KeyFacts {
        id: key.id,
        uuid: key.uuid,
        lineage: key.lineage,
        prefix: key.prefix(),
        name: key.name,
        public,
        grant: key.grant,
        expires_at: key.expires_at,
        allowlist: key.allowlist,
        own_limits: key.limits,
    };
    let identity =
        Identity { who: Who::Key(facts), holder: owner(), permissions, plan: Arc::new(plan()), limits: limits() };
    Caller::without_request(Arc::new(identity), NOW)
}
