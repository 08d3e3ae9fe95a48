//! Uploads: a form with a name and files, streamed into scratch space of the data directory. Nothing of what a
//! client calls its files becomes a path.

use std::marker::PhantomData;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{Stream, stream};
use poem::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use poem::{Request, RequestBody};
use poem_openapi::registry::{MetaMediaType, MetaRequest, MetaSchema, MetaSchemaRef, Registry};
use poem_openapi::types::Type;
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};
use serde_json::Value;
use tokio::io::AsyncWriteExt;

use super::body::{Meter, parse};
use super::credential::exchange;
use super::exchange::Exchange;
use super::fault::Fault;
use super::multipart::{Form, Part, boundary};
use super::once::Sum;
use super::wire::import::NewImportOptions;
use crate::domain::error::{Error, Result};
use crate::domain::import::{FilesMode, ImportOptions};
use crate::service::sources::{Incoming, IncomingFile, IncomingFiles, Room};

/// The longest text field.
const TEXT_LENGTH: usize = 64 << 10;
/// The longest name of a file, in bytes.
const FILE_NAME_LENGTH: usize = 255;
/// The most files of one upload.
const FILE_LIMIT: usize = 100;

/// An upload that was not read yet, for this purpose.
pub struct Upload<P = NewSource> {
    exchange: Arc<Exchange>,
    boundary: String,
    /// Its length, where the client says so before.
    announced: Option<u64>,
    body: Option<poem::Body>,
    purpose: PhantomData<P>,
}

/// What an upload is for: its form's name in the documents, what is said of it, and whether it has a name.
pub trait Purpose: Send + Sync + 'static {
    /// The name of the form.
    const SCHEMA: &'static str;
    /// What it is.
    const ABOUT: &'static str;
    /// Whether a name has to be given; where not, it is not looked at.
    const IS_NAMED: bool;
    /// Whether it may say what the files do to tables that are there.
    const HAS_MODE: bool;
}

/// A source to be made.
pub struct NewSource;

impl Purpose for NewSource {
    const SCHEMA: &'static str = "UploadRequest";
    const ABOUT: &'static str = "A data source to be made of files.";
    const IS_NAMED: bool = true;
    const HAS_MODE: bool = false;
}

/// Files to be looked at, in the form of those that are kept.
pub struct Look;

impl Purpose for Look {
    const SCHEMA: &'static str = "PreviewRequest";
    const ABOUT: &'static str = "Files to be looked at and not kept.";
    const IS_NAMED: bool = false;
    const HAS_MODE: bool = false;
}

/// New files for a source that is there.
pub struct NewFiles;

impl Purpose for NewFiles {
    const SCHEMA: &'static str = "FilesRequest";
    const ABOUT: &'static str = "Files that take the place of tables, or whose rows are added to them.";
    const IS_NAMED: bool = false;
    const HAS_MODE: bool = true;
}

impl<'a, P: Purpose> ApiExtractor<'a> for Upload<P> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        NewImportOptions::register(registry);
        registry.schemas.insert(P::SCHEMA.to_owned(), schema::<P>());
    }

    fn request_meta() -> Option<MetaRequest> {
        let schema = MetaSchemaRef::Reference(P::SCHEMA.to_owned());
        let content = vec![MetaMediaType { content_type: "multipart/form-data", schema }];
        Some(MetaRequest { description: None, content, required: true })
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _options: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        let boundary = boundary_of(request).map_err(Fault)?;
        let exchange = exchange(request)?.clone();
        let announced = request.header(CONTENT_LENGTH).and_then(|length| length.parse().ok());
        Ok(Self { exchange, boundary, announced, body: body.take().ok(), purpose: PhantomData })
    }
}

/// Files of any number but none, how they are read, and a name.
fn schema<P: Purpose>() -> MetaSchema {
    let name = MetaSchema {
        description: Some(match P::IS_NAMED {
            true => "What people call it: 1 to 200 characters.",
            false => "Not looked at: a form by which a source is made can be sent as it is.",
        }),
        min_length: Some(1),
        max_length: Some(200),
        ..MetaSchema::new("string")
    };
    let file = MetaSchema::new_with_format("string", "binary");
    let files = MetaSchema {
        description: Some(
            "CSV, TSV, JSON, NDJSON, Parquet, Arrow, XLSX or ODS files, also as `.gz` or `.zst`; each becomes a table, and \
             so does each sheet of a workbook. Repeat the field for several.",
        ),
        items: Some(Box::new(MetaSchemaRef::Inline(Box::new(file)))),
        min_items: Some(1),
        max_items: Some(FILE_LIMIT),
        ..MetaSchema::new("array")
    };
    let mut properties = vec![
        ("name", MetaSchemaRef::Inline(Box::new(name))),
        ("file", MetaSchemaRef::Inline(Box::new(files))),
        ("options", NewImportOptions::schema_ref()),
    ];
    if P::HAS_MODE {
        let mode = MetaSchema {
            description: Some(
                "`replace`, by default: each file takes the place of the table of its name, or becomes a new one. `append`: its \
                 rows are added to that table, whose columns stay what they are. Other tables stay in either case.",
            ),
            enum_items: FilesMode::ALL.map(|mode| Value::from(mode.as_str())).into(),
            ..MetaSchema::new("string")
        };
        properties.push(("mode", MetaSchemaRef::Inline(Box::new(mode))));
    }
    MetaSchema {
        description: Some(P::ABOUT),
        required: if P::IS_NAMED { vec!["name", "file"] } else { vec!["file"] },
        properties,
        ..MetaSchema::new("object")
    }
}

impl Upload<NewSource> {
    /// Reads all of it; the files lie in `holder`.
    ///
    /// # Errors
    /// As of [`Upload::receive_files`], and a missing name.
    pub async fn receive(self, holder: Room) -> Result<Incoming> {
        let Received { name, files, .. } = self.read(holder).await?;
        let name = name.ok_or_else(|| Error::field("name", "is missing; say what to call the data source."))?;
        Ok(Incoming { name, slug: None, files })
    }
}

impl Upload<Look> {
    /// Reads all of it; the files lie in `holder`.
    ///
    /// # Errors
    /// As of every upload.
    pub async fn receive_files(self, holder: Room) -> Result<IncomingFiles> {
        Ok(self.read(holder).await?.files)
    }
}

impl Upload<NewFiles> {
    /// Reads all of it, and what the files do to tables that are there; they lie in `holder`.
    ///
    /// # Errors
    /// As of every upload.
    pub async fn receive_files(self, holder: Room) -> Result<(IncomingFiles, FilesMode)> {
        let received = self.read(holder).await?;
        Ok((received.files, received.mode.unwrap_or_default()))
    }
}

/// A form that was read.
struct Received {
    name: Option<String>,
    mode: Option<FilesMode>,
    files: IncomingFiles,
}

impl<P: Purpose> Upload<P> {
    /// Reads the form: a name, where it has one, and its files.
    ///
    /// # Errors
    /// `TooLarge` and `RequestTimeout` as of every body, `UnknownField` and `InvalidRequest` for what is no such form.
    /// `Conflict` for more than the organisation has room for.
    async fn read(self, mut holder: Room) -> Result<Received> {
        self.announced.map_or(Ok(()), |bytes| holder.announce(bytes))?;
        let mut form = Reading::new(&self.exchange, &self.boundary, self.body);
        let (mut name, mut mode, mut options, mut files) = (None, None, None, Vec::new());
        while let Some(part) = form.next_part().await? {
            match part.name.as_str() {
                "name" if name.is_some() => return Err(Error::field("name", "stands in the form twice.")),
                "name" => name = Some(text(&mut form).await?),
                "options" if options.is_some() => return Err(Error::field("options", "stands in the form twice.")),
                "options" => options = Some(import_options(&text(&mut form).await?)?),
                "mode" if P::HAS_MODE && mode.is_some() => {
                    return Err(Error::field("mode", "stands in the form twice."));
                }
                "mode" if P::HAS_MODE => mode = Some(files_mode(&text(&mut form).await?)?),
                "file" if files.len() == FILE_LIMIT => {
                    return Err(Error::field("file", format!("stands in the form more than {FILE_LIMIT} times.")));
                }
                "file" => {
                    let path = holder.path().join(files.len().to_string());
                    let name = file_name(part)?;
                    save(&mut form, &path, &mut holder).await?;
                    files.push(IncomingFile { path, name });
                }
                _ => return Err(Error::UnknownField(part.name.chars().take(64).collect())),
            }
        }
        if files.is_empty() {
            return Err(Error::field("file", "is missing; send at least one file."));
        }
        self.exchange.identify(form.sum)?;
        Ok(Received { name, mode, files: IncomingFiles { files, options, holder: Some(holder) } })
    }
}

fn files_mode(text: &str) -> Result<FilesMode> {
    FilesMode::parse(text).ok_or_else(|| Error::field("mode", "must be one of `replace`, `append`."))
}

/// The options of an import, which are JSON within the form.
fn import_options(text: &str) -> Result<ImportOptions> {
    let read: Result<NewImportOptions> = parse(text.as_bytes());
    let within = |field: &str| if field == "body" { "options".to_owned() } else { format!("options.{field}") };
    read.map(ImportOptions::from).map_err(|error| match error {
        Error::UnknownField(field) => Error::UnknownField(within(&field)),
        Error::InvalidField { field, reason } => Error::field(within(&field), reason),
        Error::InvalidJson(reason) => Error::field("options", format!("is no JSON as it should be. {reason}")),
        other => other,
    })
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

async fn save(form: &mut Reading<'_>, path: &Path, room: &mut Room) -> Result<()> {
    let file = tokio::fs::File::create_new(path).await.map_err(Error::internal)?;
    let mut file = tokio::io::BufWriter::with_capacity(256 << 10, file);
    while let Some(piece) = form.data().await? {
        room.take(piece.len() as u64)?;
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
