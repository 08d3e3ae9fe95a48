//! The sum of whole numbers, added up in 128 bits: only the sum itself has to have a place in its type, and it says so
//! when it has none. Sums of other numbers are the engine's own.

mod distinct;

use std::fmt;
use std::hash::Hash;
use std::marker::PhantomData;
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray, Decimal128Array, PrimitiveArray,
};
use datafusion::arrow::datatypes::{DataType, Decimal128Type, Field, FieldRef, Int64Type, UInt64Type};
use datafusion::arrow::error::ArrowError;
use datafusion::common::{DataFusionError, Result, ScalarValue};
use datafusion::functions_aggregate::sum::Sum;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, EmitTo, GroupsAccumulator, ReversedUDAF, SetMonotonicity, Signature,
    StatisticsArgs,
};

use self::distinct::DistinctTotal;

/// How sums are handed from one stage to the next.
const STATE: DataType = DataType::Decimal128(38, 0);

/// `sum`, in the place of the engine's.
pub fn checked_sum() -> AggregateUDF {
    CheckedSum { inner: Sum::new() }.into()
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct CheckedSum {
    inner: Sum,
}

impl AggregateUDFImpl for CheckedSum {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        self.inner.return_type(arguments)
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        whole_sum(&args).map_or_else(|| self.inner.accumulator(args), Ok)
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        match args.return_field.data_type() {
            DataType::Int64 | DataType::UInt64 if !args.is_distinct => {
                Ok(vec![Arc::new(Field::new(format!("{}[sum]", args.name), STATE, true))])
            }
            _ => self.inner.state_fields(args),
        }
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs<'_>) -> bool {
        self.inner.groups_accumulator_supported(args)
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn GroupsAccumulator>> {
        match args.return_field.data_type() {
            DataType::Int64 => Ok(Box::new(Totals::<Int64Type>::default())),
            DataType::UInt64 => Ok(Box::new(Totals::<UInt64Type>::default())),
            _ => self.inner.create_groups_accumulator(args),
        }
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        whole_sum(&args).map_or_else(|| self.inner.create_sliding_accumulator(args), Ok)
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        self.inner.reverse_expr()
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        self.inner.order_sensitivity()
    }

    fn set_monotonicity(&self, kind: &DataType) -> SetMonotonicity {
        self.inner.set_monotonicity(kind)
    }

    fn value_from_stats(&self, statistics: &StatisticsArgs<'_>) -> Option<ScalarValue> {
        match statistics.return_type {
            // The engine's statistics know sums that have wrapped around.
            DataType::Int64 | DataType::UInt64 => None,
            _ => self.inner.value_from_stats(statistics),
        }
    }
}

/// The sum of what are whole numbers.
fn whole_sum(args: &AccumulatorArgs<'_>) -> Option<Box<dyn Accumulator>> {
    match (args.return_field.data_type(), args.is_distinct) {
        (DataType::Int64, false) => Some(Box::new(Total::<Int64Type>::default())),
        (DataType::UInt64, false) => Some(Box::new(Total::<UInt64Type>::default())),
        (DataType::Int64, true) => Some(Box::new(DistinctTotal::<Int64Type>::default())),
        (DataType::UInt64, true) => Some(Box::new(DistinctTotal::<UInt64Type>::default())),
        _ => None,
    }
}

/// Whole numbers of 64 bits.
trait Whole: ArrowPrimitiveType<Native: Into<i128> + TryFrom<i128> + Eq + Hash> + fmt::Debug {}
impl Whole for Int64Type {}
impl Whole for UInt64Type {}

/// The sum in its type.
fn fitting<T: Whole>(sum: i128) -> Result<T::Native> {
    T::Native::try_from(sum).map_err(|_| {
        let message = format!("Overflow happened on: sum of {}", T::DATA_TYPE);
        DataFusionError::ArrowError(Box::new(ArrowError::ArithmeticOverflow(message)), None)
    })
}

/// The sum of an array's values, and how many there are that are not null.
fn total<T: Whole>(array: &PrimitiveArray<T>) -> (i128, usize) {
    let sum = match array.nulls().filter(|nulls| nulls.null_count() > 0) {
        None => array.values().iter().map(|value| (*value).into()).sum(),
        Some(_) => array.iter().flatten().map(Into::into).sum(),
    };
    (sum, array.len() - array.null_count())
}

/// One sum.
#[derive(Debug)]
struct Total<T> {
    sum: i128,
    /// Values that are not null.
    count: usize,
    kind: PhantomData<fn() -> T>,
}

impl<T> Default for Total<T> {
    fn default() -> Self {
        Self { sum: 0, count: 0, kind: PhantomData }
    }
}

impl<T: Whole> Accumulator for Total<T> {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let (sum, count) = total(values[0].as_primitive::<T>());
        self.sum += sum;
        self.count += count;
        Ok(())
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let (sum, count) = total(values[0].as_primitive::<T>());
        self.sum -= sum;
        self.count -= count;
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for sum in states[0].as_primitive::<Decimal128Type>().iter().flatten() {
            self.sum += sum;
            self.count += 1;
        }
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let sum = if self.count > 0 { Some(fitting::<T>(self.sum)?) } else { None };
        ScalarValue::new_primitive::<T>(sum, &T::DATA_TYPE)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![ScalarValue::Decimal128((self.count > 0).then_some(self.sum), 38, 0)])
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }
}

/// A sum for each group.
#[derive(Debug)]
struct Totals<T> {
    sums: Vec<i128>,
    /// Whether a group has a value that is not null.
    seen: Vec<bool>,
    kind: PhantomData<fn() -> T>,
}

impl<T> Default for Totals<T> {
    fn default() -> Self {
        Self { sums: Vec::new(), seen: Vec::new(), kind: PhantomData }
    }
}

impl<T> Totals<T> {
    fn make_room(&mut self, groups: usize) {
        self.sums.resize(groups, 0);
        self.seen.resize(groups, false);
    }

    fn add(&mut self, group: usize, value: i128) {
        self.sums[group] += value;
        self.seen[group] = true;
    }

    fn add_all<A: ArrowPrimitiveType<Native: Into<i128>>>(
        &mut self,
        values: &PrimitiveArray<A>,
        groups: &[usize],
        filter: Option<&BooleanArray>,
    ) {
        if values.null_count() == 0 && filter.is_none() {
            for (group, value) in groups.iter().zip(values.values()) {
                self.add(*group, (*value).into());
            }
            return;
        }
        for (row, (group, value)) in groups.iter().zip(values.iter()).enumerate() {
            if let Some(value) = value.filter(|_| counts(filter, row)) {
                self.add(*group, value.into());
            }
        }
    }

    /// The first groups, or all: null where there is no value.
    fn taken(&mut self, which: EmitTo) -> impl Iterator<Item = Option<i128>> {
        let (sums, seen) = (which.take_needed(&mut self.sums), which.take_needed(&mut self.seen));
        sums.into_iter().zip(seen).map(|(sum, seen)| seen.then_some(sum))
    }
}

/// Whether a row passes a filter.
fn counts(filter: Option<&BooleanArray>, row: usize) -> bool {
    filter.is_none_or(|filter| filter.is_valid(row) && filter.value(row))
}

fn states(sums: impl Iterator<Item = Option<i128>>) -> Result<Vec<ArrayRef>> {
    let sums = sums.collect::<Decimal128Array>().with_precision_and_scale(38, 0)?;
    Ok(vec![Arc::new(sums)])
}

impl<T: Whole> GroupsAccumulator for Totals<T> {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        total: usize,
    ) -> Result<()> {
        self.make_room(total);
        self.add_all(values[0].as_primitive::<T>(), groups, filter);
        Ok(())
    }

    fn merge_batch(&mut self, values: &[ArrayRef], groups: &[usize], total: usize) -> Result<()> {
        self.make_room(total);
        self.add_all(values[0].as_primitive::<Decimal128Type>(), groups, None);
        Ok(())
    }

    fn evaluate(&mut self, which: EmitTo) -> Result<ArrayRef> {
        let sums = self.taken(which).map(|sum| sum.map(fitting::<T>).transpose());
        Ok(Arc::new(sums.collect::<Result<PrimitiveArray<T>>>()?))
    }

    fn state(&mut self, which: EmitTo) -> Result<Vec<ArrayRef>> {
        states(self.taken(which))
    }

    fn convert_to_state(&self, values: &[ArrayRef], filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        let values = values[0].as_primitive::<T>().iter().enumerate();
        states(values.map(|(row, value)| value.filter(|_| counts(filter, row)).map(Into::into)))
    }

    fn size(&self) -> usize {
        self.sums.capacity() * size_of::<i128>() + self.seen.capacity()
    }
}
