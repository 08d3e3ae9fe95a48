//! Uploads: a form with a name and files, streamed into scratch space of the data directory (trap A8). Nothing of what a
//! client calls its files becomes a path.

use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{Stream, stream};
use poem::http::header::CONTENT_TYPE;
use poem::{Request, RequestBody};
use poem_openapi::registry::{MetaMediaType, MetaRequest, MetaSchema, MetaSchemaRef, Registry};
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};
use tokio::io::AsyncWriteExt;

use super::body::Meter;
use super::credential::exchange;
use super::exchange::Exchange;
use super::fault::Fault;
use super::multipart::{Form, Part, boundary};
use super::once::Sum;
use crate::domain::error::{Error, Result};
use crate::service::sources::{Incoming, IncomingFile, Scratch};

/// The longest text field.
const TEXT_LENGTH: usize = 64 << 10;
/// The longest name of a file, in bytes.
const FILE_NAME_LENGTH: usize = 255;
/// The most files of one upload.
const FILE_LIMIT: usize = 100;

/// An upload that was not read yet.
pub struct Upload {
    exchange: Arc<Exchange>,
    boundary: String,
    body: Option<poem::Body>,
}

impl<'a> ApiExtractor<'a> for Upload {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        registry.schemas.insert("UploadRequest".to_owned(), schema());
    }

    fn request_meta() -> Option<MetaRequest> {
        let schema = MetaSchemaRef::Reference("UploadRequest".to_owned());
        let content = vec![MetaMediaType { content_type: "multipart/form-data", schema }];
        Some(MetaRequest { description: None, content, required: true })
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _options: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        let boundary = boundary_of(request).map_err(Fault)?;
        Ok(Self { exchange: exchange(request)?.clone(), boundary, body: body.take().ok() })
    }
}

/// A name, and files of any number but none.
fn schema() -> MetaSchema {
    let name = MetaSchema {
        description: Some("What people call it: 1 to 200 characters."),
        min_length: Some(1),
        max_length: Some(200),
        ..MetaSchema::new("string")
    };
    let file = MetaSchema::new_with_format("string", "binary");
    let files = MetaSchema {
        description: Some(
            "CSV or TSV files, also as `.gz` or `.zst`; each becomes a table. Repeat the field for several.",
        ),
        items: Some(Box::new(MetaSchemaRef::Inline(Box::new(file)))),
        min_items: Some(1),
        max_items: Some(FILE_LIMIT),
        ..MetaSchema::new("array")
    };
    MetaSchema {
        description: Some("A data source to be made of files."),
        required: vec!["name", "file"],
        properties: vec![
            ("name", MetaSchemaRef::Inline(Box::new(name))),
            ("file", MetaSchemaRef::Inline(Box::new(files))),
        ],
        ..MetaSchema::new("object")
    }
}

impl Upload {
    /// Reads all of it; the files lie in `holder`.
    ///
    /// # Errors
    /// `TooLarge` and `RequestTimeout` as of every body, `UnknownField` and `InvalidRequest` for what is no such form.
    pub async fn receive(self, holder: Scratch) -> Result<Incoming> {
        let mut form = Reading::new(&self.exchange, &self.boundary, self.body);
        let (mut name, mut files) = (None, Vec::new());
        while let Some(part) = form.next_part().await? {
            match part.name.as_str() {
                "name" if name.is_some() => return Err(Error::field("name", "stands in the form twice.")),
                "name" => name = Some(text(&mut form).await?),
                "file" if files.len() == FILE_LIMIT => {
                    return Err(Error::field("file", format!("stands in the form more than {FILE_LIMIT} times.")));
                }
                "file" => {
                    let path = holder.path().join(files.len().to_string());
                    let name = file_name(part)?;
                    save(&mut form, &path).await?;
                    files.push(IncomingFile { path, name });
                }
                _ => return Err(Error::UnknownField(part.name.chars().take(64).collect())),
            }
        }
        let name = name.ok_or_else(|| Error::field("name", "is missing; say what to call the data source."))?;
        if files.is_empty() {
            return Err(Error::field("file", "is missing; send at least one file."));
        }
        self.exchange.identify(form.sum)?;
        Ok(Incoming { name, slug: None, files, holder: Some(holder) })
    }
}

/// Reads all of an upload that is not handled again, to tell what it is.
///
/// # Errors
/// As of every body, and `IdempotencyMismatch` when it is not what the earlier one was.
pub async fn identify(exchange: &Exchange, mut request: Request) -> Result<()> {
    let boundary = boundary_of(&request)?;
    let mut form = Reading::new(exchange, &boundary, Some(request.take_body()));
    while form.next_part().await?.is_some() {
        while form.data().await?.is_some() {}
    }
    exchange.identify(form.sum)
}

fn boundary_of(request: &Request) -> Result<String> {
    let boundary = request.header(CONTENT_TYPE).and_then(boundary);
    boundary.ok_or(Error::UnsupportedMediaType("multipart/form-data with a boundary, or application/json in UTF-8"))
}

/// A form that is read, and summed up where the request happens once.
struct Reading<'e> {
    form: Form<Pin<Box<dyn Stream<Item = Result<Bytes>> + Send + 'e>>>,
    sum: Option<Sum>,
}

impl<'e> Reading<'e> {
    fn new(exchange: &'e Exchange, boundary: &str, body: Option<poem::Body>) -> Self {
        let form = Form::new(boundary, Box::pin(chunks(exchange, body)) as _);
        Self { form, sum: exchange.once.get().map(|_| Sum::of(exchange)) }
    }

    async fn next_part(&mut self) -> Result<Option<Part>> {
        let part = self.form.next_part().await?;
        if let (Some(sum), Some(part)) = (&mut self.sum, &part) {
            sum.part(part);
        }
        Ok(part)
    }

    async fn data(&mut self) -> Result<Option<Bytes>> {
        let piece = self.form.data().await?;
        if let (Some(sum), Some(piece)) = (&mut self.sum, &piece) {
            sum.piece(piece);
        }
        Ok(piece)
    }
}

/// The body, held to its limits.
fn chunks(exchange: &Exchange, body: Option<poem::Body>) -> impl Stream<Item = Result<Bytes>> {
    let body = Box::pin(body.unwrap_or_else(poem::Body::empty).into_bytes_stream());
    stream::try_unfold((Meter::new(exchange), body), |(mut meter, mut body)| async move {
        Ok(meter.next(&mut body).await?.map(|chunk| (chunk, (meter, body))))
    })
}

async fn text(form: &mut Reading<'_>) -> Result<String> {
    let mut bytes = Vec::new();
    while let Some(piece) = form.data().await? {
        if bytes.len() + piece.len() > TEXT_LENGTH {
            return Err(Error::InvalidRequest(format!("A text field of the form is over {TEXT_LENGTH} bytes.")));
        }
        bytes.extend_from_slice(&piece);
    }
    String::from_utf8(bytes).map_err(|_| Error::InvalidRequest("A text field of the form is not UTF-8.".to_owned()))
}

async fn save(form: &mut Reading<'_>, path: &Path) -> Result<()> {
    let file = tokio::fs::File::create_new(path).await.map_err(Error::internal)?;
    let mut file = tokio::io::BufWriter::with_capacity(256 << 10, file);
    while let Some(piece) = form.data().await? {
        file.write_all(&piece).await.map_err(Error::internal)?;
    }
    file.flush().await.map_err(Error::internal)
}

/// What a client calls a file, without the directories that some send along.
fn file_name(part: Part) -> Result<String> {
    let name = part.file_name.unwrap_or_default();
    let base = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let fits = (1..=FILE_NAME_LENGTH).contains(&base.len()) && !base.chars().any(char::is_control);
    if fits && base != "." && base != ".." {
        return Ok(base.to_owned());
    }
    Err(Error::field("file", format!("needs a file name of 1 to {FILE_NAME_LENGTH} bytes without control characters.")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_segment_of_a_file_name_is_kept() {
        let read = |name: &str| file_name(Part { name: "file".into(), file_name: Some(name.into()) }).ok();
        assert_eq!(read("flights.csv").as_deref(), Some("flights.csv"));
        assert_eq!(read("../../etc/passwd").as_deref(), Some("passwd"));
        assert_eq!(read(r"C:\data\q2.csv").as_deref(), Some("q2.csv"));
        for bad in ["", "..", "a/", "a\u{0}.csv", "a\n.csv", &"x".repeat(256)] {
            assert_eq!(read(bad), None, "{bad:?}");
        }
    }
}
