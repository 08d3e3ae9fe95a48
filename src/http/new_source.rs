//! What a data source is made of: a form with files, or JSON that says where its data is.

use poem::http::header::CONTENT_TYPE;
use poem::{Request, RequestBody};
use poem_openapi::registry::{MetaMediaType, MetaRequest, Registry};
use poem_openapi::types::Type;
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};

use super::body;
use super::credential::exchange;
use super::exchange::Exchange;
use super::fault::Fault;
use super::once::Sum;
use super::upload::Upload;
use super::wire::source::NewDataSource;
use crate::domain::error::{Error, Result};
use crate::domain::source::Source;
use crate::service::app::App;
use crate::service::caller::Caller;

/// A data source to be made.
pub enum NewSource {
    /// Of files that are sent.
    Uploaded(Upload),
    /// Of data that is elsewhere.
    Connected(Box<NewDataSource>),
}

impl NewSource {
    /// Makes it, and waits for its data as long as the settings say.
    pub async fn make(self, app: &App, caller: &Caller) -> Result<Source> {
        let wait = Some(app.settings.upload_wait);
        match self {
            Self::Uploaded(upload) => {
                let incoming = upload.receive(app.begin_upload(caller).await?).await?;
                app.create_source(caller, incoming, wait, Box::new(|_, _| {})).await
            }
            Self::Connected(new) => app.connect_source(caller, new.read(), wait, Box::new(|_, _| {})).await,
        }
    }
}

impl<'a> ApiExtractor<'a> for NewSource {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        <Upload>::register(registry);
        NewDataSource::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        let mut meta = <Upload>::request_meta()?;
        meta.content.push(MetaMediaType { content_type: "application/json", schema: NewDataSource::schema_ref() });
        Some(meta)
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        options: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        if !is_json(request) {
            return Ok(Self::Uploaded(<Upload>::from_request(request, body, options).await?));
        }
        body::check_content_type(request.header(CONTENT_TYPE)).map_err(Fault)?;
        let exchange = exchange(request)?;
        let bytes = read(body.take().unwrap_or_else(|_| poem::Body::empty()), exchange).await.map_err(Fault)?;
        Ok(Self::Connected(Box::new(body::parse(&bytes).map_err(Fault)?)))
    }
}

/// Whether a request says that it brings JSON.
fn is_json(request: &Request) -> bool {
    let sent = request.header(CONTENT_TYPE).unwrap_or_default().to_ascii_lowercase();
    let media_type = sent.split(';').next().unwrap_or_default().trim();
    media_type == "application/json" || (media_type.starts_with("application/") && media_type.ends_with("+json"))
}

/// Reads JSON within its own limit, and tells what the request asks for where it happens once.
async fn read(body: poem::Body, exchange: &Exchange) -> Result<bytes::Bytes> {
    let bytes = body::collect_within(body, exchange, exchange.body.json_limit).await?;
    let mut sum = Sum::of(exchange);
    sum.piece(&bytes);
    exchange.identify(Some(sum))?;
    Ok(bytes)
}

/// Reads all of a request that is not handled again, to tell what it is.
///
/// # Errors
/// As of every body, and `IdempotencyMismatch` when it is not what the earlier one was.
pub async fn identify(exchange: &Exchange, mut request: Request) -> Result<(), Error> {
    if is_json(&request) {
        return read(request.take_body(), exchange).await.map(drop);
    }
    super::upload::identify(exchange, request).await
}
