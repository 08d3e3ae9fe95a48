//! Sizes and colours of the page, in points.

use super::super::palette::Rgb;

/// A4.
pub(super) const PORTRAIT: (f64, f64) = (595.28, 841.89);
/// A4 on its side, for wide tables.
pub(super) const LANDSCAPE: (f64, f64) = (841.89, 595.28);

/// White at the left and the right.
pub(super) const SIDE: f64 = 48.0;
/// Where content starts, below the header.
pub(super) const TOP: f64 = 72.0;
/// White below the content; the footer stands in it.
pub(super) const FOOT: f64 = 60.0;
/// The base line of the page header.
pub(super) const HEADER_LINE: f64 = 40.0;
/// From the lower edge to the base line of the footer.
pub(super) const FOOTER_LINE: f64 = 32.0;

/// Type of running text, and its distance of lines.
pub(super) const BODY: (f64, f64) = (9.5, 14.5);
/// Type of section headings, and its distance of lines.
pub(super) const HEADING: (f64, f64) = (15.0, 19.0);
/// Type of titles above charts and tables, and its distance of lines.
pub(super) const TITLE: (f64, f64) = (10.0, 14.0);
/// Type of notes below tables, and its distance of lines.
pub(super) const NOTE: (f64, f64) = (8.0, 11.0);
/// Type of header and footer.
pub(super) const RUNNING: f64 = 7.5;
/// Type in charts.
pub(super) const CHART_TEXT: f64 = 7.5;
/// A chart's height.
pub(super) const CHART_HEIGHT: f64 = 200.0;

/// Between two blocks.
pub(super) const BLOCK_GAP: f64 = 16.0;
/// Above a heading that does not start a page.
pub(super) const SECTION_GAP: f64 = 26.0;
/// Below a heading.
pub(super) const HEADING_GAP: f64 = 8.0;

/// Text to read.
pub(super) const INK: Rgb = (0x11, 0x18, 0x27);
/// Text that explains.
pub(super) const MUTED: Rgb = (0x6b, 0x72, 0x80);
/// Thin lines.
pub(super) const RULE: Rgb = (0xd1, 0xd5, 0xdb);
/// Every other row of a table, and cards.
pub(super) const PALE: Rgb = (0xf6, 0xf7, 0xf9);
/// The row with the names of the columns.
pub(super) const HEAD: Rgb = (0xe9, 0xed, 0xf3);
/// The one colour of the page.
pub(super) const ACCENT: Rgb = (0x25, 0x63, 0xeb);
/// What is left of a progress bar.
pub(super) const TRACK: Rgb = (0xdd, 0xe3, 0xec);
