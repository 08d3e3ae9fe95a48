//! The first wall: exactly one statement, and that a query which only reads.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{Query, Select, Statement, TableFactor, Visit, Visitor};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::Parser;

use super::errors;
use crate::worker::protocol::{Failure, FailureCode};

/// How deep expressions and subqueries may be nested.
const DEPTH: usize = 50;
/// What is said of `EXPLAIN`, which tells where files are.
const EXPLAIN: &str = "EXPLAIN is no query; send what stands behind it, alone, to POST /v1/query/explain, or on the platform \
                       face to POST /api/analytics/query/explain/, and be told its plan.";

/// Reads the text as one query.
pub fn parse(sql: &str) -> Result<Statement, Failure> {
    let mut statements = Parser::new(&GenericDialect {})
        .with_recursion_limit(DEPTH)
        .try_with_sql(sql)
        .and_then(|mut parser| parser.parse_statements())
        .map_err(|error| errors::syntax(&error))?;
    let statement = match (statements.pop(), statements.is_empty()) {
        (None, _) => return Err(refused("The query is empty; write one SELECT.")),
        (Some(statement), true) => statement,
        (Some(_), false) => {
            return Err(refused("Only one statement is accepted at a time; send each as its own query."));
        }
    };
    match statement.visit(&mut OnlyReads) {
        ControlFlow::Continue(()) => Ok(statement),
        ControlFlow::Break(message) => Err(refused(message)),
    }
}

fn refused(message: impl Into<String>) -> Failure {
    Failure::new(FailureCode::InvalidSql, message)
}

/// Breaks with a sentence at the first part that is no plain reading.
struct OnlyReads;

impl Visitor for OnlyReads {
    type Break = String;

    fn pre_visit_statement(&mut self, statement: &Statement) -> ControlFlow<String> {
        if matches!(statement, Statement::Query(_)) {
            return ControlFlow::Continue(());
        }
        let text = statement.to_string();
        let word: String = text.chars().take_while(char::is_ascii_alphabetic).collect();
        if matches!(statement, Statement::Explain { .. }) {
            return ControlFlow::Break(EXPLAIN.into());
        }
        ControlFlow::Break(format!("Only queries are accepted, and {} is none; write one SELECT.", word.to_uppercase()))
    }

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<String> {
        if query.locks.is_empty() {
            return ControlFlow::Continue(());
        }
        ControlFlow::Break("Queries only read, so there is nothing to lock; leave FOR UPDATE and FOR SHARE out.".into())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<String> {
        if select.into.is_none() {
            return ControlFlow::Continue(());
        }
        ControlFlow::Break("Queries only read; leave INTO out.".into())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<String> {
        match factor {
            TableFactor::Table { args: Some(_), .. }
            | TableFactor::TableFunction { .. }
            | TableFactor::Function { .. } => ControlFlow::Break(
                "Functions cannot stand in FROM; name tables there, or use unnest(…) with an array.".into(),
            ),
            _ => ControlFlow::Continue(()),
        }
    }
}
