//! The tables and columns a query can name, and what people mean when they name them slightly otherwise.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::TableReference;
use datafusion::sql::sqlparser::ast::{
    Expr, Ident, ObjectName, Select, SelectItem, SetExpr, Statement, Visit, VisitMut, Visitor, VisitorMut,
    visit_relations,
};

use crate::worker::protocol::{Failure, FailureCode, Position};

/// The longest label of a result, in characters.
const LONGEST_LABEL: usize = 100;

/// A table that a query may read.
#[derive(Debug, Clone)]
pub struct KnownTable {
    /// The slug of its source.
    pub source: String,
    /// Its name.
    pub table: String,
    /// Its columns.
    pub schema: SchemaRef,
}

/// Fails with a sentence when the reference is none of the tables.
pub fn check_table(
    reference: &TableReference,
    tables: &[KnownTable],
    source: Option<&str>,
    statement: &Statement,
) -> Result<(), Failure> {
    let schema = reference.schema().or(source);
    let known = |known: &&KnownTable| Some(known.source.as_str()) == schema && known.table == reference.table();
    if reference.catalog().is_none() && tables.iter().find(known).is_some() {
        return Ok(());
    }
    let message = if reference.to_string().contains(['/', '\\']) || reference.catalog().is_some() {
        format!("Tables are named as `source.table`, and files cannot be read; {}.", at_hand(tables, source))
    } else {
        let nearest = nearest(reference.table(), tables.iter().map(|known| known.table.as_str()));
        let asked = reference.to_string();
        match nearest.and_then(|nearest| tables.iter().find(|known| known.table == nearest)) {
            Some(known) => format!("There is no table `{asked}`; did you mean `{}`?", spelled(known, source)),
            None => format!("There is no table `{asked}`; {}.", at_hand(tables, source)),
        }
    };
    let position = position_of(reference.table(), statement);
    Err(Failure { code: FailureCode::InvalidSql, message, position })
}

/// The known name that is most like the asked one, when any is like it.
pub fn nearest<'a>(asked: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let asked = asked.to_lowercase();
    known
        .map(|name| (strsim::jaro_winkler(&asked, &name.to_lowercase()), name))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|left, right| left.0.total_cmp(&right.0))
        .map(|(_, name)| name)
}

/// Spells columns as the tables do where the query wrote them in other letters, as far as that is unambiguous.
///
/// Standard SQL reads names without quotes in lower case; a column `Origin` would need quotes. Names that the query
/// itself gives to its results stay as they are. Tells whether anything changed.
pub fn respell(statement: &mut Statement, tables: &[KnownTable]) -> bool {
    let mut spellings: HashMap<String, Option<&str>> = HashMap::new();
    for name in tables.iter().flat_map(|table| table.schema.fields()).map(|field| field.name()) {
        spellings
            .entry(name.to_lowercase())
            .and_modify(|known| *known = known.filter(|known| known == name))
            .or_insert(Some(name));
    }
    let mut aliases = Aliases::default();
    let _: ControlFlow<()> = Visit::visit(statement, &mut aliases);
    spellings.retain(|lower, name| !aliases.0.contains(lower) && name.is_some_and(|name| name != lower));
    let mut respeller = Respeller { spellings, changed: false };
    let _: ControlFlow<()> = VisitMut::visit(statement, &mut respeller);
    respeller.changed
}

/// What the query's results are called where it names them no otherwise: the expression as it was written, because the
/// engine's own names speak of its types. `None` where the engine's name is the column's.
pub fn labels(statement: &Statement, columns: usize) -> Vec<Option<String>> {
    let mut labels = vec![None; columns];
    let Statement::Query(query) = statement else { return labels };
    let Some(select) = first_select(&query.body) else { return labels };
    let is_wildcard = |item: &SelectItem| matches!(item, SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..));
    let items = &select.projection;
    let before = items.iter().take_while(|item| !is_wildcard(item)).count();
    let after = items.iter().rev().take_while(|item| !is_wildcard(item)).count();
    // A wildcard stands for any number of columns, so those behind it are counted from the end.
    let front = items[..before].iter().zip(0..columns);
    let back = items[items.len() - after..].iter().rev().zip((0..columns).rev());
    for (item, position) in front.chain(back) {
        if let SelectItem::UnnamedExpr(expression) = item
            && !matches!(expression, Expr::Identifier(_) | Expr::CompoundIdentifier(_))
        {
            labels[position] = Some(expression.to_string().chars().take(LONGEST_LABEL).collect());
        }
    }
    labels
}

/// The `SELECT` that names the results: of a set operation, the first.
fn first_select(body: &SetExpr) -> Option<&Select> {
    match body {
        SetExpr::Select(select) => Some(select),
        SetExpr::Query(query) => first_select(&query.body),
        SetExpr::SetOperation { left, .. } => first_select(left),
        _ => None,
    }
}

/// The names that a query gives to its results, in lower case.
#[derive(Default)]
struct Aliases(HashSet<String>);

impl Visitor for Aliases {
    type Break = ();

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
        for item in &select.projection {
            if let SelectItem::ExprWithAlias { alias, .. } = item {
                self.0.insert(alias.value.to_lowercase());
            }
        }
        ControlFlow::Continue(())
    }
}

struct Respeller<'a> {
    spellings: HashMap<String, Option<&'a str>>,
    changed: bool,
}

impl VisitorMut for Respeller<'_> {
    type Break = ();

    fn pre_visit_expr(&mut self, expression: &mut Expr) -> ControlFlow<()> {
        let name = match expression {
            Expr::Identifier(name) => Some(name),
            Expr::CompoundIdentifier(parts) => parts.last_mut(),
            _ => None,
        };
        if let Some(name) = name.filter(|name| name.quote_style.is_none())
            && let Some(Some(spelling)) = self.spellings.get(&name.value.to_lowercase())
        {
            name.value = (*spelling).to_owned();
            name.quote_style = Some('"');
            self.changed = true;
        }
        ControlFlow::Continue(())
    }
}

/// Where the query names the table first.
fn position_of(table: &str, statement: &Statement) -> Option<Position> {
    let found = visit_relations(statement, |name: &ObjectName| {
        let last: Option<&Ident> = name.0.last().and_then(|part| part.as_ident());
        match (last, name.0.first().and_then(|part| part.as_ident())) {
            (Some(last), Some(first)) if last.value.eq_ignore_ascii_case(table) => ControlFlow::Break(first.span.start),
            _ => ControlFlow::Continue(()),
        }
    });
    match found {
        ControlFlow::Break(start) if start.line > 0 => Some(Position { line: start.line, column: start.column }),
        _ => None,
    }
}

fn spelled(known: &KnownTable, source: Option<&str>) -> String {
    if source == Some(known.source.as_str()) {
        known.table.clone()
    } else {
        format!("{}.{}", known.source, known.table)
    }
}

fn at_hand(tables: &[KnownTable], source: Option<&str>) -> String {
    if tables.is_empty() {
        return "there are no tables yet".to_owned();
    }
    let names: Vec<String> = tables.iter().take(20).map(|known| format!("`{}`", spelled(known, source))).collect();
    let more = if tables.len() > names.len() { ", …" } else { "" };
    format!("the tables at hand are {}{more}", names.join(", "))
}
