//! The engine with the functions that queries may call, and no others.

use std::sync::Arc;

use datafusion::execution::SessionStateDefaults;
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::AggregateUDF;

use super::checked;
use crate::domain::functions::{AGGREGATE, WINDOW, is_scalar};

/// The builder with these functions, and none that stand in `FROM`.
pub fn register(builder: SessionStateBuilder) -> SessionStateBuilder {
    let scalar = SessionStateDefaults::default_scalar_functions();
    let aggregate = SessionStateDefaults::default_aggregate_functions();
    let window = SessionStateDefaults::default_window_functions();
    builder
        .with_scalar_functions(scalar.into_iter().filter(|function| is_scalar(function.name())).collect())
        .with_aggregate_functions(aggregate.into_iter().filter_map(listed_aggregate).collect())
        .with_window_functions(window.into_iter().filter(|function| WINDOW.contains(&function.name())).collect())
        .with_expr_planners(SessionStateDefaults::default_expr_planners())
}

/// An aggregate that may be called. Sums of whole numbers are ours.
fn listed_aggregate(function: Arc<AggregateUDF>) -> Option<Arc<AggregateUDF>> {
    match function.name() {
        "sum" => Some(checked::checked_sum().into()),
        name => AGGREGATE.contains(&name).then_some(function),
    }
}

/// All names that may be called, for suggestions.
pub fn names(state: &SessionState) -> Vec<&str> {
    let scalar = state.scalar_functions().keys();
    let aggregate = state.aggregate_functions().keys();
    let window = state.window_functions().keys();
    scalar.chain(aggregate).chain(window).map(String::as_str).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::functions::SCALAR;

    #[test]
    fn every_listed_function_exists_and_none_tells_about_the_machine() {
        let (scalar, aggregate, window) = (
            SessionStateDefaults::default_scalar_functions(),
            SessionStateDefaults::default_aggregate_functions(),
            SessionStateDefaults::default_window_functions(),
        );
        let scalar: Vec<&str> = scalar.iter().map(|function| function.name()).collect();
        let aggregate: Vec<&str> = aggregate.iter().map(|function| function.name()).collect();
        let window: Vec<&str> = window.iter().map(|function| function.name()).collect();
        let missing = |list: &[&'static str], all: &[&str]| -> Vec<&'static str> {
            list.iter().copied().filter(|name| !all.contains(name)).collect()
        };
        let listed: Vec<&'static str> = SCALAR.iter().flat_map(|(_, names)| *names).copied().collect();
        assert_eq!(missing(&listed, &scalar), [""; 0], "of {scalar:?}");
        assert_eq!(missing(AGGREGATE, &aggregate), [""; 0], "of {aggregate:?}");
        assert_eq!(missing(WINDOW, &window), [""; 0], "of {window:?}");
        let state = register(SessionStateBuilder::new()).build();
        for name in ["input_file_name", "version", "arrow_metadata", "file_row_index", "with_metadata"] {
            assert!(!super::names(&state).contains(&name), "{name}");
        }
        assert!(state.table_functions().is_empty());
    }
}
