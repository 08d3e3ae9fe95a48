//! Files of reports on their way to a client: whole, or the part that it asks for.

use std::borrow::Cow;
use std::io::SeekFrom;
use std::sync::Arc;

use poem::http::{HeaderValue, StatusCode, header};
use poem::{Body, IntoResponse, Response};
use poem_openapi::ApiResponse;
use poem_openapi::registry::{MetaMediaType, MetaResponse, MetaResponses, MetaSchema, MetaSchemaRef, Registry};
use poem_openapi::types::Type;
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt};

use super::conditional;
use super::exchange::Exchange;
use super::range::Part;
use crate::domain::error::Error;
use crate::service::downloads::Download;
use crate::service::query::Content;
use crate::service::sources::Scratch;

/// Bytes that are read at once.
const PIECE: u64 = 64 << 10;

/// Sends as many bytes of a file, from where it stands, piece by piece, and lets go of what holds it when they are sent.
pub fn body(file: File, length: u64, holder: Option<Arc<Scratch>>) -> Body {
    let pieces = futures_util::stream::try_unfold((file, length, holder), |(mut file, left, holder)| async move {
        let mut piece = bytes::BytesMut::with_capacity(usize::try_from(left.min(PIECE)).unwrap_or_default());
        let read = (&mut file).take(left).read_buf(&mut piece).await?;
        if read == 0 && left > 0 {
            // Nothing else tells a client that it has not got all.
            return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof));
        }
        Ok((read > 0).then(|| (piece.freeze(), (file, left - read as u64, holder))))
    });
    Body::from_bytes_stream(pieces)
}

/// A report's file, in whichever of its formats.
pub struct ReportFile;

impl Type for ReportFile {
    const IS_REQUIRED: bool = true;
    type RawValueType = Self;
    type RawElementValueType = Self;

    fn name() -> Cow<'static, str> {
        "binary".into()
    }

    fn schema_ref() -> MetaSchemaRef {
        MetaSchemaRef::Inline(Box::new(MetaSchema::new_with_format("string", "binary")))
    }

    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
        Box::new(std::iter::empty())
    }
}

/// A file, whose bytes are what the format says.
pub struct FileReply(Response);

impl FileReply {
    /// The file of a run, for a browser to keep. Files of runs never change.
    ///
    /// # Errors
    /// Internal when the file is gone, `RangeNotSatisfiable` for a part past its end.
    pub async fn of(download: Download, exchange: &Exchange) -> Result<Self, Error> {
        let tag = download.tag;
        let (path, length, holder) = match download.content {
            Content::File { path, length, holder } => (path, length, holder),
            Content::Bytes(_) => return Err(Error::internal("the file of a run is in memory")),
        };
        // Whoever has the file, or another one, is told so whatever part it asks for.
        let part = if exchange.asked.wants(&tag) { exchange.range.part(length, &tag)? } else { None };
        let mut file = File::open(&path).await.map_err(Error::internal)?;
        let mut response = Response::builder()
            .header(header::CONTENT_TYPE, HeaderValue::from_static(download.format.media_type()))
            .header(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"))
            .header(header::CONTENT_DISPOSITION, format!("attachment; filename=\"{}\"", download.name))
            .finish();
        if let Some(Part { start, length: taken }) = part {
            file.seek(SeekFrom::Start(start)).await.map_err(Error::internal)?;
            let range = format!("bytes {start}-{}/{length}", start + taken - 1);
            response.set_status(StatusCode::PARTIAL_CONTENT);
            response
                .headers_mut()
                .insert(header::CONTENT_RANGE, HeaderValue::try_from(range).map_err(Error::internal)?);
        }
        let sent = part.map_or(length, |part| part.length);
        response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(sent));
        response.headers_mut().insert(header::CACHE_CONTROL, conditional::REVALIDATE);
        conditional::put(response.headers_mut(), &tag);
        response.set_body(body(file, sent, holder));
        Ok(Self(response))
    }
}

impl IntoResponse for FileReply {
    fn into_response(self) -> Response {
        self.0
    }
}

impl ApiResponse for FileReply {
    fn meta() -> MetaResponses {
        let inline = |schema| MetaSchemaRef::Inline(Box::new(schema));
        let whole = [
            ("application/pdf", ReportFile::schema_ref()),
            ("text/csv", inline(MetaSchema::new("string"))),
            ("application/json", inline(MetaSchema::new("object"))),
        ];
        // A part of JSON is none.
        let part = ["application/pdf", "text/csv", "application/json"].map(|media| (media, ReportFile::schema_ref()));
        let media = |(content_type, schema)| MetaMediaType { content_type, schema };
        let response = |status, content: Vec<MetaMediaType>| MetaResponse {
            description: "",
            status: Some(status),
            status_range: None,
            content,
            headers: vec![],
        };
        let whole = whole.into_iter().map(media).collect();
        let part = part.into_iter().map(media).collect();
        MetaResponses { responses: vec![response(200, whole), response(206, part), response(304, vec![])] }
    }

    fn register(_registry: &mut Registry) {}
}
