//! What handlers answer with: JSON by serde with the schema of its type, and files that are ready.

use poem::http::{HeaderValue, StatusCode, header};
use poem::{IntoResponse, Response};
use poem_openapi::ApiResponse;
use poem_openapi::registry::{MetaMediaType, MetaResponse, MetaResponses, MetaSchema, MetaSchemaRef, Registry};
use poem_openapi::types::{ParseError, ParseFromJSON, ParseResult, ToJSON, Type};
use serde::Serialize;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::marker::PhantomData;

use crate::domain::error::Error;
use crate::service::downloads::Download;
use crate::service::query::{Content, QueryAnswer, ResultFormat};

const JSON: &str = "application/json";

macro_rules! json_replies {
    ($($(#[$doc:meta])* $name:ident $status:literal;)*) => {$(
        $(#[$doc])*
        pub struct $name<T>(pub T);

        impl<T: Serialize + Send> IntoResponse for $name<T> {
            fn into_response(self) -> Response {
                json(StatusCode::from_u16($status).unwrap_or_default(), &self.0)
            }
        }

        impl<T: Type + Serialize> ApiResponse for $name<T> {
            fn meta() -> MetaResponses {
                meta::<T>($status, JSON)
            }

            fn register(registry: &mut Registry) {
                T::register(registry);
            }
        }
    )*};
}

json_replies! {
    /// 200 with a JSON body.
    Json 200;
    /// 201 with a JSON body.
    Created 201;
    /// 202 with a JSON body.
    Accepted 202;
}

/// 201 when it is done, 202 when it goes on; the same body.
pub enum CreatedOrAccepted<T> {
    /// Done.
    Created(T),
    /// It goes on.
    Accepted(T),
}

impl<T: Serialize + Send> IntoResponse for CreatedOrAccepted<T> {
    fn into_response(self) -> Response {
        match self {
            Self::Created(body) => Created(body).into_response(),
            Self::Accepted(body) => Accepted(body).into_response(),
        }
    }
}

impl<T: Type + Serialize> ApiResponse for CreatedOrAccepted<T> {
    fn meta() -> MetaResponses {
        let mut meta = Created::<T>::meta();
        meta.responses.extend(Accepted::<T>::meta().responses);
        meta
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}

fn json(status: StatusCode, body: &impl Serialize) -> Response {
    match serde_json::to_vec(body) {
        Ok(bytes) => {
            Response::builder().status(status).header(header::CONTENT_TYPE, HeaderValue::from_static(JSON)).body(bytes)
        }
        // Wire types are plain: only a defect of ours gets here, and the edge answers it as one.
        Err(error) => {
            tracing::error!(%error, "an answer cannot be written as JSON");
            StatusCode::INTERNAL_SERVER_ERROR.into()
        }
    }
}

fn meta<T: Type>(status: u16, content_type: &'static str) -> MetaResponses {
    MetaResponses {
        responses: vec![MetaResponse {
            description: "",
            status: Some(status),
            status_range: None,
            content: vec![MetaMediaType { content_type, schema: T::schema_ref() }],
            headers: vec![],
        }],
    }
}

/// A body that is ready, documented with the schema of `T`.
pub struct Prepared<T> {
    content: Content,
    content_type: &'static str,
    file_name: Option<String>,
    schema: PhantomData<fn() -> T>,
}

impl<T> Prepared<T> {
    /// A body of this media type.
    pub fn new(content: Content, content_type: &'static str) -> Self {
        Self { content, content_type, file_name: None, schema: PhantomData }
    }

    /// The same, for a browser to keep under this name.
    #[must_use]
    pub fn attachment(self, name: String) -> Self {
        Self { file_name: Some(name), ..self }
    }

    /// Opens the file, if it is one.
    ///
    /// # Errors
    /// Internal when the file is gone.
    pub async fn open(self) -> Result<Ready<T>, Error> {
        let (body, length) = match self.content {
            Content::Bytes(bytes) => {
                let length = bytes.len() as u64;
                (poem::Body::from_bytes(bytes), length)
            }
            Content::File { path, length, holder } => {
                let file = tokio::fs::File::open(&path).await.map_err(Error::internal)?;
                (file_body(file, holder), length)
            }
        };
        let mut response = Response::builder()
            .header(header::CONTENT_TYPE, HeaderValue::from_static(self.content_type))
            .header(header::CONTENT_LENGTH, HeaderValue::from(length))
            .body(body);
        if let Some(name) = self.file_name
            && let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{name}\""))
        {
            response.headers_mut().insert(header::CONTENT_DISPOSITION, value);
        }
        Ok(Ready(response, PhantomData))
    }
}

/// Sends a file piece by piece, and lets go of what holds it when it is sent.
fn file_body(file: tokio::fs::File, holder: Option<crate::service::sources::Scratch>) -> poem::Body {
    use tokio::io::AsyncReadExt;
    let pieces = futures_util::stream::try_unfold((file, holder), |(mut file, holder)| async move {
        let mut piece = bytes::BytesMut::with_capacity(64 << 10);
        let read = file.read_buf(&mut piece).await?;
        Ok::<_, std::io::Error>((read > 0).then(|| (piece.freeze(), (file, holder))))
    });
    poem::Body::from_bytes_stream(pieces)
}

/// An opened [`Prepared`].
pub struct Ready<T>(Response, PhantomData<fn() -> T>);

impl<T> IntoResponse for Ready<T> {
    fn into_response(self) -> Response {
        self.0
    }
}

impl<T: Type> ApiResponse for Ready<T> {
    fn meta() -> MetaResponses {
        meta::<T>(200, JSON)
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
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
pub struct FileReply(pub Ready<ReportFile>);

impl FileReply {
    /// The file of a run, for a browser to keep.
    ///
    /// # Errors
    /// Internal when the file is gone.
    pub async fn of(download: Download) -> Result<Self, Error> {
        let prepared = Prepared::new(download.content, download.format.media_type());
        Ok(Self(prepared.attachment(download.name).open().await?))
    }
}

impl IntoResponse for FileReply {
    fn into_response(self) -> Response {
        self.0.into_response()
    }
}

impl ApiResponse for FileReply {
    fn meta() -> MetaResponses {
        let inline = |schema| MetaSchemaRef::Inline(Box::new(schema));
        let content = [
            ("application/pdf", ReportFile::schema_ref()),
            ("text/csv", inline(MetaSchema::new("string"))),
            (JSON, inline(MetaSchema::new("object"))),
        ];
        let content = content.map(|(content_type, schema)| MetaMediaType { content_type, schema });
        MetaResponses {
            responses: vec![MetaResponse {
                description: "",
                status: Some(200),
                status_range: None,
                content: content.into(),
                headers: vec![],
            }],
        }
    }

    fn register(_registry: &mut Registry) {}
}

/// A query's result: JSON with the schema of `T`, or CSV.
pub struct QueryReply<T>(Ready<T>);

impl<T> QueryReply<T> {
    /// The result, as it was written.
    ///
    /// # Errors
    /// Internal when its file is gone.
    pub async fn of(answer: QueryAnswer, format: ResultFormat) -> Result<Self, Error> {
        let content_type = match format {
            ResultFormat::Json => JSON,
            ResultFormat::Csv => "text/csv; charset=utf-8",
        };
        Ok(Self(Prepared::new(answer.content, content_type).open().await?))
    }
}

impl<T> IntoResponse for QueryReply<T> {
    fn into_response(self) -> Response {
        self.0.into_response()
    }
}

impl<T: Type> ApiResponse for QueryReply<T> {
    fn meta() -> MetaResponses {
        let mut meta = Ready::<T>::meta();
        let csv = MetaSchemaRef::Inline(Box::new(MetaSchema::new("string")));
        for response in &mut meta.responses {
            response.content.push(MetaMediaType { content_type: "text/csv", schema: csv.clone() });
        }
        meta
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}

/// JSON that is ready: any value, by its schema.
#[derive(Debug, Clone)]
pub struct Raw(pub Box<RawValue>);

impl Serialize for Raw {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl Type for Raw {
    const IS_REQUIRED: bool = true;
    type RawValueType = Self;
    type RawElementValueType = Self;

    fn name() -> Cow<'static, str> {
        "any".into()
    }

    fn schema_ref() -> MetaSchemaRef {
        MetaSchemaRef::Inline(Box::new(MetaSchema::ANY))
    }

    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
        Box::new(std::iter::once(self))
    }
}

impl ToJSON for Raw {
    fn to_json(&self) -> Option<serde_json::Value> {
        serde_json::from_str(self.0.get()).ok()
    }
}

impl ParseFromJSON for Raw {
    fn parse_from_json(value: Option<serde_json::Value>) -> ParseResult<Self> {
        let text = value.unwrap_or_default().to_string();
        RawValue::from_string(text).map(Self).map_err(ParseError::custom)
    }
}
