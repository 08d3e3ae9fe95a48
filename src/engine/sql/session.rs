//! The engine of one worker process, and the sessions in which queries see their caller's tables and nothing else.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use datafusion::arrow::datatypes::Schema;
use datafusion::catalog::{
    CatalogProvider, CatalogProviderList, MemoryCatalogProvider, MemoryCatalogProviderList, MemorySchemaProvider,
    SchemaProvider, TableProvider,
};
use datafusion::common::Column;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::datasource::empty::EmptyTable;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::{ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl};
use datafusion::datasource::physical_plan::ParquetSource;
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::{ViewTable, provider_as_source};
use datafusion::error::DataFusionError;
use datafusion::execution::SessionState;
use datafusion::execution::context::SQLOptions;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, Volatility};
use datafusion::physical_plan::{ExecutionPlan, SendableRecordBatchStream, execute_stream};
use datafusion::prelude::SessionConfig;
use datafusion::sql::parser::Statement as Parsed;
use datafusion::sql::sqlparser::ast::Statement;
use parking_lot::Mutex;

use super::checked::CheckIntegers;
use super::names::{self, KnownTable};
use super::parameters::bind;
use super::{eager, errors, functions, guard, listing, peers, value};
use crate::domain::result::Column as ResultColumn;
use crate::engine::threads::Hands;
use crate::engine::{defect, internal};
use crate::worker::protocol::{ColumnView, Failure, QueryLimits, TableFile};

/// The catalog that all tables are in; nobody has to name it.
const CATALOG: &str = "claribi";
/// The schema of names without one, when no source was chosen: it is always empty.
const NOWHERE: &str = "no_source";
/// What an extract is called below a view of it; no query can name it.
const EXTRACT: &str = "extract";
/// Extracts whose schemas are remembered.
const REMEMBERED: usize = 512;

/// What an engine may use.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How many partitions a query is divided into.
    pub cores: usize,
    /// Where queries spill; without it they cannot.
    pub scratch: Option<PathBuf>,
}

/// Everything that queries of one process share.
pub struct Engine {
    /// Where its queries run.
    pub hands: Hands,
    settings: Settings,
    base: SessionState,
    /// Extracts never change, so neither does what is known of them.
    extracts: Mutex<HashMap<PathBuf, Arc<dyn TableProvider>>>,
}

impl Engine {
    /// An engine; costs some milliseconds, which its queries then do not.
    pub fn new(settings: Settings, hands: Hands) -> Result<Self, Failure> {
        let mut config = SessionConfig::new()
            .with_target_partitions(settings.cores.clamp(1, 4))
            .with_information_schema(false)
            .with_create_default_catalog_and_schema(false)
            .with_default_catalog_and_schema(CATALOG, NOWHERE);
        config.options_mut().sql_parser.collect_spans = true;
        listing::nothing_beforehand(config.options_mut());
        let runtime = RuntimeEnvBuilder::new().build_arc().map_err(|error| internal("no engine", &error))?;
        let builder = SessionStateBuilder::new().with_config(config).with_runtime_env(runtime);
        let builder =
            builder.with_analyzer_rule(Arc::new(CheckIntegers::new())).with_physical_optimizer_rules(eager::rules());
        let base = functions::register(builder).build();
        Ok(Self { hands, settings, base, extracts: Mutex::new(HashMap::new()) })
    }

    /// A session with these tables, each as `source.table`, those of `source` also by name alone.
    pub async fn session(
        &self,
        tables: &[TableFile],
        source: Option<&str>,
        limits: &QueryLimits,
    ) -> Result<Session, Failure> {
        let mut providers = Vec::with_capacity(tables.len());
        for file in tables {
            providers.push(self.table(file).await?);
        }
        self.session_of(tables, providers, source, limits)
    }

    /// As [`Engine::session`], for plans that are not run: of the tables there are the columns that queries see, and
    /// neither rows nor files.
    pub async fn outline(
        &self,
        tables: &[TableFile],
        source: Option<&str>,
        limits: &QueryLimits,
    ) -> Result<Session, Failure> {
        let mut providers: Vec<Arc<dyn TableProvider>> = Vec::with_capacity(tables.len());
        for file in tables {
            providers.push(Arc::new(EmptyTable::new(self.table(file).await?.schema())));
        }
        self.session_of(tables, providers, source, limits)
    }

    /// The table as queries see it.
    async fn table(&self, file: &TableFile) -> Result<Arc<dyn TableProvider>, Failure> {
        let extract = self.extract(file).await?;
        if file.columns.is_empty() { Ok(extract) } else { seen(extract, &file.columns) }
    }

    fn session_of(
        &self,
        tables: &[TableFile],
        providers: Vec<Arc<dyn TableProvider>>,
        source: Option<&str>,
        limits: &QueryLimits,
    ) -> Result<Session, Failure> {
        let catalog = MemoryCatalogProvider::new();
        let mut schemas: HashMap<&str, Arc<MemorySchemaProvider>> = HashMap::new();
        let mut known = Vec::with_capacity(tables.len());
        for (file, provider) in tables.iter().zip(providers) {
            known.push(KnownTable {
                source: file.source.clone(),
                table: file.table.clone(),
                schema: provider.schema(),
            });
            let schema = schemas.entry(&file.source).or_default();
            schema.register_table(file.table.clone(), provider).map_err(|error| internal("a table twice", &error))?;
        }
        for (name, schema) in schemas {
            catalog.register_schema(name, schema).map_err(|error| internal("a source twice", &error))?;
        }
        let catalogs = MemoryCatalogProviderList::new();
        catalogs.register_catalog(CATALOG.to_owned(), Arc::new(catalog));
        let config = self.base.config().clone().with_default_catalog_and_schema(CATALOG, source.unwrap_or(NOWHERE));
        let mut state = SessionStateBuilder::new_from_existing(self.base.clone())
            .with_config(config)
            .with_catalog_list(Arc::new(catalogs))
            .with_runtime_env(self.runtime(limits)?)
            .build();
        // What `now()` is in it.
        state.mark_start_execution();
        Ok(Session { state, tables: known, source: source.map(str::to_owned) })
    }

    /// The environment of one query: its own memory and spill, the process's caches.
    fn runtime(&self, limits: &QueryLimits) -> Result<Arc<RuntimeEnv>, Failure> {
        let mode = match &self.settings.scratch {
            Some(scratch) => DiskManagerMode::Directories(vec![scratch.clone()]),
            None => DiskManagerMode::Disabled,
        };
        let disk = DiskManagerBuilder::default().with_mode(mode).with_max_temp_directory_size(limits.spill_bytes);
        let memory = usize::try_from(limits.memory_bytes).unwrap_or(usize::MAX);
        RuntimeEnvBuilder::from_runtime_env(self.base.runtime_env())
            .with_disk_manager_builder(disk)
            .with_memory_pool(Arc::new(FairSpillPool::new(memory)))
            .build_arc()
            .map_err(|error| internal("no scratch directory", &error))
    }

    async fn extract(&self, file: &TableFile) -> Result<Arc<dyn TableProvider>, Failure> {
        if let Some(known) = self.extracts.lock().get(&file.path) {
            return Ok(known.clone());
        }
        let unreadable = |error: DataFusionError| internal("an extract cannot be read", &error);
        let path = file.path.to_str().ok_or_else(|| defect("an extract's path is no text"))?;
        // As a URL, so that no character of the path is taken for a pattern.
        let url = url_of(path).and_then(ListingTableUrl::parse).map_err(unreadable)?;
        let options = ListingOptions::new(Arc::new(ParquetFormat::default())).with_file_extension("");
        let schema = options.infer_schema(&self.base, &url).await.map_err(unreadable)?;
        let config = ListingTableConfig::new(url).with_listing_options(options).with_schema(schema);
        let table = ListingTable::try_new(config)
            .map_err(unreadable)?
            .with_cache(self.base.runtime_env().cache_manager.get_file_statistic_cache());
        let provider: Arc<dyn TableProvider> = Arc::new(table);
        let mut extracts = self.extracts.lock();
        if extracts.len() >= REMEMBERED {
            extracts.clear();
        }
        extracts.insert(file.path.clone(), provider.clone());
        Ok(provider)
    }
}

/// A table as its queries see it: some columns under other names, some not at all. The planner sees through it, so that
/// no more of the extract is read than otherwise.
fn seen(extract: Arc<dyn TableProvider>, views: &[ColumnView]) -> Result<Arc<dyn TableProvider>, Failure> {
    let views: HashMap<&str, Option<&str>> =
        views.iter().map(|view| (view.column.as_str(), view.name.as_deref())).collect();
    let schema = extract.schema();
    let columns = schema.fields().iter().filter_map(|field| {
        let name = match views.get(field.name().as_str()) {
            None => field.name(),
            Some(Some(name)) => *name,
            Some(None) => return None,
        };
        Some(Expr::Column(Column::new(Some(EXTRACT), field.name())).alias(name))
    });
    let plan = LogicalPlanBuilder::scan(EXTRACT, provider_as_source(extract), None)
        .and_then(|scan| scan.project(columns))
        .and_then(LogicalPlanBuilder::build)
        .map_err(|error| internal("a table cannot be seen otherwise", &error))?;
    Ok(Arc::new(ViewTable::new(plan, None)))
}

/// One caller's view: some tables, limited resources.
pub struct Session {
    state: SessionState,
    tables: Vec<KnownTable>,
    source: Option<String>,
}

/// A query that runs.
pub struct Running {
    /// The columns of its rows.
    pub columns: Vec<ResultColumn>,
    /// Its rows.
    pub stream: SendableRecordBatchStream,
    /// Whether it would have the same rows at another time: it asks neither clock nor chance.
    pub is_lasting: bool,
    plan: Arc<dyn ExecutionPlan>,
}

impl Running {
    /// Rows read from extracts so far.
    pub fn rows_scanned(&self) -> u64 {
        rows_scanned(self.plan.as_ref())
    }
}

impl Session {
    /// The tables at hand.
    pub fn tables(&self) -> &[KnownTable] {
        &self.tables
    }

    /// Starts the query; at most `rows` rows will come.
    pub async fn start(&self, sql: &str, parameters: &[serde_json::Value], rows: u64) -> Result<Running, Failure> {
        let statement = guard::parse(sql)?;
        let plan = self.bound(&statement, parameters).await?;
        let is_lasting = is_lasting(&plan).map_err(|error| self.failure(&error))?;
        let (plan, state) = self.steps(plan, rows).await.map_err(|error| self.failure(&error))?;
        let stream = execute_stream(plan.clone(), state.task_ctx()).map_err(|error| self.failure(&error))?;
        let columns = labelled(&stream.schema(), &statement);
        Ok(Running { columns, stream, is_lasting, plan })
    }

    /// The query as it would run, and the columns of its rows, of which there would be at most `rows`.
    pub async fn optimized(
        &self,
        sql: &str,
        parameters: &[serde_json::Value],
        rows: u64,
    ) -> Result<(LogicalPlan, Vec<ResultColumn>), Failure> {
        let statement = guard::parse(sql)?;
        let plan = self.bound(&statement, parameters).await?;
        let plan = limited(plan, rows).and_then(|plan| self.state.optimize(&plan));
        let plan = plan.map_err(|error| self.failure(&error))?;
        let columns = labelled(plan.schema().as_arrow(), &statement);
        Ok((plan, columns))
    }

    /// How the query would run, a line for each step.
    #[cfg(test)]
    pub async fn told(&self, sql: &str) -> String {
        let plan = self.bound(&guard::parse(sql).unwrap(), &[]).await.unwrap();
        let (plan, _) = self.steps(plan, u64::MAX).await.unwrap();
        datafusion::physical_plan::displayable(plan.as_ref()).indent(false).to_string()
    }

    /// How a plan is run for so many rows at most, and with which options.
    async fn steps(
        &self,
        plan: LogicalPlan,
        rows: u64,
    ) -> Result<(Arc<dyn ExecutionPlan>, SessionState), DataFusionError> {
        let plan = self.state.optimize(&limited(plan, rows)?)?;
        let mut state = self.state.clone();
        if listing::is_plain(&plan) {
            listing::leave_out_beforehand(state.config_mut().options_mut());
        }
        let mut steps = state.query_planner().create_physical_plan(&plan, &state).await?;
        if peers::can_be_told(&plan) {
            steps = peers::told(steps)?;
        }
        Ok((steps, state))
    }

    /// The engine's error as its caller may read it.
    pub fn failure(&self, error: &DataFusionError) -> Failure {
        errors::failure(error, &functions::names(&self.state))
    }

    /// The plan with its parameters' values.
    async fn bound(&self, statement: &Statement, parameters: &[serde_json::Value]) -> Result<LogicalPlan, Failure> {
        let plan = self.plan(statement).await?;
        bind(plan, parameters).map_err(|error| self.failure(&error))?
    }

    async fn plan(&self, statement: &Statement) -> Result<LogicalPlan, Failure> {
        let parsed = Parsed::Statement(Box::new(statement.clone()));
        let references = self.state.resolve_table_references(&parsed).map_err(|error| self.failure(&error))?;
        for reference in &references {
            names::check_table(reference, &self.tables, self.source.as_deref(), statement)?;
        }
        let mut plan = self.state.statement_to_plan(parsed).await;
        if plan.as_ref().is_err_and(errors::names_unknown_column) {
            let mut respelled = statement.clone();
            if names::respell(&mut respelled, &self.tables) {
                // What is wrong is told of the query as it was written.
                plan = self.state.statement_to_plan(Parsed::Statement(Box::new(respelled))).await.or(plan);
            }
        }
        let plan = plan.map_err(|error| self.failure(&error))?;
        let reads = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
        reads.verify_plan(&plan).map_err(|error| self.failure(&error))?;
        Ok(plan)
    }
}

/// The plan with so many rows at most.
fn limited(plan: LogicalPlan, rows: u64) -> Result<LogicalPlan, DataFusionError> {
    // The planner keeps limits in signed numbers.
    let rows = usize::try_from(rows).unwrap_or(usize::MAX).min(usize::MAX >> 1);
    LogicalPlanBuilder::from(plan).limit(0, Some(rows)).and_then(LogicalPlanBuilder::build)
}

/// The columns of a result, called as the query calls them.
fn labelled(schema: &Schema, statement: &Statement) -> Vec<ResultColumn> {
    let mut columns = value::columns(schema);
    let labels = names::labels(statement, columns.len());
    for (column, label) in columns.iter_mut().zip(labels) {
        column.name = label.unwrap_or_else(|| std::mem::take(&mut column.name));
    }
    columns
}

/// Whether every function of a plan gives the same for the same, always. To be asked before it is optimised, which puts
/// the present time in its place.
fn is_lasting(plan: &LogicalPlan) -> Result<bool, DataFusionError> {
    let mut lasts = true;
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expression| {
            expression.apply(|part| {
                if let Expr::ScalarFunction(call) = part {
                    lasts &= call.func.signature().volatility == Volatility::Immutable;
                }
                Ok(if lasts { TreeNodeRecursion::Continue } else { TreeNodeRecursion::Stop })
            })
        })
    })?;
    Ok(lasts)
}

/// Rows that the scans below the node have read, those included that a filter left out at once.
fn rows_scanned(plan: &dyn ExecutionPlan) -> u64 {
    let own = plan
        .downcast_ref::<DataSourceExec>()
        .filter(|scan| scan.downcast_to_file_source::<ParquetSource>().is_some())
        .and_then(datafusion::physical_plan::ExecutionPlan::metrics)
        .map_or(0, |metrics| {
            let left_out = metrics.sum_by_name("pushdown_rows_pruned").map_or(0, |rows| rows.as_usize());
            (metrics.output_rows().unwrap_or(0) + left_out) as u64
        });
    own + plan.children().into_iter().map(|child| rows_scanned(child.as_ref())).sum::<u64>()
}

fn url_of(path: &str) -> Result<String, DataFusionError> {
    let mut url = String::from("file://");
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' | b'~' => url.push(char::from(byte)),
            other => url.push_str(&format!("%{other:02X}")),
        }
    }
    if path.starts_with('/') { Ok(url) } else { Err(DataFusionError::Plan("an extract needs an absolute path".into())) }
}
