//! What operations cost, in whole credits. The factors are configuration; the function is documented.

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

/// A part of what a piece of work costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// What it is for: `base`, `widgets`, `sections`, `million_rows`, `pdf`.
    pub name: &'static str,
    /// How many of them.
    pub quantity: u64,
    /// What all of them cost.
    pub credits: i64,
}

impl Part {
    fn of(name: &'static str, quantity: u64, each: i64) -> Self {
        Self { name, quantity, credits: i64::try_from(quantity).unwrap_or(i64::MAX).saturating_mul(each) }
    }
}

impl Factors {
    /// `base + parts × factor + ⌈rows ÷ 1,000,000⌉ × million_rows (+ pdf)`, at least 1.
    pub fn cost(&self, work: Work) -> i64 {
        self.parts(work).iter().fold(0_i64, |sum, part| sum.saturating_add(part.credits)).max(1)
    }

    /// What the cost is made of. Where all of it adds up to nothing, one credit is taken nevertheless.
    pub fn parts(&self, work: Work) -> Vec<Part> {
        let millions = |rows: u64| Part::of("million_rows", rows.div_ceil(1_000_000), self.million_rows);
        match work {
            Work::Refresh { widgets, rows } => {
                vec![Part::of("base", 1, self.refresh), Part::of("widgets", widgets, self.widget), millions(rows)]
            }
            Work::Report { sections, rows, pdf } => vec![
                Part::of("base", 1, self.report),
                Part::of("sections", sections, self.section),
                millions(rows),
                Part::of("pdf", u64::from(pdf == Pdf::Made), self.pdf),
            ],
        }
    }
}

/// What a piece of work is expected to cost, and whether it would be begun now.
#[derive(Debug, Clone)]
pub struct Estimate {
    /// What would be reserved.
    pub cost: i64,
    /// What that is made of.
    pub parts: Vec<Part>,
    /// What the organisation has left.
    pub remaining: i64,
    /// What would refuse it; `None` when nothing does.
    pub refused_by: Option<Obstacle>,
}

/// What stands in the way of work that costs credits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Obstacle {
    /// A window of the caller's is full.
    Limit,
    /// There are fewer credits than the estimate.
    Credits,
}

/// An organisation's credits in the present month.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Balance {
    /// The month's allowance and grants, and what work that began in an earlier month still holds.
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
        let nothing = Factors { report: 0, refresh: 0, widget: 0, section: 0, million_rows: 0, pdf: 0 };
        assert_eq!(nothing.cost(Work::Refresh { widgets: 9, rows: 9 }), 1, "nothing is free");
        let dear = Factors { widget: i64::MAX, ..factors };
        assert_eq!(dear.cost(Work::Refresh { widgets: 9, rows: 9 }), i64::MAX, "no factor overflows");
    }
}
