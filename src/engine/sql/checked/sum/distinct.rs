//! The sum of whole numbers of which each counts once, however often it is there.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, PrimitiveArray};
use datafusion::common::utils::SingleRowListArrayBuilder;
use datafusion::common::{HashMap, Result, ScalarValue};
use datafusion::logical_expr::Accumulator;

use super::{Whole, fitting};

/// One sum. A window that moves on has to know how often a value is there.
#[derive(Debug)]
pub(super) struct DistinctTotal<T: Whole> {
    sum: i128,
    times: HashMap<T::Native, usize>,
}

impl<T: Whole> Default for DistinctTotal<T> {
    fn default() -> Self {
        Self { sum: 0, times: HashMap::default() }
    }
}

impl<T: Whole> Accumulator for DistinctTotal<T> {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for value in values[0].as_primitive::<T>().iter().flatten() {
            let times = self.times.entry(value).or_default();
            if *times == 0 {
                self.sum += value.into();
            }
            *times += 1;
        }
        Ok(())
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for value in values[0].as_primitive::<T>().iter().flatten() {
            match self.times.get_mut(&value) {
                Some(times) if *times > 1 => *times -= 1,
                Some(_) => {
                    self.times.remove(&value);
                    self.sum -= value.into();
                }
                None => {}
            }
        }
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        states[0].as_list::<i32>().iter().flatten().try_for_each(|values| self.update_batch(&[values]))
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let sum = if self.times.is_empty() { None } else { Some(fitting::<T>(self.sum)?) };
        ScalarValue::new_primitive::<T>(sum, &T::DATA_TYPE)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let values = PrimitiveArray::<T>::from_iter_values(self.times.keys().copied());
        Ok(vec![SingleRowListArrayBuilder::new(Arc::new(values)).build_list_scalar()])
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.times.capacity() * size_of::<(T::Native, usize)>()
    }
}
