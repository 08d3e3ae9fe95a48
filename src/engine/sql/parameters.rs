//! Values that a query is given apart from its text.

use datafusion::error::DataFusionError;
use datafusion::logical_expr::LogicalPlan;
use datafusion::scalar::ScalarValue;

use crate::worker::protocol::{Failure, FailureCode};

/// Puts values in the place of `$1`, `$2`, …
pub fn bind(
    plan: LogicalPlan,
    parameters: &[serde_json::Value],
) -> Result<Result<LogicalPlan, Failure>, DataFusionError> {
    let invalid = |message: String| Ok(Err(Failure::new(FailureCode::InvalidSql, message)));
    for name in plan.get_parameter_names()? {
        let number = name.strip_prefix('$').and_then(|number| number.parse::<usize>().ok());
        match number {
            Some(number) if (1..=parameters.len()).contains(&number) => {}
            Some(number) => return invalid(format!("The query uses `${number}`, but {}.", given(parameters.len()))),
            None => {
                return invalid(format!("`{name}` is no parameter; write `$1` for the first, `$2` for the second."));
            }
        }
    }
    let mut values = Vec::with_capacity(parameters.len());
    for (position, parameter) in parameters.iter().enumerate() {
        match scalar(parameter) {
            Some(value) => values.push(value),
            None => {
                let number = position + 1;
                return invalid(format!(
                    "Parameter {number} is a list or an object; give a text, number, boolean or null."
                ));
            }
        }
    }
    if values.is_empty() {
        return Ok(Ok(plan));
    }
    plan.with_param_values(values).map(Ok)
}

fn given(count: usize) -> String {
    match count {
        0 => "no parameters are given".to_owned(),
        1 => "only one parameter is given".to_owned(),
        _ => format!("only {count} parameters are given"),
    }
}

fn scalar(value: &serde_json::Value) -> Option<ScalarValue> {
    match value {
        serde_json::Value::Null => Some(ScalarValue::Null),
        serde_json::Value::Bool(value) => Some(ScalarValue::Boolean(Some(*value))),
        serde_json::Value::Number(number) => Some(match (number.as_i64(), number.as_u64()) {
            (Some(whole), _) => ScalarValue::Int64(Some(whole)),
            // Floating point would make another number of it.
            (None, Some(whole)) => ScalarValue::UInt64(Some(whole)),
            (None, None) => ScalarValue::Float64(number.as_f64()),
        }),
        serde_json::Value::String(text) => Some(ScalarValue::Utf8(Some(text.clone()))),
        serde_json::Value::Array(_) | serde_json::Value::Object(_) => None,
    }
}
