//! What a reader sees: charts as SVG, and reports as PDF.
//!
//! Pure functions from values of [`crate::domain`] to text and bytes: no input or output, no clock, no network. The
//! same value gives the same bytes. Where a chart or a report is stored is the business of its caller.
//!
//! A chart is drawn once, as a [`scene`]: shapes with colour roles. [`svg`] writes the scene for browsers, and [`pdf`]
//! draws the same scene onto its pages.

pub mod chart;
mod font;
pub mod palette;
pub mod pdf;
pub mod scene;
pub mod svg;
