//! What handlers answer with: JSON by serde with the schema of its type, and results that are ready. Files of reports
//! are in [`super::download`], results of queries in [`super::query_reply`].

use poem::http::{HeaderMap, HeaderValue, StatusCode, header};
use poem::{IntoResponse, Response};
use poem_openapi::ApiResponse;
use poem_openapi::registry::{MetaMediaType, MetaResponse, MetaResponses, MetaSchema, MetaSchemaRef, Registry};
use poem_openapi::types::{ParseError, ParseFromJSON, ParseResult, ToJSON, Type};
use serde::Serialize;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::marker::PhantomData;

use super::conditional::{self, Tagged};
use super::download;
use crate::domain::error::Error;
use crate::service::once::{Answer, StoredAnswer};
use crate::service::query::Content;

pub(super) const JSON: &str = "application/json";

macro_rules! json_replies {
    ($($(#[$doc:meta])* $name:ident $status:literal;)*) => {$(
        $(#[$doc])*
        pub struct $name<T>(pub T);

        impl<T: Serialize + Send> IntoResponse for $name<T> {
            fn into_response(self) -> Response {
                json(StatusCode::from_u16($status).unwrap_or_default(), &self.0)
            }
        }

        impl<T: Serialize + Send + 'static> Answer for $name<T> {
            fn stored(&self) -> Result<Option<StoredAnswer>, Error> {
                let body = serde_json::to_vec(&self.0).map_err(Error::internal)?;
                Ok(Some(StoredAnswer { status: $status, body }))
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

/// 200 with one object: its JSON under its tag, by which a client asks whether it has changed.
pub struct One<T>(pub T);

impl<T: Tagged + Send> IntoResponse for One<T> {
    fn into_response(self) -> Response {
        let mut response = tagged(&self.0);
        if T::MAY_BE_KEPT {
            response.headers_mut().insert(header::CACHE_CONTROL, conditional::REVALIDATE);
        }
        response
    }
}

impl<T: Type + Serialize> ApiResponse for One<T> {
    fn meta() -> MetaResponses {
        let mut meta = meta::<T>(200, JSON);
        meta.responses.push(MetaResponse {
            description: "",
            status: Some(304),
            status_range: None,
            content: vec![],
            headers: vec![],
        });
        meta
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}

/// 200 with an object that was changed, under its new tag.
pub struct Changed<T>(pub T);

impl<T: Tagged + Send> IntoResponse for Changed<T> {
    fn into_response(self) -> Response {
        tagged(&self.0)
    }
}

impl<T: Type + Serialize> ApiResponse for Changed<T> {
    fn meta() -> MetaResponses {
        meta::<T>(200, JSON)
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
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

impl<T: Serialize + Send + 'static> Answer for CreatedOrAccepted<T> {
    fn stored(&self) -> Result<Option<StoredAnswer>, Error> {
        let (Self::Created(body) | Self::Accepted(body)) = self;
        let status = if matches!(self, Self::Created(_)) { 201 } else { 202 };
        Ok(Some(StoredAnswer { status, body: serde_json::to_vec(body).map_err(Error::internal)? }))
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

/// 200 when it is done, 202 when it goes on; the same body.
pub enum DoneOrAccepted<T> {
    /// Done.
    Done(T),
    /// It goes on.
    Accepted(T),
}

impl<T: Serialize + Send> IntoResponse for DoneOrAccepted<T> {
    fn into_response(self) -> Response {
        match self {
            Self::Done(body) => Json(body).into_response(),
            Self::Accepted(body) => Accepted(body).into_response(),
        }
    }
}

impl<T: Serialize + Send + 'static> Answer for DoneOrAccepted<T> {
    fn stored(&self) -> Result<Option<StoredAnswer>, Error> {
        let (Self::Done(body) | Self::Accepted(body)) = self;
        let status = if matches!(self, Self::Done(_)) { 200 } else { 202 };
        Ok(Some(StoredAnswer { status, body: serde_json::to_vec(body).map_err(Error::internal)? }))
    }
}

impl<T: Type + Serialize> ApiResponse for DoneOrAccepted<T> {
    fn meta() -> MetaResponses {
        let mut meta = Json::<T>::meta();
        meta.responses.extend(Accepted::<T>::meta().responses);
        meta
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}

fn tagged(object: &impl Tagged) -> Response {
    written(StatusCode::OK, object, |bytes| Some(conditional::tag(object, bytes)))
}

fn json(status: StatusCode, body: &impl Serialize) -> Response {
    written(status, body, |_| None)
}

fn written(status: StatusCode, body: &impl Serialize, tag: impl FnOnce(&[u8]) -> Option<String>) -> Response {
    match serde_json::to_vec(body) {
        Ok(bytes) => {
            let tag = tag(&bytes);
            let content_type = HeaderValue::from_static(JSON);
            let mut response =
                Response::builder().status(status).header(header::CONTENT_TYPE, content_type).body(bytes);
            if let Some(tag) = tag {
                conditional::put(response.headers_mut(), &tag);
            }
            response
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
    schema: PhantomData<fn() -> T>,
}

impl<T> Prepared<T> {
    /// A body of this media type.
    pub fn new(content: Content, content_type: &'static str) -> Self {
        Self { content, content_type, schema: PhantomData }
    }

    /// Opens the file, if it is one.
    ///
    /// # Errors
    /// Internal when the file is gone.
    pub async fn open(self) -> Result<Ready<T>, Error> {
        let builder = Response::builder().header(header::CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        let response = match self.content {
            Content::Bytes(bytes) => builder.body(bytes),
            Content::File { path, length, holder } => {
                let file = tokio::fs::File::open(&path).await.map_err(Error::internal)?;
                builder.header(header::CONTENT_LENGTH, length).body(download::body(file, length, holder))
            }
        };
        Ok(Ready(response, PhantomData))
    }
}

/// An opened [`Prepared`].
pub struct Ready<T>(Response, PhantomData<fn() -> T>);

impl<T> Ready<T> {
    /// The headers that it goes with.
    pub fn headers_mut(&mut self) -> &mut HeaderMap {
        self.0.headers_mut()
    }
}

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
