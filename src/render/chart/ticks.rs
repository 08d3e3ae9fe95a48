//! Round ticks for numbers: steps of 1, 2 or 5 times a power of ten, and the labels that go with them.

use crate::domain::widget::{Format, FormatStyle};

/// Beyond this a value is drawn at this edge; differences of larger doubles overflow.
const EDGE: f64 = 1e300;

/// A scale of numbers whose ends are ticks.
#[derive(Debug, Clone, PartialEq)]
pub struct Ticks {
    /// The distance of two ticks.
    pub step: f64,
    /// At least two, rising, the first and the last being the ends of the scale.
    pub values: Vec<f64>,
    /// The power of ten of the step.
    exponent: i32,
}

impl Ticks {
    /// Round ticks that cover `low` to `high`, about `wanted` of them.
    pub fn cover(low: f64, high: f64, wanted: usize) -> Self {
        let (low, high) = widen(low.clamp(-EDGE, EDGE), high.clamp(-EDGE, EDGE));
        let intervals = u32::try_from(wanted.clamp(2, 50)).map_or(5.0, f64::from) - 1.0;
        let (mantissa, exponent) = round_up(high / intervals - low / intervals);
        Self::of(low, high, mantissa, exponent)
    }

    /// As [`Self::cover`], with no step below one: for counts and years.
    pub fn cover_whole(low: f64, high: f64, wanted: usize) -> Self {
        let ticks = Self::cover(low, high, wanted);
        if ticks.step >= 1.0 { ticks } else { Self::of(low.floor(), high.ceil().max(low.floor() + 1.0), 1.0, 0) }
    }

    fn of(low: f64, high: f64, mantissa: f64, exponent: i32) -> Self {
        let step = scale(mantissa, exponent);
        let (first, last) = ((low / step).floor(), (high / step).ceil());
        let mut values = Vec::new();
        let mut count = first;
        while count <= last {
            // Counting in steps and scaling once keeps 0.3 from becoming 0.30000000000000004.
            values.push(scale(count * mantissa, exponent));
            count += 1.0;
        }
        Self { step, values, exponent }
    }

    /// The lower end.
    pub fn low(&self) -> f64 {
        self.values.first().copied().unwrap_or(0.0)
    }

    /// The upper end.
    pub fn high(&self) -> f64 {
        self.values.last().copied().unwrap_or(1.0)
    }

    /// Where a value lies: 0 at the lower end, 1 at the upper.
    pub fn fraction(&self, value: f64) -> f64 {
        let (low, high) = (self.low(), self.high());
        // Halves, because the whole may be more than a double holds.
        ((value.clamp(low, high) / 2.0 - low / 2.0) / (high / 2.0 - low / 2.0)).clamp(0.0, 1.0)
    }

    /// The labels of the ticks: all with the same number of decimals, millions and more shortened.
    pub fn labels(&self, format: &Format) -> Vec<String> {
        let largest = self.low().abs().max(self.high().abs());
        if largest >= 1e15 || (largest > 0.0 && self.step < 1e-6) {
            return self.values.iter().map(|value| format!("{value:.2e}").replace(".00e", "e")).collect();
        }
        let (divisor, power, suffix) = match largest {
            _ if format.style == FormatStyle::Percent => (1.0, -2, ""),
            large if large >= 1e12 => (1e12, 12, "T"),
            large if large >= 1e9 => (1e9, 9, "B"),
            large if large >= 1e6 => (1e6, 6, "M"),
            _ => (1.0, 0, ""),
        };
        let needed = u8::try_from((power - self.exponent).clamp(0, 6)).unwrap_or(6);
        let decimals = if suffix.is_empty() { needed.max(format.decimals.unwrap_or(0).min(needed)) } else { needed };
        let plain = Format { unit: None, decimals: Some(decimals), ..format.clone() };
        let unit = format.unit.as_ref().map(|unit| format!(" {unit}")).unwrap_or_default();
        let zero = Format { decimals: Some(if suffix.is_empty() { decimals } else { 0 }), ..plain.clone() };
        let write = |value: f64| match value {
            0.0 => format!("{}{unit}", zero.apply(value)),
            _ => format!("{}{suffix}{unit}", plain.apply(value / divisor)),
        };
        self.values.iter().copied().map(write).collect()
    }
}

/// Makes room around a single value, and around values too close for doubles to tell steps apart.
fn widen(low: f64, high: f64) -> (f64, f64) {
    let magnitude = low.abs().max(high.abs());
    // Below this, powers of ten leave the range of doubles.
    if magnitude < 1e-280 {
        return (0.0, 1.0);
    }
    if high / 2.0 - low / 2.0 > magnitude * 1e-10 {
        return (low, high);
    }
    (low - magnitude * 0.1, high + magnitude * 0.1)
}

/// The least of 1, 2 and 5 times a power of ten that is not below `rough`.
fn round_up(rough: f64) -> (f64, i32) {
    #[expect(clippy::cast_possible_truncation, reason = "the logarithm of a finite double is within ±324")]
    let exponent = rough.log10().floor() as i32;
    let mantissa = rough / scale(1.0, exponent);
    match mantissa {
        m if m <= 1.000_000_1 => (1.0, exponent),
        m if m <= 2.000_000_1 => (2.0, exponent),
        m if m <= 5.000_000_1 => (5.0, exponent),
        _ => (1.0, exponent + 1),
    }
}

/// `value` times ten to the `exponent`; divides for negative ones, which rounds correctly.
fn scale(value: f64, exponent: i32) -> f64 {
    if exponent >= 0 { value * 10_f64.powi(exponent) } else { value / 10_f64.powi(-exponent) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn steps_are_one_two_or_five_and_cover_the_data(a in -1e12..1e12f64, span in 1e-3..1e12f64, wanted in 2_usize..12) {
            let (low, high) = (a, a + span);
            let ticks = Ticks::cover(low, high, wanted);
            let mantissa = ticks.step / 10_f64.powf(ticks.step.log10().floor());
            prop_assert!([1.0, 2.0, 5.0, 10.0].iter().any(|round| (mantissa - round).abs() < 1e-6), "{}", ticks.step);
            prop_assert!(ticks.low() <= low && high <= ticks.high(), "{ticks:?}");
            prop_assert!(ticks.values.len() >= 2 && ticks.values.len() <= wanted + 2, "{} ticks", ticks.values.len());
            prop_assert!(ticks.values.windows(2).all(|pair| pair[0] < pair[1]));
        }

        #[test]
        fn any_doubles_give_finite_ticks(low in any::<f64>(), high in any::<f64>()) {
            prop_assume!(low.is_finite() && high.is_finite());
            let ticks = Ticks::cover(low.min(high), low.max(high), 6);
            prop_assert!(ticks.values.len() >= 2 && ticks.values.len() < 20);
            prop_assert!(ticks.values.iter().all(|value| value.is_finite()));
            prop_assert!(ticks.fraction(low).is_finite() && (0.0..=1.0).contains(&ticks.fraction(high)));
            prop_assert!(ticks.labels(&Format::default()).iter().all(|label| label.chars().count() < 24));
        }
    }

    #[test]
    fn ticks_are_what_a_person_would_choose() {
        assert_eq!(Ticks::cover(0.0, 920.0, 6).values, [0.0, 200.0, 400.0, 600.0, 800.0, 1000.0]);
        assert_eq!(Ticks::cover(0.0, 0.3, 4).values, [0.0, 0.1, 0.2, 0.3]);
        assert_eq!(Ticks::cover_whole(1.0, 2.0, 6).values, [1.0, 2.0]);
        assert_eq!(Ticks::cover(7.0, 7.0, 3).values, [6.0, 7.0, 8.0]);
    }

    #[test]
    fn labels_carry_the_format_and_shorten_millions() {
        let dollars = Format { style: FormatStyle::Currency, currency: Some("USD".into()), ..Format::default() };
        assert_eq!(Ticks::cover(0.0, 1_000_000.0, 3).labels(&dollars), ["$0", "$0.5M", "$1.0M"]);
        assert_eq!(
            Ticks::cover(0.0, 0.5, 6).labels(&Format { style: FormatStyle::Percent, ..Format::default() })[1],
            "10 %"
        );
        assert_eq!(Ticks::cover(0.0, 0.004, 5).labels(&Format::default())[1], "0.001");
        assert_eq!(
            Ticks::cover(0.0, 40.0, 3).labels(&Format { unit: Some("min".into()), ..Format::default() })[1],
            "20 min"
        );
    }
}
