//! Examples of what is metered: estimates, the ledger of credits, and what calls add up to.

use super::world::{self, NOW};
use crate::domain::credits::{Estimate, Factors, Pdf, Work};
use crate::domain::id::LedgerEntryId;
use crate::domain::ledger::{EntryKind, LedgerEntry};
use crate::domain::usage::{Bucket, Figures, Window};
use crate::service::usage::{KeyHeadroom, Ranking, Series};

/// What the profile of the flights would cost.
pub fn estimate() -> Estimate {
    let factors = Factors { report: 5, refresh: 1, widget: 1, section: 1, million_rows: 1, pdf: 2 };
    let work = Work::Report { sections: 5, rows: 367_000, pdf: Pdf::Made };
    Estimate {
        cost: factors.cost(work),
        parts: factors.parts(work),
        remaining: world::balance().remaining(),
        refused_by: None,
    }
}

/// What it took.
pub fn settled() -> LedgerEntry {
    LedgerEntry {
        id: LedgerEntryId::new(9),
        created_at: NOW,
        kind: EntryKind::Settle,
        amount: estimate().cost,
        balance: world::balance().remaining(),
        reservation: Some(world::RUN.0.prefixed()),
        operation: Some("reports_run".to_owned()),
        user: Some(world::OWNER.0),
        key: Some(world::KEY.0),
        run: Some(world::RUN.0),
        dashboard: None,
        operator: None,
    }
}

/// What the first key has left.
pub fn headroom() -> KeyHeadroom {
    KeyHeadroom { key: world::key().key, headroom: world::headroom() }
}

/// Two hours of calls.
pub fn series() -> Series {
    let window = window();
    let points: Vec<_> = window.starts().zip(1..).map(|(start, hour)| (start, figures(hour))).collect();
    let mut total = Figures::default();
    points.iter().for_each(|(_, figures)| total.merge(figures));
    Series { window, points, total }
}

/// A ranking of one.
pub fn ranking<T>(first: T) -> Ranking<T> {
    Ranking { window: window(), entries: vec![(first, figures(3))], total: figures(3) }
}

fn window() -> Window {
    let end = Bucket::Hour.of(NOW.seconds()) + 3_600;
    Window { bucket: Bucket::Hour, from: end - 7_200, to: end }
}

fn figures(hour: i64) -> Figures {
    let mut figures = Figures {
        outcomes: [120 * hour, hour, 0, 2 * hour, 0, 0],
        credits: 7 * hour,
        bytes_in: 4_096 * hour,
        bytes_out: 262_144 * hour,
        ..Figures::default()
    };
    (0..123 * hour).for_each(|_| figures.latency.add(850));
    figures
}
