//! The kinds of widgets and how their values are formatted.

use serde::{Deserialize, Serialize};

/// What a widget shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WidgetKind {
    /// One number, the first cell of its query, with an optional target.
    Kpi,
    /// Lines over the first column.
    LineChart,
    /// Bars over the first column.
    BarChart,
    /// Rows as they are.
    Table,
}

impl WidgetKind {
    /// All kinds, in the order the documentation lists them.
    pub const ALL: [Self; 4] = [Self::Kpi, Self::LineChart, Self::BarChart, Self::Table];

    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Kpi => "kpi",
            Self::LineChart => "line_chart",
            Self::BarChart => "bar_chart",
            Self::Table => "table",
        }
    }

    /// The kind of that name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// How a number is written for people; the data itself stays as it is.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Format {
    /// `number` (the default), `currency` or `percent` (0.25 reads 25 %).
    pub style: FormatStyle,
    /// ISO 4217 code for `currency`, such as `USD`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// A unit written behind the number, such as `min`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// Digits after the point, 0 to 6.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decimals: Option<u8>,
}

/// The styles of [`Format`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FormatStyle {
    /// Grouped digits.
    #[default]
    Number,
    /// Grouped digits with the currency's sign or code.
    Currency,
    /// Hundredfold with a percent sign.
    Percent,
}

impl Format {
    /// The number as people read it: `680,420`, `$1,000,000`, `25 %`, `12.6 min`.
    ///
    /// Digits are grouped by commas. Without `decimals`, whole numbers have none and others two at most.
    pub fn apply(&self, number: f64) -> String {
        if !number.is_finite() {
            return "–".to_owned();
        }
        let shown = if self.style == FormatStyle::Percent { number * 100.0 } else { number };
        let digits = match self.decimals {
            Some(decimals) => format!("{shown:.*}", usize::from(decimals.min(6))),
            None if shown.fract() == 0.0 => format!("{shown:.0}"),
            None => {
                let fixed = format!("{shown:.2}");
                fixed.trim_end_matches('0').trim_end_matches('.').to_owned()
            }
        };
        let grouped = group(&digits);
        let (sign, plain) = match grouped.strip_prefix('-') {
            Some(rest) => ("\u{2212}", rest),
            None => ("", grouped.as_str()),
        };
        let mut text = match (self.style, self.currency.as_deref()) {
            (FormatStyle::Percent, _) => format!("{sign}{plain} %"),
            (FormatStyle::Currency, Some("USD") | None) => format!("{sign}${plain}"),
            (FormatStyle::Currency, Some("EUR")) => format!("{sign}€{plain}"),
            (FormatStyle::Currency, Some("GBP")) => format!("{sign}£{plain}"),
            (FormatStyle::Currency, Some(code)) => format!("{sign}{code} {plain}"),
            (FormatStyle::Number, _) => format!("{sign}{plain}"),
        };
        if let Some(unit) = &self.unit {
            text.push(' ');
            text.push_str(unit);
        }
        text
    }
}

/// Puts a comma between each three digits before the point.
fn group(digits: &str) -> String {
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits), |rest| ("-", rest));
    let (whole, fraction) = digits.split_once('.').map_or((digits, None), |(whole, rest)| (whole, Some(rest)));
    let mut text = String::from(sign);
    for (position, digit) in whole.chars().enumerate() {
        if position > 0 && (whole.len() - position) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    if let Some(fraction) = fraction {
        text.push('.');
        text.push_str(fraction);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_people_write_them() {
        let plain = Format::default();
        assert_eq!(plain.apply(680_420.0), "680,420");
        assert_eq!(plain.apply(-1_234.5), "−1,234.5");
        assert_eq!(plain.apply(f64::NAN), "–");
        let dollars = Format { style: FormatStyle::Currency, currency: Some("USD".into()), ..Format::default() };
        assert_eq!(dollars.apply(1_000_000.0), "$1,000,000");
        let share = Format { style: FormatStyle::Percent, decimals: Some(1), ..Format::default() };
        assert_eq!(share.apply(0.2534), "25.3 %");
        let minutes = Format { unit: Some("min".into()), decimals: Some(1), ..Format::default() };
        assert_eq!(minutes.apply(12.639), "12.6 min");
    }
}
