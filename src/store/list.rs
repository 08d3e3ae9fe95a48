//! Slices of lists: which rows of an organisation, in which order, from where on. SQL is made of what stands in this
//! program; what clients say is bound to it. A list without filters is one statement for each order, and stays
//! prepared.

use rusqlite::functions::FunctionFlags;
use rusqlite::types::Value;
use rusqlite::{Connection, Row, params_from_iter};

use super::{Reader, StoreError};
use crate::domain::cursor::SortKey;
use crate::domain::id::{IdRef, Kind};
use crate::domain::page::{Direction, Order, Position, SortBy, Times};
use crate::domain::time::Timestamp;

/// Which entries of a list.
#[derive(Debug, Clone)]
pub struct Slice {
    /// In which order.
    pub order: Order,
    /// From where on.
    pub start: Start,
    /// How many at most.
    pub take: u32,
}

/// Where a slice begins.
#[derive(Debug, Clone)]
pub enum Start {
    /// Behind as many entries.
    Offset(u64),
    /// Behind this place; `None`: at the beginning.
    After(Option<Position>),
}

impl Slice {
    /// All entries, oldest first.
    pub fn all() -> Self {
        Self { order: Order::default(), start: Start::After(None), take: u32::MAX }
    }
}

/// A table as its lists see it.
pub(super) struct View {
    /// Ends before its `WHERE`; the main table is called `t` and has `org_id` and `id`.
    pub(super) select: &'static str,
    /// The main table, for counting.
    pub(super) table: &'static str,
    /// What an order by name compares.
    pub(super) name: &'static str,
}

/// What rows must meet beside being the organisation's.
#[derive(Default)]
pub(super) struct Conditions {
    sql: String,
    values: Vec<Value>,
}

impl Conditions {
    /// Adds a condition without a value.
    pub(super) fn when(mut self, condition: &'static str) -> Self {
        self.sql.push_str(" AND ");
        self.sql.push_str(condition);
        self
    }

    /// Adds a condition whose `?` is the value, where there is one.
    pub(super) fn with(mut self, condition: &'static str, value: Option<impl Into<Value>>) -> Self {
        let Some(value) = value else { return self };
        self.values.push(value.into());
        self.when(condition)
    }

    /// Adds what bounds times.
    pub(super) fn times(self, times: &Times) -> Self {
        self.with("t.created_at >= ?", times.created_after.map(Timestamp::millis))
            .with("t.created_at < ?", times.created_before.map(Timestamp::millis))
            .with("t.updated_at >= ?", times.updated_after.map(Timestamp::millis))
    }

    /// Adds a condition whose `?` is the text, for `has_text`.
    pub(super) fn text(self, condition: &'static str, text: Option<&String>) -> Self {
        self.with(condition, text.map(|text| folded(text)))
    }

    /// Adds a condition on another object: one whose `?` is its row, or one whose `?` is its uuid. Nothing refers to an
    /// unknown one.
    pub(super) fn refers<K: Kind>(
        self,
        by_row: &'static str,
        by_uuid: &'static str,
        object: Option<&IdRef<K>>,
    ) -> Self {
        match object {
            None => self,
            Some(IdRef::Number(id)) => self.with(by_row, Some(id.raw())),
            Some(IdRef::Uuid(uuid)) => self.with(by_uuid, Some(uuid.as_bytes().to_vec())),
            Some(IdRef::Unknown) => self.when("0"),
        }
    }
}

impl<D> Reader<'_, D> {
    /// A slice of the rows of an organisation that meet the conditions.
    pub(super) fn list_in_org<T>(
        &self,
        view: &View,
        org: i64,
        conditions: Conditions,
        slice: &Slice,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        let (sql, values) = statement(view, org, conditions, slice);
        let mut statement = self.prepare(&sql)?;
        let rows = statement.query_map(params_from_iter(values), read)?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// How many rows of an organisation meet the conditions.
    pub(super) fn count_in_org(&self, view: &View, org: i64, conditions: Conditions) -> Result<u64, StoreError> {
        let sql = format!("SELECT count(*) FROM {} t WHERE t.org_id = ?{}", view.table, conditions.sql);
        let values = std::iter::once(Value::Integer(org)).chain(conditions.values);
        let count: i64 = self.prepare(&sql)?.query_row(params_from_iter(values), |row| row.get(0))?;
        Ok(u64::try_from(count).unwrap_or(0))
    }
}

/// The statement of a slice, with what is bound to it.
fn statement(view: &View, org: i64, conditions: Conditions, slice: &Slice) -> (String, Vec<Value>) {
    let mut values = vec![Value::Integer(org)];
    values.extend(conditions.values);
    let mut sql = format!("{} WHERE t.org_id = ?{}", view.select, conditions.sql);
    if let Start::After(Some(Position { key, row })) = &slice.start {
        sql.push_str(&after(view, slice.order));
        let key = key.as_ref().map(value_of);
        values.extend(key.iter().chain(&key).cloned());
        values.push((*row).into());
    }
    sql.push_str(&order_by(view, slice.order));
    values.push(slice.take.into());
    if let Start::Offset(skip) = slice.start {
        sql.push_str(" OFFSET ?");
        values.push(i64::try_from(skip).unwrap_or(i64::MAX).into());
    }
    (sql, values)
}

/// What an order compares before the row.
fn column(view: &View, by: SortBy) -> Option<String> {
    match by {
        SortBy::CreatedAt => None,
        SortBy::UpdatedAt => Some("t.updated_at".to_owned()),
        SortBy::Name => Some(format!("{} COLLATE NOCASE", view.name)),
    }
}

/// What lies behind a place. The bound on the column alone is implied by the other one: an index is entered by it, as
/// SQLite enters none by a comparison of pairs that has a collation.
fn after(view: &View, order: Order) -> String {
    let than = match order.direction {
        Direction::Ascending => '>',
        Direction::Descending => '<',
    };
    match column(view, order.by) {
        None => format!(" AND t.id {than} ?"),
        Some(column) => format!(" AND {column} {than}= ? AND ({column}, t.id) {than} (?, ?)"),
    }
}

fn order_by(view: &View, order: Order) -> String {
    let direction = match order.direction {
        Direction::Ascending => "",
        Direction::Descending => " DESC",
    };
    let first = column(view, order.by).map(|column| format!("{column}{direction}, ")).unwrap_or_default();
    format!(" ORDER BY {first}t.id{direction} LIMIT ?")
}

fn value_of(key: &SortKey) -> Value {
    match key {
        SortKey::Integer(value) => Value::Integer(*value),
        SortKey::Text(text) => Value::Text(text.clone()),
    }
}

/// Adds `has_text(text, folded)`: whether a text has another in it, whatever their case. SQLite's own `LIKE` knows
/// cases of A to Z alone, and characters of its own.
pub(super) fn add_functions(connection: &Connection) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_INNOCUOUS;
    connection.create_scalar_function("has_text", 2, flags, |call| {
        let (text, sought) = (call.get_raw(0).as_str()?, call.get_raw(1).as_str()?);
        Ok(folded(text).contains(sought))
    })
}

/// A text without its cases.
fn folded(text: &str) -> String {
    text.chars().flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::domain::time::Timestamp;
    use crate::store::main::{dashboards, reports, saved_queries};
    use crate::store::migrate;

    /// How SQLite goes about a statement, a line for each table.
    fn plan(connection: &Connection, sql: &str, values: Vec<Value>) -> Vec<String> {
        let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let rows = statement.query_map(params_from_iter(values), |row| row.get("detail")).unwrap();
        rows.map(Result::unwrap).collect()
    }

    #[test]
    fn lists_that_grow_large_are_read_by_an_index_of_their_order_and_entered_where_the_page_begins() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate::main(&mut connection, Path::new("no backups of nothing"), Timestamp::from_millis(0)).unwrap();
        for (view, by) in [&dashboards::VIEW, &reports::VIEW, &saved_queries::VIEW]
            .into_iter()
            .flat_map(|view| [SortBy::CreatedAt, SortBy::UpdatedAt, SortBy::Name].map(|by| (view, by)))
        {
            let (index, column, key) = match by {
                SortBy::CreatedAt => ("org", "id", None),
                SortBy::UpdatedAt => ("update", "updated_at", Some(SortKey::Integer(5))),
                SortBy::Name => ("name", "name", Some(SortKey::Text("Q2".to_owned()))),
            };
            for order in Order::both(by) {
                let than = if order.direction == Direction::Ascending { '>' } else { '<' };
                let behind = Start::After(Some(Position { key: key.clone(), row: 9 }));
                for (start, entered) in [
                    (Start::After(None), String::new()),
                    (Start::Offset(40), String::new()),
                    (behind, format!(" AND {column}{than}?")),
                ] {
                    let (sql, values) = statement(view, 1, Conditions::default(), &Slice { order, start, take: 21 });
                    let plan = plan(&connection, &sql, values);
                    let first = format!("SEARCH t USING INDEX {}_by_{index} (org_id=?{entered})", view.table);
                    assert_eq!(plan[0], first, "{sql}");
                    assert!(plan.iter().all(|line| line.starts_with("SEARCH")), "{sql}: {plan:?}");
                }
            }
        }
    }
}
