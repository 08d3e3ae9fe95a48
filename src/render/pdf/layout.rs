//! Blocks onto pages: what stands on which page and how far down, before anything is drawn.
//!
//! Pages are counted here, so that each can say how many there are. Only row ranges are kept, not cells: a long table
//! costs a byte a row.

use std::ops::Range;

use super::super::chart::Chart;
use super::super::font::Weight;
use super::table::Plan;
use super::text;
use super::theme;
use super::{kpi, text::paragraphs};
use crate::domain::document::{Block, Document, KpiFigure, Section};

/// What is drawn at one place.
#[derive(Debug)]
pub(super) enum Piece<'a> {
    /// A section's heading.
    Heading(Vec<String>),
    /// Lines of running text.
    Paragraph(Vec<String>),
    /// A title above a chart or a table.
    Title(Vec<String>),
    /// A row of figures.
    Kpis(&'a [KpiFigure]),
    /// A chart.
    Chart(Chart<'a>),
    /// Rows of a table below the names of its columns: plan, part, rows.
    Rows(usize, usize, Range<usize>),
    /// A note below a table, or in place of it.
    Note(Vec<String>),
}

/// A piece in its place.
#[derive(Debug)]
pub(super) struct Placed<'a> {
    /// From the upper edge of the page.
    pub(super) y: f64,
    pub(super) piece: Piece<'a>,
}

/// A page.
#[derive(Debug, Default)]
pub(super) struct Page<'a> {
    pub(super) landscape: bool,
    pub(super) pieces: Vec<Placed<'a>>,
}

impl Page<'_> {
    /// Width and height.
    pub(super) fn size(&self) -> (f64, f64) {
        if self.landscape { theme::LANDSCAPE } else { theme::PORTRAIT }
    }
}

/// The pages behind the title page.
#[derive(Debug, Default)]
pub(super) struct Layout<'a> {
    pub(super) pages: Vec<Page<'a>>,
    pub(super) plans: Vec<Plan<'a>>,
    /// For each section, the index of its page in `pages`, and its top.
    pub(super) sections: Vec<(usize, f64)>,
    y: f64,
}

/// The width between the margins of an upright page.
pub(super) const WIDTH: f64 = theme::PORTRAIT.0 - theme::SIDE * 2.0;

impl<'a> Layout<'a> {
    /// Lays out the sections of a document.
    pub(super) fn of(document: &'a Document) -> Self {
        let mut layout = Self::default();
        for section in &document.sections {
            layout.section(section);
        }
        layout
    }

    fn section(&mut self, section: &'a Section) {
        // Tables decide the orientation of their pages, so they are planned before the heading is placed.
        let mut plans = section.blocks.iter().map(|block| match block {
            Block::Table { table, .. } if !table.columns.is_empty() => Some(Plan::of(table)),
            _ => None,
        });
        let mut blocks = section.blocks.iter();
        let (first, first_plan) = (blocks.next(), plans.next().flatten());
        self.heading(section, first, first_plan.as_ref());
        if let Some(block) = first {
            self.block(block, first_plan);
        }
        for (block, plan) in blocks.zip(plans) {
            self.block(block, plan);
        }
    }

    fn heading(&mut self, section: &'a Section, first: Option<&Block>, plan: Option<&Plan<'_>>) {
        let (size, pitch) = theme::HEADING;
        let lines = text::wrap_to(
            &paragraphs(&section.heading, Weight::Bold, size, f64::MAX).join(" "),
            Weight::Bold,
            size,
            WIDTH,
            3,
        );
        let height = extent(&lines, pitch) + theme::HEADING_GAP;
        self.orient(plan.is_some_and(|plan| plan.landscape));
        self.gap(theme::SECTION_GAP);
        self.keep(height + first.map_or(0.0, |block| lead(block, plan)));
        self.sections.push((self.pages.len() - 1, self.y));
        self.place(Piece::Heading(lines), height);
    }

    fn block(&mut self, block: &'a Block, plan: Option<Plan<'a>>) {
        self.orient(plan.as_ref().is_some_and(|plan| plan.landscape));
        // Below a heading its own gap is enough.
        if !matches!(self.last(), Some(Piece::Heading(_))) {
            self.gap(theme::BLOCK_GAP);
        }
        match block {
            Block::Text { text } => self.paragraph(text),
            Block::Kpis { kpis } => {
                for row in kpi::rows(kpis) {
                    if matches!(self.last(), Some(Piece::Kpis(_))) {
                        self.gap(kpi::GAP);
                    }
                    self.keep(kpi::height(row));
                    self.place(Piece::Kpis(row), kpi::height(row));
                }
            }
            Block::Chart { title, kind, x, series, format } => {
                let lines = title_lines(title);
                self.keep(extent(&lines, theme::TITLE.1) + theme::CHART_HEIGHT);
                self.title(lines);
                let (width, height) = (WIDTH, theme::CHART_HEIGHT);
                let chart = Chart { kind: *kind, x: *x, series, format, width, height, text_size: theme::CHART_TEXT };
                self.place(Piece::Chart(chart), height);
            }
            Block::Table { title, note, .. } => {
                match plan {
                    Some(plan) => self.table(title, plan),
                    None => {
                        self.title(title_lines(title));
                        self.note("No columns.");
                    }
                }
                if let Some(note) = note {
                    self.y += 4.0;
                    self.note(note);
                }
            }
        }
    }

    fn paragraph(&mut self, content: &str) {
        let (size, pitch) = theme::BODY;
        let mut lines = paragraphs(content, Weight::Regular, size, WIDTH).into_iter().peekable();
        while lines.peek().is_some() {
            self.keep(pitch * 2.0);
            let mut fitting = Vec::new();
            let mut height = 0.0;
            while height + pitch <= self.bottom() - self.y {
                let Some(line) = lines.next() else { break };
                // An empty line is half a line: a gap, not a hole.
                height += if line.is_empty() { pitch / 2.0 } else { pitch };
                fitting.push(line);
            }
            self.place(Piece::Paragraph(fitting), height);
        }
    }

    fn table(&mut self, title: &'a str, plan: Plan<'a>) {
        let index = self.plans.len();
        let (parts, columns) = (plan.parts.len(), plan.table.columns.len());
        let mut first_column = 2;
        for (number, part) in plan.parts.iter().enumerate() {
            let mut title = title.to_owned();
            if parts > 1 {
                let last = first_column + part.slots.len().saturating_sub(2);
                title = format!("{title} (columns 1 and {first_column} to {last} of {columns})");
                first_column = last + 1;
                if number > 0 {
                    self.gap(theme::BLOCK_GAP);
                }
            }
            let lines = title_lines(&title);
            self.keep(extent(&lines, theme::TITLE.1) + table_lead(&plan, number));
            self.title(lines);
            let head = plan.head_height(part);
            let mut row = 0;
            loop {
                let (rows, height) = plan.rows_that_fit(part, row, self.bottom() - self.y - head);
                row = rows.end;
                self.place(Piece::Rows(index, number, rows), head + height);
                if row >= plan.table.rows.len() {
                    break;
                }
                self.page(plan.landscape);
            }
            if plan.table.rows.is_empty() {
                self.y += 4.0;
                self.note("No rows.");
            }
        }
        self.plans.push(plan);
    }

    fn title(&mut self, lines: Vec<String>) {
        if !lines.is_empty() {
            let height = extent(&lines, theme::TITLE.1) + 4.0;
            self.place(Piece::Title(lines), height);
        }
    }

    fn note(&mut self, content: &str) {
        let (size, pitch) = theme::NOTE;
        let lines = paragraphs(content, Weight::Regular, size, WIDTH);
        // Notes are short; one that is not loses what no page could hold.
        let lines: Vec<String> = lines.into_iter().take(12).collect();
        let height = extent(&lines, pitch);
        self.keep(height);
        self.place(Piece::Note(lines), height);
    }

    /// Makes sure that the current page stands the right way.
    fn orient(&mut self, landscape: bool) {
        if self.pages.last().is_none_or(|page| page.landscape != landscape) {
            self.page(landscape);
        }
    }

    fn page(&mut self, landscape: bool) {
        self.pages.push(Page { landscape, pieces: Vec::new() });
        self.y = theme::TOP;
    }

    /// Starts a new page unless so much fits on this one, or this one is empty.
    fn keep(&mut self, height: f64) {
        if self.y + height > self.bottom() && self.last().is_some() {
            let landscape = self.pages.last().is_some_and(|page| page.landscape);
            self.page(landscape);
        }
    }

    /// White, but not at the top of a page.
    fn gap(&mut self, height: f64) {
        if self.last().is_some() {
            self.y += height;
        }
    }

    fn place(&mut self, piece: Piece<'a>, height: f64) {
        let y = self.y;
        if let Some(page) = self.pages.last_mut() {
            page.pieces.push(Placed { y, piece });
        }
        self.y += height;
    }

    fn last(&self) -> Option<&Piece<'a>> {
        self.pages.last()?.pieces.last().map(|placed| &placed.piece)
    }

    fn bottom(&self) -> f64 {
        self.pages.last().map_or(theme::PORTRAIT.1, |page| page.size().1) - theme::FOOT
    }
}

fn title_lines(title: &str) -> Vec<String> {
    text::wrap_to(
        &paragraphs(title, Weight::Bold, theme::TITLE.0, f64::MAX).join(" "),
        Weight::Bold,
        theme::TITLE.0,
        WIDTH,
        2,
    )
}

fn extent(lines: &[String], pitch: f64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "lines are far fewer than 2^53")]
    let count = lines.len() as f64;
    count * pitch
}

/// What has to stand below a heading so that the heading does not stand alone.
fn lead(block: &Block, plan: Option<&Plan<'_>>) -> f64 {
    match (block, plan) {
        (Block::Text { .. }, _) => theme::BODY.1 * 2.0,
        (Block::Kpis { kpis }, _) => kpi::rows(kpis).next().map_or(0.0, kpi::height),
        (Block::Chart { .. }, _) => theme::TITLE.1 * 2.0 + theme::CHART_HEIGHT,
        (Block::Table { .. }, Some(plan)) => theme::TITLE.1 * 2.0 + table_lead(plan, 0),
        (Block::Table { .. }, None) => theme::TITLE.1 * 2.0 + theme::NOTE.1,
    }
}

/// The names of the columns and two rows.
fn table_lead(plan: &Plan<'_>, part: usize) -> f64 {
    let Some(part) = plan.parts.get(part) else { return 0.0 };
    let rows = plan.table.rows.len().min(2);
    plan.head_height(part) + (0..rows).map(|row| plan.row_height(part, row)).sum::<f64>()
}
