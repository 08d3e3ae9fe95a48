//! Making the parts of a sandbox that are not there yet, in an order that gives each the same id everywhere.

use tokio::task::JoinHandle;
use zeroize::Zeroizing;

use super::showcase::{SHOWCASES, Showcase};
use super::{OPERATOR, OWNER_EMAIL, acme, no_sandbox, random_password};
use crate::domain::access::Role;
use crate::domain::dashboard::{Dashboard, NewDashboard, NewWidget, Position};
use crate::domain::entropy::{Entropy, SeededEntropy};
use crate::domain::error::{Error, Result};
use crate::domain::id::{DashboardId, IdRef, OrgId, SourceId, TemplateId};
use crate::domain::org::OrgKind;
use crate::domain::page::{ListRequest, MAX_SIZE};
use crate::domain::report::{NewReport, ReportFormat, ReportTemplate, TemplateKind};
use crate::domain::saved_query::{Body, NewBody, NewSavedQuery, Parameter};
use crate::domain::source::SourceStatus;
use crate::domain::time::{Clock, FixedClock, Timestamp};
use crate::domain::widget::Format;
use crate::service::app::App;
use crate::service::caller::Caller;
use crate::service::once::Plain;
use crate::service::people::UserRequest;
use crate::service::setup::{Founder, Founding};
use crate::service::sources::{Incoming, IncomingFile, IncomingFiles};
use crate::store::main::{sources, users};

/// When a first start says that its parts were made: 2026-07-01T06:00:00Z, the quarter is over.
const FOUNDED: Timestamp = Timestamp::from_seconds(1_782_885_600);
const ORG_NAME: &str = "Acme Sandbox";
const PLAN: &str = "enterprise";

/// The source of flights.
const FLIGHTS: (&str, &str) = ("NYC flights 2013", "nyc_flights");
/// Its files: all flights that left New York in 2013 (US Bureau of Transportation Statistics, public domain).
const FLIGHT_FILES: [(&str, &[u8]); 5] = [
    ("flights.csv.zst", include_bytes!("../../../assets/sandbox/flights.csv.zst")),
    ("airlines.csv.zst", include_bytes!("../../../assets/sandbox/airlines.csv.zst")),
    ("airports.csv.zst", include_bytes!("../../../assets/sandbox/airports.csv.zst")),
    ("planes.csv.zst", include_bytes!("../../../assets/sandbox/planes.csv.zst")),
    ("weather.csv.zst", include_bytes!("../../../assets/sandbox/weather.csv.zst")),
];

/// The saved query: its name, what it is about, its text.
const DEPARTURES: (&str, &str, &str) = (
    "Departures of a month",
    "By the airport that they leave from.",
    "SELECT origin, count(*) AS flights FROM flights WHERE month = $1 GROUP BY origin ORDER BY flights DESC",
);

/// The users beside the owner.
const PEOPLE: [(Role, &str, &str, &str); 3] = [
    (Role::Administrator, "administrator@sandbox.example", "Ada", "Administrator"),
    (Role::Analyst, "analyst@sandbox.example", "Alan", "Analyst"),
    (Role::Viewer, "viewer@sandbox.example", "Vera", "Viewer"),
];

/// The parts of a sandbox: each has a generator of its own, so that none depends on when another is made.
#[derive(Debug, Clone, Copy)]
enum Part {
    Org = 1,
    People,
    Flights,
    Sales,
    Dashboards,
    Reports,
    Queries,
}

/// Whether this start founded the organisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Start {
    First,
    Later,
}

/// Makes what is missing.
pub(super) struct Maker<'a> {
    app: &'a App,
    org: OrgId,
    start: Start,
}

/// What a new user is shown.
pub(super) struct Shown {
    pub dashboard: DashboardId,
    pub template: TemplateId,
    pub source: SourceId,
}

/// An import that goes on.
type Import = (SourceId, Option<JoinHandle<Result<()>>>);

impl<'a> Maker<'a> {
    /// The sandbox organisation, founded when there is none.
    pub(super) async fn find_or_found(app: &'a App) -> Result<Self> {
        let orgs = app.orgs()?;
        if let Some(org) = orgs.iter().find(|org| org.kind == OrgKind::Sandbox && org.parent.is_none()) {
            return Ok(Self { app, org: org.id, start: Start::Later });
        }
        if !orgs.is_empty() {
            return Err(no_sandbox());
        }
        let founding = Founding {
            name: ORG_NAME.to_owned(),
            kind: OrgKind::Sandbox,
            plan: PLAN.to_owned(),
            owner: person(app, (Role::Owner, OWNER_EMAIL, "Olivia", "Owner")),
            by: Founder::Operator(OPERATOR.to_owned()),
        };
        let (org, _) = seeded(app, Part::Org).found(founding).await?;
        Ok(Self { app, org, start: Start::First })
    }

    /// The organisation.
    pub(super) fn org(&self) -> OrgId {
        self.org
    }

    /// Makes whatever is missing. Imports take longest, so they begin first, and nothing waits for them before it must.
    pub(super) async fn complete(&self) -> Result<Shown> {
        let flights = self.begin_flights().await?;
        let sales = self.begin_sales().await?;
        let sources = [(FLIGHTS.1, flights.0), (acme::SLUG, sales.0)];
        self.make_people().await?;
        let dashboards = self.make_dashboards(&sources).await?;
        for (_, import) in [flights, sales] {
            if let Some(import) = import {
                import.await.map_err(Error::internal)??;
            }
        }
        let revenue = dashboards.first().ok_or_else(|| Error::internal("the sandbox has no dashboards"))?.id;
        let template = self.make_reports(sources[0].1, revenue).await?;
        self.make_query(sources[0].1).await?;
        self.refresh(&dashboards).await?;
        Ok(Shown { dashboard: revenue, template, source: sources[0].1 })
    }

    /// The use cases with the chance and the time that a part is made with, and who makes it.
    fn part(&self, part: Part) -> Result<(App, Caller)> {
        let app = match self.start {
            Start::First => seeded(self.app, part),
            Start::Later => self.app.clone(),
        };
        let caller = app.operator_of(self.org, OPERATOR)?;
        Ok((app, caller))
    }

    async fn make_people(&self) -> Result<()> {
        let (app, caller) = self.part(Part::People)?;
        for found in PEOPLE {
            if app.store.read_now(|db| Ok(users::find_by_email(db, found.1)?))?.is_none() {
                app.create_user(&caller, person(self.app, found)).await?;
            }
        }
        Ok(())
    }

    async fn begin_flights(&self) -> Result<Import> {
        let files = || FLIGHT_FILES.iter().map(|(name, bytes)| (*name, bytes.to_vec())).collect();
        self.begin_source(Part::Flights, FLIGHTS, files).await
    }

    async fn begin_sales(&self) -> Result<Import> {
        let files = || acme::files().into_iter().map(|(name, text)| (name, text.into_bytes())).collect();
        self.begin_source(Part::Sales, (acme::NAME, acme::SLUG), files).await
    }

    async fn begin_source(
        &self,
        part: Part,
        (name, slug): (&str, &str),
        files: impl FnOnce() -> Vec<(&'static str, Vec<u8>)>,
    ) -> Result<Import> {
        let (app, caller) = self.part(part)?;
        let org = self.org;
        let found = app.store.read_now(|db| Ok(sources::find_by_slug(db, org, slug)?))?;
        if let Some(source) = &found
            && source.status == SourceStatus::Active
        {
            return Ok((source.id, None));
        }
        let holder = app.data.scratch(&format!("sandbox-{slug}")).map_err(Error::internal)?;
        let mut incoming = Vec::new();
        for (file, bytes) in files() {
            let path = holder.path().join(file);
            std::fs::write(&path, bytes).map_err(Error::internal)?;
            incoming.push(IncomingFile { path, name: file.to_owned() });
        }
        let files = IncomingFiles { files: incoming, options: None, holder: Some(holder.into()) };
        let incoming = Incoming { name: name.to_owned(), slug: Some(slug.to_owned()), files };
        let progress = Box::new(|_, _| {});
        let (id, import) = match found {
            // An earlier start ended before its import did; dashboards may ask this source already.
            Some(source) => (source.id, app.begin_again(&caller, &source, incoming, progress).await?),
            None => app.begin_source(&caller, incoming, progress).await?,
        };
        Ok((id, Some(import)))
    }

    async fn make_query(&self, flights: SourceId) -> Result<()> {
        let (app, caller) = self.part(Part::Queries)?;
        let found = app.saved_queries(&caller, &ListRequest::after(None, MAX_SIZE))?.items;
        if found.iter().all(|query| query.name != DEPARTURES.0) {
            let (name, description, sql) = DEPARTURES;
            let source = (IdRef::Number(flights), flights.prefixed());
            let new = NewSavedQuery {
                name: name.to_owned(),
                description: description.to_owned(),
                query: NewBody { body: Body::Sql(sql.to_owned()), source: Some(source), limit: Some(100) },
                parameters: vec![Parameter { name: "month".to_owned(), default: Some(6.into()) }],
            };
            app.create_saved_query(&caller, new, Plain).await?;
        }
        Ok(())
    }

    async fn make_dashboards(&self, sources: &[(&str, SourceId)]) -> Result<Vec<Dashboard>> {
        let (app, caller) = self.part(Part::Dashboards)?;
        let found = app.dashboards(&caller, &ListRequest::after(None, MAX_SIZE))?.items;
        let mut dashboards = Vec::new();
        for showcase in SHOWCASES {
            let made = found.iter().find(|dashboard| dashboard.name == showcase.name).cloned();
            dashboards.push(match made {
                Some(dashboard) => dashboard,
                None => app.create_dashboard(&caller, definition(showcase, sources)?, Plain).await?.0,
            });
        }
        Ok(dashboards)
    }

    /// A report of the flights and one of the dashboard; gives the template that describes sources.
    async fn make_reports(&self, flights: SourceId, revenue: DashboardId) -> Result<TemplateId> {
        let (app, caller) = self.part(Part::Reports)?;
        let templates = app.report_templates(&caller, &ListRequest::after(None, MAX_SIZE))?.items;
        let reports = app.reports(&caller, &ListRequest::after(None, MAX_SIZE))?.items;
        let profile = template(&templates, TemplateKind::Profile)?;
        let printed = template(&templates, TemplateKind::Dashboard)?;
        let definition = |template: TemplateId| NewReport {
            name: None,
            template: (IdRef::Number(template), template.prefixed()),
            sources: Vec::new(),
            dashboard: None,
            format: ReportFormat::Pdf,
        };
        if !reports.iter().any(|report| report.sources.iter().any(|(source, _)| *source == flights)) {
            let sources = vec![(IdRef::Number(flights), flights.prefixed())];
            app.create_report(&caller, NewReport { sources, ..definition(profile) }, Plain).await?;
        }
        if !reports.iter().any(|report| report.dashboard.is_some_and(|(dashboard, _)| dashboard == revenue)) {
            let dashboard = Some((IdRef::Number(revenue), revenue.prefixed()));
            app.create_report(&caller, NewReport { dashboard, ..definition(printed) }, Plain).await?;
        }
        Ok(profile)
    }

    /// Computes the dashboards that never were, all at once; in the present, and paid like everyone's.
    async fn refresh(&self, dashboards: &[Dashboard]) -> Result<()> {
        let caller = self.app.operator_of(self.org, OPERATOR)?;
        let stale = dashboards.iter().filter(|dashboard| dashboard.refreshed_at.is_none());
        let refreshes = stale.map(|dashboard| async {
            let id = dashboard.id;
            let Plain(refresh) =
                self.app.refresh_dashboard(&caller, &IdRef::Number(id), &id.prefixed(), Plain).await?;
            if refresh.failed > 0 {
                tracing::warn!(dashboard = %id.prefixed(), failed = refresh.failed, "widgets of the sandbox have no data");
            }
            Ok::<_, Error>(())
        });
        futures_util::future::try_join_all(refreshes).await.map(drop)
    }
}

/// The same use cases, with a generator that begins at the part and a clock that stands.
fn seeded(app: &App, part: Part) -> App {
    App::new(
        app.store.clone(),
        Clock::Fixed(FixedClock::at(FOUNDED)),
        Entropy::Seeded(SeededEntropy::new(part as u64)),
        app.keyring.clone(),
        app.data.clone(),
        app.pool.clone(),
        app.settings.clone(),
    )
}

/// Passwords are real chance, whatever the rest is made with; nobody knows these.
fn person(app: &App, (role, email, first_name, last_name): (Role, &str, &str, &str)) -> UserRequest {
    let password: Zeroizing<String> = random_password(&app.entropy);
    UserRequest {
        email: email.to_owned(),
        first_name: first_name.to_owned(),
        last_name: last_name.to_owned(),
        role,
        password,
    }
}

fn template(templates: &[ReportTemplate], kind: TemplateKind) -> Result<TemplateId> {
    let found = templates.iter().find(|template| template.kind == kind);
    found.map(|template| template.id).ok_or_else(|| Error::internal("a built-in template is missing"))
}

fn definition(showcase: &Showcase, sources: &[(&str, SourceId)]) -> Result<NewDashboard> {
    let widgets = showcase.widgets.iter().map(|widget| {
        let source = sources.iter().find(|(slug, _)| *slug == widget.source);
        let (slug, source) = source.ok_or_else(|| Error::internal("a showcase names no source of the sandbox"))?;
        let (x, y, width, height) = widget.position;
        Ok(NewWidget {
            id: None,
            kind: widget.kind,
            title: widget.title.to_owned(),
            source: (IdRef::Number(*source), (*slug).to_owned()),
            sql: widget.sql.to_owned(),
            target: widget.target,
            format: Format {
                style: widget.style,
                currency: widget.currency.map(str::to_owned),
                unit: widget.unit.map(str::to_owned),
                decimals: widget.decimals,
            },
            position: Some(Position { x, y, width, height }),
        })
    });
    Ok(NewDashboard {
        name: showcase.name.to_owned(),
        description: showcase.description.to_owned(),
        widgets: widgets.collect::<Result<_>>()?,
    })
}
