//! A report as PDF: A4, vector, selectable text in embedded subsets of DejaVu Sans.
//!
//! The layout first decides what stands on which page, then every page is drawn and forgotten; a long table needs
//! memory for its compressed pages only. The same document gives the same bytes. Without image features, links to the
//! outside, scripts or forms; accessibility tags are not written.

mod canvas;
mod cells;
mod direction;
mod kpi;
mod layout;
mod pages;
mod table;
mod text;
mod theme;

use chrono::{DateTime, Datelike, Timelike, Utc};
use krilla::annotation::{LinkAnnotation, Target};
use krilla::destination::XyzDestination;
use krilla::geom::{Point, Rect};
use krilla::metadata::{self, Metadata};
use krilla::outline::{Outline, OutlineNode};
use krilla::page::PageSettings;

use self::canvas::{Canvas, Fonts, short};
use self::layout::Layout;
use super::font;
use crate::domain::document::Document;

/// A finished file.
#[derive(Debug, Clone)]
pub struct Pdf {
    /// The file.
    pub bytes: Vec<u8>,
    /// How many pages it has, the title page included.
    pub pages: u32,
}

/// Why no PDF was made. None of these is the document's fault.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// The built-in font cannot be read.
    #[error("the built-in font cannot be read; the program is damaged, install it again")]
    Font,
    /// The file could not be put together.
    #[error("the PDF could not be put together: {0}")]
    Write(String),
}

/// Writes a document as PDF.
pub fn write(document: &Document) -> Result<Pdf, RenderError> {
    let fonts = Fonts::load()?;
    let layout = Layout::of(document);
    let pages = layout.pages.len() + 1;
    let generated = DateTime::parse_from_rfc3339(&document.generated_at).ok().map(|instant| instant.to_utc());

    let mut file = krilla::Document::new();
    title_page(&mut file, document, &layout, &fonts, generated, pages)?;
    for (index, page) in layout.pages.iter().enumerate() {
        let size = page.size();
        let mut sheet = file.start_page_with(settings(size)?);
        let mut surface = sheet.surface();
        let mut canvas = Canvas::new(&mut surface, &fonts);
        pages::header(&mut canvas, document, size.0);
        pages::content(&mut canvas, page, &layout);
        pages::footer(&mut canvas, document, size, index + 2, pages);
        surface.finish();
        sheet.finish();
    }
    file.set_outline(outline(document, &layout));
    file.set_metadata(describe(document, generated));
    let bytes = file.finish().map_err(|error| RenderError::Write(error.to_string()))?;
    Ok(Pdf { bytes, pages: u32::try_from(pages).unwrap_or(u32::MAX) })
}

fn title_page(
    file: &mut krilla::Document,
    document: &Document,
    layout: &Layout<'_>,
    fonts: &Fonts,
    generated: Option<DateTime<Utc>>,
    pages: usize,
) -> Result<(), RenderError> {
    let size = theme::PORTRAIT;
    let mut sheet = file.start_page_with(settings(size)?);
    let mut surface = sheet.surface();
    let mut canvas = Canvas::new(&mut surface, fonts);
    let spoken = match generated {
        Some(instant) => instant.format("%-d %B %Y, %H:%M UTC").to_string(),
        None => document.generated_at.clone(),
    };
    let entries = pages::title_page(&mut canvas, document, &spoken, layout);
    pages::footer(&mut canvas, document, size, 1, pages);
    surface.finish();
    for entry in entries {
        let Some(target) = destination(layout, entry.section) else { continue };
        let area = Rect::from_xywh(short(theme::SIDE), short(entry.top), short(layout::WIDTH), short(entry.height));
        let Some(area) = area else { continue };
        let link = LinkAnnotation::new(area, Target::Destination(target.into()));
        sheet.add_annotation(krilla::annotation::Annotation::new_link(link, None));
    }
    sheet.finish();
    Ok(())
}

fn settings(size: (f64, f64)) -> Result<PageSettings, RenderError> {
    PageSettings::from_wh(short(size.0), short(size.1))
        .ok_or_else(|| RenderError::Write("a page without an area".to_owned()))
}

/// Where a section starts; the title page comes before the pages of the layout.
fn destination(layout: &Layout<'_>, section: usize) -> Option<XyzDestination> {
    let (page, y) = layout.sections.get(section)?;
    Some(XyzDestination::new(page + 1, Point::from_xy(0.0, short((y - 12.0).max(0.0)))))
}

fn outline(document: &Document, layout: &Layout<'_>) -> Outline {
    let mut outline = Outline::new();
    for (index, section) in document.sections.iter().enumerate() {
        if let Some(target) = destination(layout, index) {
            outline.push_child(OutlineNode::new(font::one_line(&section.heading).into_owned(), target));
        }
    }
    outline
}

fn describe(document: &Document, generated: Option<DateTime<Utc>>) -> Metadata {
    let mut metadata = Metadata::new()
        .title(document.title.clone())
        .authors(vec![document.organization.clone()])
        .creator("claribi".to_owned())
        .language("en".to_owned());
    if !document.subtitle.is_empty() {
        metadata = metadata.description(document.subtitle.clone());
    }
    match generated.map(|instant| (instant, u16::try_from(instant.year()))) {
        Some((instant, Ok(year))) => metadata.creation_date(creation_date(instant, year)),
        _ => metadata,
    }
}

fn creation_date(instant: DateTime<Utc>, year: u16) -> metadata::DateTime {
    let part = |number: u32| u8::try_from(number).unwrap_or(0);
    metadata::DateTime::new(year)
        .month(part(instant.month()))
        .day(part(instant.day()))
        .hour(part(instant.hour()))
        .minute(part(instant.minute()))
        .second(part(instant.second()))
        .utc_offset_hour(0)
        .utc_offset_minute(0)
}

#[cfg(test)]
mod tests;
