//! The functions that queries may call, by name.
//!
//! An allowlist, because the engine's own set has members that tell about the machine (`input_file_name`, `version`,
//! `arrow_metadata`) and grows with each release. Aliases come with the functions that are named.

/// Functions of values, by what they are about.
#[rustfmt::skip]
pub const SCALAR: &[(&str, &[&str])] = &[
    ("Conditions and nulls", &[
        "coalesce", "greatest", "least", "nullif", "nvl", "nvl2", "nanvl",
    ]),
    ("Numbers", &[
        "abs", "acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh", "cbrt", "ceil", "cos", "cosh", "cot",
        "degrees", "exp", "factorial", "floor", "gcd", "isnan", "iszero", "lcm", "ln", "log", "log10", "log2",
        "pi", "power", "radians", "random", "round", "signum", "sin", "sinh", "sqrt", "tan", "tanh", "trunc",
    ]),
    ("Text", &[
        "ascii", "bit_length", "btrim", "character_length", "chr", "concat", "concat_ws", "contains",
        "ends_with", "find_in_set", "initcap", "left", "levenshtein", "lower", "lpad", "ltrim", "octet_length",
        "overlay", "regexp_count", "regexp_instr", "regexp_like", "regexp_match", "regexp_replace", "repeat",
        "replace", "reverse", "right", "rpad", "rtrim", "split_part", "starts_with", "strpos", "substr",
        "substr_index", "to_hex", "translate", "upper", "uuid",
    ]),
    ("Dates and times", &[
        "current_date", "current_time", "date_bin", "date_part", "date_trunc", "from_unixtime", "make_date",
        "make_time", "now", "to_char", "to_date", "to_local_time", "to_time", "to_timestamp",
        "to_timestamp_micros", "to_timestamp_millis", "to_timestamp_nanos", "to_timestamp_seconds",
        "to_unixtime",
    ]),
    ("Types, structs and lists", &[
        "arrow_cast", "arrow_try_cast", "arrow_typeof", "get_field", "named_struct", "struct",
        "array_any_value", "array_append", "array_concat", "array_dims", "array_distance", "array_distinct",
        "array_element", "array_except", "array_has", "array_has_all", "array_has_any", "array_intersect",
        "array_length", "array_max", "array_min", "array_ndims", "array_pop_back", "array_pop_front",
        "array_position", "array_positions", "array_prepend", "array_remove", "array_remove_all",
        "array_remove_n", "array_repeat", "array_replace", "array_replace_all", "array_replace_n",
        "array_resize", "array_reverse", "array_slice", "array_sort", "array_to_string", "array_union",
        "cardinality", "empty", "flatten", "generate_series", "make_array", "range", "string_to_array",
    ]),
];

/// Functions of many rows.
#[rustfmt::skip]
pub const AGGREGATE: &[&str] = &[
    "approx_distinct", "approx_median", "approx_percentile_cont", "approx_percentile_cont_with_weight", "array_agg",
    "avg", "bit_and", "bit_or", "bit_xor", "bool_and", "bool_or", "corr", "count", "covar_pop", "covar_samp",
    "first_value", "grouping", "last_value", "max", "median", "min", "nth_value", "percentile_cont", "regr_avgx",
    "regr_avgy", "regr_count", "regr_intercept", "regr_r2", "regr_slope", "regr_sxx", "regr_sxy", "regr_syy",
    "stddev", "stddev_pop", "string_agg", "sum", "var", "var_pop",
];

/// Functions of a row among others, which take `OVER`.
#[rustfmt::skip]
pub const WINDOW: &[&str] = &[
    "cume_dist", "dense_rank", "first_value", "lag", "last_value", "lead", "nth_value", "ntile", "percent_rank",
    "rank", "row_number",
];

/// Whether a function of values may be called.
pub fn is_scalar(name: &str) -> bool {
    SCALAR.iter().any(|(_, names)| names.contains(&name))
}
