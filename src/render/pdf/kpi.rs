//! Figures on cards: label, value, and progress towards a target.

use super::super::font::{self, Weight};
use super::canvas::{Canvas, Type};
use super::theme;
use crate::domain::document::{KpiFigure, KpiValue};

/// Between two cards, and between two rows of them.
pub(super) const GAP: f64 = 10.0;
/// Cards beside one another, at most.
const COLUMNS: usize = 4;
const PAD: f64 = 11.0;
const HEIGHT: f64 = 58.0;
const HEIGHT_WITH_TARGET: f64 = 80.0;

/// The figures in rows as even as can be: five are three and two.
pub(super) fn rows(figures: &[KpiFigure]) -> std::slice::Chunks<'_, KpiFigure> {
    let count = figures.len().div_ceil(COLUMNS).max(1);
    figures.chunks(figures.len().div_ceil(count).max(1))
}

/// The height of a row.
pub(super) fn height(row: &[KpiFigure]) -> f64 {
    if row.iter().any(|figure| figure.target.is_some()) { HEIGHT_WITH_TARGET } else { HEIGHT }
}

/// Draws a row between `x` and `x + width`.
pub(super) fn draw(canvas: &mut Canvas<'_, '_>, row: &[KpiFigure], x: f64, y: f64, width: f64) {
    // One or two cards keep a card's shape instead of filling the line.
    let columns = u32::try_from(row.len().clamp(3, COLUMNS)).map_or(3.0, f64::from);
    let card = (width - GAP * (columns - 1.0)) / columns;
    let mut left = x;
    for figure in row {
        draw_card(canvas, figure, left, y, card, height(row));
        left += card + GAP;
    }
}

fn draw_card(canvas: &mut Canvas<'_, '_>, figure: &KpiFigure, x: f64, y: f64, width: f64, height: f64) {
    canvas.round_rect(x, y, width, height, 4.0, theme::PALE);
    let (left, room) = (x + PAD, width - PAD * 2.0);

    let clean = font::one_line(&figure.label);
    let label = font::ellipsize(&clean, Weight::Regular, 8.0, room);
    canvas.text(left, y + 19.0, &label, Type::regular(8.0, theme::MUTED));

    let value = written(figure);
    let size = [18.0, 16.0, 14.0, 12.0, 10.0].into_iter().find(|size| font::width(&value, Weight::Bold, *size) <= room);
    let size = size.unwrap_or(9.0);
    let value = font::ellipsize(&value, Weight::Bold, size, room);
    canvas.text(left, y + 43.0, &value, Type::bold(size, theme::INK));

    let Some(target) = figure.target.filter(|target| target.is_finite()) else { return };
    let goal = figure.format.apply(target);
    let caption = match figure.value {
        Some(KpiValue::Number(number)) if target > 0.0 && number.is_finite() => {
            let share = number / target;
            canvas.round_rect(left, y + 54.0, room, 4.0, 2.0, theme::TRACK);
            canvas.round_rect(left, y + 54.0, room * share.clamp(0.0, 1.0), 4.0, 2.0, theme::ACCENT);
            format!("{:.0} % of {goal}", (share * 100.0).clamp(-999_999.0, 999_999.0))
        }
        _ => format!("Target {goal}"),
    };
    let caption = font::ellipsize(&caption, Weight::Regular, 7.0, room);
    canvas.text(left, y + 70.0, &caption, Type::regular(7.0, theme::MUTED));
}

fn written(figure: &KpiFigure) -> String {
    match &figure.value {
        Some(KpiValue::Number(number)) => figure.format.apply(*number),
        Some(KpiValue::Text(text)) => font::one_line(text).trim().to_owned(),
        None => "–".to_owned(),
    }
}
