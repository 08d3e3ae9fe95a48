//! What operations cost, in whole credits (PRODUCT 3). The factors are configuration; the function is documented.

/// The factors, from `[credits]`.
#[derive(Debug, Clone, Copy)]
pub struct Factors {
    /// Of every report run.
    pub report: i64,
    /// Of every dashboard refresh.
    pub refresh: i64,
    /// For each widget of a refresh.
    pub widget: i64,
    /// For each section of a report.
    pub section: i64,
    /// For each started million of rows that are read.
    pub million_rows: i64,
    /// For a PDF, beside CSV and JSON that cost nothing more.
    pub pdf: i64,
}

/// What a piece of work is made of: expected before it, measured after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// A refresh.
    Refresh {
        /// Its widgets.
        widgets: u64,
        /// Rows read.
        rows: u64,
    },
    /// A report run.
    Report {
        /// Its sections.
        sections: u64,
        /// Rows read.
        rows: u64,
        /// Whether a PDF is made.
        pdf: Pdf,
    },
}

/// Whether a report run makes a PDF.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pdf {
    /// It does.
    Made,
    /// Another format.
    NotMade,
}

impl Factors {
    /// `base + parts × factor + ⌈rows ÷ 1,000,000⌉ × million_rows (+ pdf)`, at least 1.
    pub fn cost(&self, work: Work) -> i64 {
        let count = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let millions = |rows: u64| count(rows.div_ceil(1_000_000)).saturating_mul(self.million_rows);
        let cost = match work {
            Work::Refresh { widgets, rows } => {
                self.refresh.saturating_add(count(widgets).saturating_mul(self.widget)).saturating_add(millions(rows))
            }
            Work::Report { sections, rows, pdf } => self
                .report
                .saturating_add(count(sections).saturating_mul(self.section))
                .saturating_add(millions(rows))
                .saturating_add(if pdf == Pdf::Made { self.pdf } else { 0 }),
        };
        cost.max(1)
    }
}

/// An organisation's credits in the present month.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Balance {
    /// The month's allowance and grants.
    pub limit: i64,
    /// Settled.
    pub used: i64,
    /// Reserved for work under way.
    pub reserved: i64,
}

impl Balance {
    /// What can still be reserved.
    pub fn remaining(&self) -> i64 {
        (self.limit - self.used - self.reserved).max(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cost_is_base_parts_rows_and_format() {
        let factors = Factors { report: 5, refresh: 1, widget: 1, section: 1, million_rows: 2, pdf: 3 };
        assert_eq!(factors.cost(Work::Refresh { widgets: 4, rows: 336_776 }), 1 + 4 + 2);
        assert_eq!(factors.cost(Work::Report { sections: 3, rows: 1_000_001, pdf: Pdf::Made }), 5 + 3 + 4 + 3);
        assert_eq!(factors.cost(Work::Report { sections: 0, rows: 0, pdf: Pdf::NotMade }), 5);
    }
}
