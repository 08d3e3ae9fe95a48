//! What a data source is made of, or is looked at first: a form with files, or JSON that says where its data is.

use poem::http::header::CONTENT_TYPE;
use poem::{Request, RequestBody};
use poem_openapi::registry::{MetaMediaType, MetaRequest, Registry};
use poem_openapi::types::Type;
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};
use serde::de::DeserializeOwned;

use super::body;
use super::credential::exchange;
use super::exchange::Exchange;
use super::fault::Fault;
use super::once::Sum;
use super::upload::{self, Look, Purpose, Upload};
use super::wire::source::{NewDataSource, NewPreview};
use crate::domain::error::{Error, Result};
use crate::domain::preview::FilePreview;
use crate::domain::source::Source;
use crate::service::app::App;
use crate::service::caller::Caller;

/// A body that is one or the other, as its content type says.
pub enum Sent<P, T> {
    /// Files that are sent.
    Files(Upload<P>),
    /// Where data is that is elsewhere.
    Place(Box<T>),
}

/// A data source to be made.
pub type NewSource = Sent<upload::NewSource, NewDataSource>;
/// Files to be looked at.
pub type NewLook = Sent<Look, NewPreview>;

impl NewSource {
    /// Makes it, and waits for its data as long as the settings say.
    pub async fn make(self, app: &App, caller: &Caller) -> Result<Source> {
        let wait = Some(app.settings.upload_wait);
        match self {
            Self::Files(upload) => {
                let incoming = upload.receive(app.begin_upload(caller).await?).await?;
                app.create_source(caller, incoming, wait, Box::new(|_, _| {})).await
            }
            Self::Place(new) => app.connect_source(caller, new.read(), wait, Box::new(|_, _| {})).await,
        }
    }
}

impl NewLook {
    /// What the files look like.
    pub async fn look(self, app: &App, caller: &Caller) -> Result<Vec<FilePreview>> {
        let room = app.begin_preview(caller).await?;
        match self {
            Self::Files(upload) => app.preview_files(caller, upload.receive_files(room).await?).await,
            Self::Place(place) => app.preview_place(caller, place.read(), room).await,
        }
    }
}

impl<'a, P: Purpose, T: Type + DeserializeOwned> ApiExtractor<'a> for Sent<P, T> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        Upload::<P>::register(registry);
        T::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        let mut meta = Upload::<P>::request_meta()?;
        meta.content.push(MetaMediaType { content_type: "application/json", schema: T::schema_ref() });
        Some(meta)
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        options: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        if !is_json(request) {
            return Ok(Self::Files(Upload::from_request(request, body, options).await?));
        }
        body::check_content_type(request.header(CONTENT_TYPE)).map_err(Fault)?;
        let exchange = exchange(request)?;
        let bytes = read(body.take().unwrap_or_else(|_| poem::Body::empty()), exchange).await.map_err(Fault)?;
        Ok(Self::Place(Box::new(body::parse(&bytes).map_err(Fault)?)))
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
