//! The functions that queries may call, by name.
//!
//! An allowlist, because the engine's own set has members that tell about the machine (`input_file_name`, `version`,
//! `arrow_metadata`) and grows with each release. Aliases come with the functions that are named.

use std::sync::Arc;

use datafusion::execution::SessionStateDefaults;
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::AggregateUDF;

use super::checked;

const SCALAR: &[&str] = &[
    // conditions and nulls
    "coalesce",
    "greatest",
    "least",
    "nullif",
    "nvl",
    "nvl2",
    "nanvl",
    // numbers
    "abs",
    "acos",
    "acosh",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "cbrt",
    "ceil",
    "cos",
    "cosh",
    "cot",
    "degrees",
    "exp",
    "factorial",
    "floor",
    "gcd",
    "isnan",
    "iszero",
    "lcm",
    "ln",
    "log",
    "log10",
    "log2",
    "pi",
    "power",
    "radians",
    "random",
    "round",
    "signum",
    "sin",
    "sinh",
    "sqrt",
    "tan",
    "tanh",
    "trunc",
    // text
    "ascii",
    "bit_length",
    "btrim",
    "character_length",
    "chr",
    "concat",
    "concat_ws",
    "contains",
    "ends_with",
    "find_in_set",
    "initcap",
    "left",
    "levenshtein",
    "lower",
    "lpad",
    "ltrim",
    "octet_length",
    "overlay",
    "regexp_count",
    "regexp_instr",
    "regexp_like",
    "regexp_match",
    "regexp_replace",
    "repeat",
    "replace",
    "reverse",
    "right",
    "rpad",
    "rtrim",
    "split_part",
    "starts_with",
    "strpos",
    "substr",
    "substr_index",
    "to_hex",
    "translate",
    "upper",
    "uuid",
    // dates and times
    "current_date",
    "current_time",
    "date_bin",
    "date_part",
    "date_trunc",
    "from_unixtime",
    "make_date",
    "make_time",
    "now",
    "to_char",
    "to_date",
    "to_local_time",
    "to_time",
    "to_timestamp",
    "to_timestamp_micros",
    "to_timestamp_millis",
    "to_timestamp_nanos",
    "to_timestamp_seconds",
    "to_unixtime",
    // types, structs, lists
    "arrow_cast",
    "arrow_try_cast",
    "arrow_typeof",
    "get_field",
    "named_struct",
    "struct",
    "array_any_value",
    "array_append",
    "array_concat",
    "array_dims",
    "array_distance",
    "array_distinct",
    "array_element",
    "array_except",
    "array_has",
    "array_has_all",
    "array_has_any",
    "array_intersect",
    "array_length",
    "array_max",
    "array_min",
    "array_ndims",
    "array_pop_back",
    "array_pop_front",
    "array_position",
    "array_positions",
    "array_prepend",
    "array_remove",
    "array_remove_all",
    "array_remove_n",
    "array_repeat",
    "array_replace",
    "array_replace_all",
    "array_replace_n",
    "array_resize",
    "array_reverse",
    "array_slice",
    "array_sort",
    "array_to_string",
    "array_union",
    "cardinality",
    "empty",
    "flatten",
    "generate_series",
    "make_array",
    "range",
    "string_to_array",
];

const AGGREGATE: &[&str] = &[
    "approx_distinct",
    "approx_median",
    "approx_percentile_cont",
    "approx_percentile_cont_with_weight",
    "array_agg",
    "avg",
    "bit_and",
    "bit_or",
    "bit_xor",
    "bool_and",
    "bool_or",
    "corr",
    "count",
    "covar_pop",
    "covar_samp",
    "first_value",
    "grouping",
    "last_value",
    "max",
    "median",
    "min",
    "nth_value",
    "percentile_cont",
    "regr_avgx",
    "regr_avgy",
    "regr_count",
    "regr_intercept",
    "regr_r2",
    "regr_slope",
    "regr_sxx",
    "regr_sxy",
    "regr_syy",
    "stddev",
    "stddev_pop",
    "string_agg",
    "sum",
    "var",
    "var_pop",
];

const WINDOW: &[&str] = &[
    "cume_dist",
    "dense_rank",
    "first_value",
    "lag",
    "last_value",
    "lead",
    "nth_value",
    "ntile",
    "percent_rank",
    "rank",
    "row_number",
];

/// The builder with these functions, and none that stand in `FROM`.
pub fn register(builder: SessionStateBuilder) -> SessionStateBuilder {
    let scalar = SessionStateDefaults::default_scalar_functions();
    let aggregate = SessionStateDefaults::default_aggregate_functions();
    let window = SessionStateDefaults::default_window_functions();
    builder
        .with_scalar_functions(scalar.into_iter().filter(|function| SCALAR.contains(&function.name())).collect())
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
        assert_eq!(missing(SCALAR, &scalar), [""; 0], "of {scalar:?}");
        assert_eq!(missing(AGGREGATE, &aggregate), [""; 0], "of {aggregate:?}");
        assert_eq!(missing(WINDOW, &window), [""; 0], "of {window:?}");
        let state = register(SessionStateBuilder::new()).build();
        for name in ["input_file_name", "version", "arrow_metadata", "file_row_index", "with_metadata"] {
            assert!(!super::names(&state).contains(&name), "{name}");
        }
        assert!(state.table_functions().is_empty());
    }
}
