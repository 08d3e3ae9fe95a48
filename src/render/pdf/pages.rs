//! Draws the pages: the title page, and what the layout placed on the others.

use super::super::chart;
use super::super::font::{self, Weight};
use super::super::scene::Anchor;
use super::canvas::{Canvas, Type};
use super::layout::{Layout, Page, Piece, WIDTH};
use super::table::{Part, Plan, Slot};
use super::{kpi, text, theme};
use crate::domain::document::Document;
use crate::domain::result::Cell;

/// Sections that the title page lists, at most.
const CONTENTS: usize = 22;
const CONTENTS_TOP: f64 = 452.0;
const CONTENTS_PITCH: f64 = 15.0;

/// A line of the contents: the section, and where the line stands.
pub(super) struct Entry {
    pub(super) section: usize,
    pub(super) top: f64,
    pub(super) height: f64,
}

/// Draws the title page; returns the places that should link to sections.
pub(super) fn title_page(
    canvas: &mut Canvas<'_, '_>,
    document: &Document,
    generated: &str,
    layout: &Layout<'_>,
) -> Vec<Entry> {
    let x = theme::SIDE;
    canvas.rect(x, 150.0, 44.0, 4.0, theme::ACCENT);
    let mut y = 196.0;
    for line in text::wrap_to(&font::one_line(&document.title), Weight::Bold, 27.0, WIDTH, 4) {
        canvas.text(x, y, &line, Type::bold(27.0, theme::INK));
        y += 35.0;
    }
    for line in text::wrap_to(&font::one_line(&document.subtitle), Weight::Regular, 13.0, WIDTH, 3) {
        canvas.text(x, y, &line, Type::regular(13.0, theme::MUTED));
        y += 19.0;
    }
    y += 24.0;
    let organization = font::one_line(&document.organization);
    canvas.text(x, y, &font::ellipsize(&organization, Weight::Bold, 10.0, WIDTH), Type::bold(10.0, theme::INK));
    canvas.text(x, y + 16.0, &format!("Generated {generated}"), Type::regular(9.0, theme::MUTED));
    contents(canvas, document, layout)
}

fn contents(canvas: &mut Canvas<'_, '_>, document: &Document, layout: &Layout<'_>) -> Vec<Entry> {
    let mut entries = Vec::new();
    if document.sections.is_empty() {
        return entries;
    }
    let (x, right) = (theme::SIDE, theme::SIDE + WIDTH);
    let mut y = CONTENTS_TOP;
    canvas.text(x, y, "Contents", Type::bold(10.0, theme::INK));
    canvas.rule(x, y + 8.0, WIDTH, 0.6, theme::RULE);
    y += 25.0;
    let size = 9.0;
    for (section, ((page, _), content)) in layout.sections.iter().zip(&document.sections).enumerate() {
        if section == CONTENTS && document.sections.len() > CONTENTS + 1 {
            let rest = format!("and {} more", document.sections.len() - section);
            canvas.text(x, y, &rest, Type::regular(size, theme::MUTED));
            break;
        }
        let clean = font::one_line(&content.heading);
        let heading = font::ellipsize(&clean, Weight::Regular, size, WIDTH - 40.0);
        canvas.text(x, y, &heading, Type::regular(size, theme::INK));
        canvas.text_to(right, y, &(page + 2).to_string(), Type::regular(size, theme::MUTED));
        entries.push(Entry { section, top: y - size - 2.0, height: CONTENTS_PITCH });
        y += CONTENTS_PITCH;
    }
    entries
}

/// Draws the title at the top of a page behind the title page.
pub(super) fn header(canvas: &mut Canvas<'_, '_>, document: &Document, width: f64) {
    let clean = font::one_line(&document.title);
    let room = width - theme::SIDE * 2.0;
    let title = font::ellipsize(&clean, Weight::Regular, theme::RUNNING, room);
    canvas.text(theme::SIDE, theme::HEADER_LINE, &title, Type::regular(theme::RUNNING, theme::MUTED));
    canvas.rule(theme::SIDE, theme::HEADER_LINE + 8.0, room, 0.5, theme::RULE);
}

/// Draws organisation and page number at the foot of a page.
pub(super) fn footer(canvas: &mut Canvas<'_, '_>, document: &Document, size: (f64, f64), number: usize, pages: usize) {
    let place = format!(" · page {number} of {pages}");
    let style = Type::regular(theme::RUNNING, theme::MUTED);
    let clean = font::one_line(&document.organization);
    let room = size.0 - theme::SIDE * 2.0 - font::width(&place, style.weight, style.size);
    let organization = font::ellipsize(&clean, style.weight, style.size, room);
    let line = if organization.is_empty() {
        place.trim_start_matches(" · ").to_owned()
    } else {
        format!("{organization}{place}")
    };
    canvas.text_to(size.0 - theme::SIDE, size.1 - theme::FOOTER_LINE, &line, style);
}

/// Draws what the layout placed on a page.
pub(super) fn content(canvas: &mut Canvas<'_, '_>, page: &Page<'_>, layout: &Layout<'_>) {
    let x = theme::SIDE;
    for placed in &page.pieces {
        match &placed.piece {
            Piece::Heading(lines) => {
                // The type's own white is above its capitals: lines stand where their tops are level with the margin.
                paragraph(canvas, lines, placed.y, theme::HEADING.1, Type::bold(theme::HEADING.0, theme::INK));
            }
            Piece::Paragraph(lines) => {
                paragraph(canvas, lines, placed.y, theme::BODY.1, Type::regular(theme::BODY.0, theme::INK));
            }
            Piece::Title(lines) => {
                paragraph(canvas, lines, placed.y, theme::TITLE.1, Type::bold(theme::TITLE.0, theme::INK));
            }
            Piece::Note(lines) => {
                paragraph(canvas, lines, placed.y, theme::NOTE.1, Type::regular(theme::NOTE.0, theme::MUTED));
            }
            Piece::Kpis(row) => kpi::draw(canvas, row, x, placed.y, WIDTH),
            Piece::Chart(chart) => canvas.scene(x, placed.y, &chart::scene(chart)),
            Piece::Rows(plan, part, rows) => {
                if let Some((plan, part)) =
                    layout.plans.get(*plan).and_then(|plan| Some((plan, plan.parts.get(*part)?)))
                {
                    table(canvas, plan, part, rows.clone(), placed.y);
                }
            }
        }
    }
}

fn paragraph(canvas: &mut Canvas<'_, '_>, lines: &[String], top: f64, pitch: f64, style: Type) {
    let mut y = top;
    for line in lines {
        if line.is_empty() {
            y += pitch / 2.0;
            continue;
        }
        // Centres the line in its pitch: capitals are 0.73 of the type size.
        canvas.text(theme::SIDE, y + (pitch + style.size * 0.73) / 2.0, line, style);
        y += pitch;
    }
}

fn table(canvas: &mut Canvas<'_, '_>, plan: &Plan<'_>, part: &Part, rows: std::ops::Range<usize>, top: f64) {
    let x = theme::SIDE;
    let head = plan.head_height(part);
    canvas.rect(x, top, part.width, head, theme::HEAD);

    // Every other row, counted through all pages.
    let mut y = top + head;
    let mut bands = Vec::new();
    for row in rows.clone() {
        let height = plan.row_height(part, row);
        if row % 2 == 1 {
            bands.push((x, y, part.width, height));
        }
        y += height;
    }
    if !bands.is_empty() {
        canvas.rects(bands, theme::PALE);
    }
    canvas.rule(x, top + head, part.width, 0.6, theme::MUTED);
    canvas.rule(x, y, part.width, 0.6, theme::RULE);

    for slot in &part.slots {
        // Names stand on the lower edge of their row.
        let lines = u32::try_from(slot.head.len()).map_or(1.0, f64::from);
        let mut y = top + head - plan.size * 0.68 - plan.pitch() * (lines - 1.0);
        for line in &slot.head {
            cell(canvas, plan, slot, y, line, Type::bold(plan.size, theme::INK));
            y += plan.pitch();
        }
    }

    let style = Type::regular(plan.size, theme::INK);
    let mut y = top + head;
    for row in rows {
        for slot in &part.slots {
            let value = plan.table.rows.get(row).and_then(|cells| cells.get(slot.column)).unwrap_or(&Cell::Null);
            if *value == Cell::Null {
                continue;
            }
            let mut line_y = y + plan.baseline();
            for line in plan.cell_lines(slot, value) {
                cell(canvas, plan, slot, line_y, &line, style);
                line_y += plan.pitch();
            }
        }
        y += plan.row_height(part, row);
    }
}

/// One line in a column, at the side where the column's cells stand.
fn cell(canvas: &mut Canvas<'_, '_>, plan: &Plan<'_>, slot: &Slot, y: f64, line: &str, style: Type) {
    let (left, anchor) = (theme::SIDE + slot.x, plan.styles[slot.column].anchor());
    let x = if anchor == Anchor::End { left + slot.width - plan.pad() } else { left + plan.pad() };
    canvas.anchored(x, y, line, anchor, style);
}
