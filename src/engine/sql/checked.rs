//! Arithmetic of whole numbers that says when a result has no place in its type, instead of giving another number.
//!
//! The engine's own operators and its `sum` wrap around: `9223372036854775807 + 1` is negative to them. When types are
//! settled, a rule puts functions in the place of `+`, `-`, `*` and the sign of whole numbers, wherever they stand; `sum`
//! is ours altogether (`sum`). Division, `abs` and casts fail by themselves; decimals are checked by the kernels.

mod sum;

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Datum};
use datafusion::arrow::compute::kernels::numeric::{add, mul, neg, sub};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::arrow::error::ArrowError;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{
    BinaryExpr, ColumnarValue, Expr, ExprSchemable, LogicalPlan, Operator, ReturnFieldArgs, ScalarFunctionArgs,
    ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::optimizer::AnalyzerRule;
use datafusion::physical_expr_common::datum::apply;

pub use self::sum::checked_sum;

/// What is done with whole numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Operation {
    Add,
    Subtract,
    Multiply,
    Negate,
}

impl Operation {
    fn of(operator: Operator) -> Option<Self> {
        match operator {
            Operator::Plus => Some(Self::Add),
            Operator::Minus => Some(Self::Subtract),
            Operator::Multiply => Some(Self::Multiply),
            _ => None,
        }
    }
}

/// An operation as a function, which fails where a result is out of range.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Checked {
    operation: Operation,
    signature: Signature,
}

impl Checked {
    fn new(operation: Operation) -> Self {
        let operands = if operation == Operation::Negate { 1 } else { 2 };
        Self { operation, signature: Signature::any(operands, Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for Checked {
    fn name(&self) -> &str {
        match self.operation {
            Operation::Add => "checked_add",
            Operation::Subtract => "checked_subtract",
            Operation::Multiply => "checked_multiply",
            Operation::Negate => "checked_negate",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, operands: &[DataType]) -> Result<DataType> {
        Ok(operands.first().cloned().unwrap_or(DataType::Null))
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let types: Vec<DataType> = args.arg_fields.iter().map(|field| field.data_type().clone()).collect();
        let nullable = args.arg_fields.iter().any(|field| field.is_nullable());
        Ok(Arc::new(Field::new(self.name(), self.return_type(&types)?, nullable)))
    }

    fn is_strict(&self) -> bool {
        true
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let kernel: fn(&dyn Datum, &dyn Datum) -> Result<ArrayRef, ArrowError> = match self.operation {
            Operation::Add => add,
            Operation::Subtract => sub,
            Operation::Multiply => mul,
            Operation::Negate => return negated(&args.args),
        };
        match args.args.as_slice() {
            [left, right] => apply(left, right, kernel),
            _ => datafusion::common::internal_err!("{} takes two operands", self.name()),
        }
    }
}

fn negated(operands: &[ColumnarValue]) -> Result<ColumnarValue> {
    match operands {
        [ColumnarValue::Array(array)] => Ok(ColumnarValue::Array(neg(array.as_ref())?)),
        [ColumnarValue::Scalar(scalar)] => scalar.arithmetic_negate().map(ColumnarValue::Scalar),
        _ => datafusion::common::internal_err!("a sign takes one operand"),
    }
}

/// The rule. It comes after the one that settles types.
#[derive(Debug)]
pub struct CheckIntegers {
    functions: [(Operation, Arc<ScalarUDF>); 4],
}

impl CheckIntegers {
    /// The rule.
    pub fn new() -> Self {
        let all = [Operation::Add, Operation::Subtract, Operation::Multiply, Operation::Negate];
        Self { functions: all.map(|operation| (operation, Arc::new(Checked::new(operation).into()))) }
    }

    fn call(&self, operation: Operation, operands: Vec<Expr>) -> Option<Expr> {
        let (_, function) = self.functions.iter().find(|(found, _)| *found == operation)?;
        Some(Expr::ScalarFunction(ScalarFunction::new_udf(function.clone(), operands)))
    }

    fn checked(&self, expression: Expr, schema: &DFSchema) -> Transformed<Expr> {
        let is_whole = |operand: &Expr| operand.get_type(schema).is_ok_and(|kind| kind.is_integer());
        let call = match &expression {
            Expr::BinaryExpr(BinaryExpr { left, op, right }) if is_whole(left) && is_whole(right) => {
                let operands = vec![left.as_ref().clone(), right.as_ref().clone()];
                Operation::of(*op).and_then(|operation| self.call(operation, operands))
            }
            Expr::Negative(operand) if is_whole(operand) => {
                self.call(Operation::Negate, vec![operand.as_ref().clone()])
            }
            _ => None,
        };
        call.map_or_else(|| Transformed::no(expression), Transformed::yes)
    }

    fn check_node(&self, plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
        let mut schema = merge_schema(&plan.inputs());
        if let LogicalPlan::TableScan(scan) = &plan {
            schema.merge(&DFSchema::try_from_qualified_schema(scan.table_name.clone(), &scan.source.schema())?);
        }
        let names = NamePreserver::new(&plan);
        let checked = plan.map_expressions(|expression| {
            let name = names.save(&expression);
            let checked = expression.transform_up(|part| Ok(self.checked(part, &schema)))?;
            Ok(checked.update_data(|expression| name.restore(expression)))
        })?;
        if checked.transformed { checked.map_data(LogicalPlan::recompute_schema) } else { Ok(checked) }
    }
}

impl AnalyzerRule for CheckIntegers {
    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(|node| self.check_node(node)).data()
    }

    fn name(&self) -> &str {
        "check_integers"
    }
}

#[cfg(test)]
mod tests;
