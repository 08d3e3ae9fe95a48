//! What is embedded for browsers, and how it may be cached. Pure: the edge turns an [`Asset`] into an answer, with
//! `ETag`, conditional requests, `HEAD` and the security headers that all answers have.
//!
//! Files under `assets/web/` are revalidated at each use, as their names stay when their contents change. Swagger
//! UI's two files and ReDoc's are large and do not change within a version of this program: their names contain a hash of their
//! contents, and they may be kept for ever.

use std::borrow::Cow;
use std::io::Read;

use rust_embed::{EmbeddedFile, RustEmbed};

use super::redoc;

/// Values of the `Content-Security-Policy` header, one for each kind of answer.
pub mod policy {
    /// Pages of this program, the reference included: own files only, no inline script or style, in no frame.
    pub const PAGE: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
        font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

    /// The page that ReDoc draws: it writes its styles into the page.
    pub const REDOC: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
        img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'; \
        frame-ancestors 'none'";

    /// Everything that is not a page: should a browser show it as one, it can do nothing.
    pub const DATA: &str = "default-src 'none'; frame-ancestors 'none'";
}

/// Something embedded, ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asset {
    /// The bytes to send, in `encoding`.
    pub bytes: Cow<'static, [u8]>,
    /// The value of `Content-Type`.
    pub content_type: &'static str,
    /// The value of `Content-Encoding`. A client that does not accept it gets [`Asset::decoded`].
    pub encoding: Option<&'static str>,
    /// How long a browser may keep it.
    pub cache: Cache,
    /// The value of `ETag`, a strong one with its quotes.
    pub etag: String,
    /// The value of `Content-Security-Policy`.
    pub policy: &'static str,
}

/// How long a browser may keep an asset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cache {
    /// For ever: another content has another name.
    Immutable,
    /// As long as the server says at each use that it is still the same.
    Revalidate,
}

impl Cache {
    /// The value of `Cache-Control`.
    pub fn header(self) -> &'static str {
        match self {
            Self::Immutable => "public, max-age=31536000, immutable",
            Self::Revalidate => "no-cache",
        }
    }
}

impl Asset {
    /// The same asset without content encoding, with an `ETag` of its own.
    pub fn decoded(self) -> std::io::Result<Self> {
        if self.encoding.is_none() {
            return Ok(self);
        }
        let mut bytes = Vec::new();
        flate2::read::GzDecoder::new(self.bytes.as_ref()).read_to_end(&mut bytes)?;
        let etag = self.etag.replace("-gz\"", "\"");
        Ok(Self { bytes: bytes.into(), encoding: None, etag, ..self })
    }
}

/// The page that sets an installation up, which is there until one is.
pub const SETUP: &str = "/setup";

/// The asset at a path of the server: `/`, `/password`, `/setup`, `/docs/`, `/docs/redoc`, `/favicon.ico` and the files under `/assets/`.
///
/// The path is taken as it is, so an encoded or dotted one finds nothing.
pub fn find(path: &str) -> Option<Asset> {
    match path {
        "/" => page("index.html"),
        "/password" => page("password.html"),
        "/docs/" => reference(),
        "/docs/redoc" => reading(),
        SETUP => page("setup.html"),
        "/favicon.ico" => embedded("icon.svg"),
        _ => {
            let name = path.strip_prefix("/assets/")?;
            hashed(name).or_else(|| embedded(name).filter(|_| !name.ends_with(".html")))
        }
    }
}

/// The text of a page that is filled in before it is sent.
pub fn template(name: &str) -> Option<String> {
    String::from_utf8(Web::get(name)?.data.into_owned()).ok()
}

/// The files of `assets/web/`. In debug builds they are read from the working tree, so that an edit shows at once.
#[derive(RustEmbed)]
#[folder = "$CARGO_MANIFEST_DIR/assets/web"]
struct Web;

/// A file whose name contains a hash of its content.
struct Hashed {
    /// Its name without the hash, as our page writes it.
    plain: &'static str,
    name: &'static str,
    gzip: &'static [u8],
}

include!(concat!(env!("OUT_DIR"), "/swagger.rs"));

/// The reference's page, with the names of Swagger UI's files as they are in this build.
fn reference() -> Option<Asset> {
    let asset = page("docs.html")?;
    let text = std::str::from_utf8(&asset.bytes).ok()?;
    let text = text.replace(SWAGGER_SCRIPT.plain, SWAGGER_SCRIPT.name).replace(SWAGGER_STYLE.plain, SWAGGER_STYLE.name);
    // The names are part of what the browser gets, so they are part of what it compares.
    let etag = format!("{}-{SWAGGER_TAG}\"", asset.etag.trim_end_matches('"'));
    Some(Asset { bytes: text.into_bytes().into(), etag, ..asset })
}

/// The page for reading, with the name of ReDoc's script.
fn reading() -> Option<Asset> {
    let asset = page("redoc.html")?;
    let script = redoc::script()?;
    let text = std::str::from_utf8(&asset.bytes).ok()?.replace(redoc::PLAIN, &script.name);
    let etag = format!("{}-{}\"", asset.etag.trim_end_matches('"'), script.name);
    Some(Asset { bytes: text.into_bytes().into(), etag, policy: policy::REDOC, ..asset })
}

fn page(name: &str) -> Option<Asset> {
    embedded(name).map(|asset| Asset { policy: policy::PAGE, ..asset })
}

fn embedded(name: &str) -> Option<Asset> {
    let EmbeddedFile { data, metadata } = Web::get(name)?;
    Some(Asset {
        bytes: data,
        content_type: content_type(name)?,
        encoding: None,
        cache: Cache::Revalidate,
        etag: format!("\"{}\"", hex::encode(&metadata.sha256_hash()[..16])),
        policy: policy::DATA,
    })
}

fn hashed(name: &str) -> Option<Asset> {
    let swagger = [SWAGGER_SCRIPT, SWAGGER_STYLE].into_iter().find(|file| file.name == name).map(|file| file.gzip);
    let script = || redoc::script().filter(|script| script.name == name).map(|script| script.gzip.as_slice());
    Some(Asset {
        bytes: Cow::Borrowed(swagger.or_else(script)?),
        content_type: content_type(name)?,
        encoding: Some("gzip"),
        cache: Cache::Immutable,
        etag: format!("\"{name}-gz\""),
        policy: policy::DATA,
    })
}

/// Kinds of files that may lie under `assets/web/`. One that is not named here is not served.
fn content_type(name: &str) -> Option<&'static str> {
    Some(match name.rsplit_once('.')?.1 {
        "html" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "svg" => "image/svg+xml",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(path: &str) -> String {
        let asset = find(path).unwrap().decoded().unwrap();
        String::from_utf8(asset.bytes.into_owned()).unwrap()
    }

    /// What the attributes `href` and `src` of a page name.
    fn references(page: &str) -> Vec<&str> {
        let after = |attribute| page.split(attribute).skip(1).filter_map(|rest: &str| rest.split('"').next());
        after("href=\"").chain(after("src=\"")).collect()
    }

    #[test]
    fn every_file_a_page_names_is_there() {
        for path in ["/", "/password", "/docs/", "/docs/redoc", SETUP] {
            let page = text(path);
            let files: Vec<_> = references(&page).into_iter().filter(|name| name.starts_with("/assets/")).collect();
            assert!(files.len() >= 5, "{path} names {files:?}");
            for file in files {
                assert!(find(file).is_some(), "{path} names {file}");
            }
        }
    }

    #[test]
    fn pages_load_nothing_from_elsewhere_and_have_no_inline_script_or_style() {
        for path in ["/", "/password", "/docs/", "/docs/redoc", SETUP] {
            let page = text(path);
            assert!(references(&page).iter().all(|name| name.starts_with('/') || name.starts_with('#')), "{path}");
            assert!(!page.contains("style=\"") && !page.contains("<style"), "{path}");
            assert!(page.split("<script").skip(1).all(|tag| tag.contains("></script>")), "{path}");
        }
    }

    #[test]
    fn swagger_ui_is_kept_for_ever_and_our_own_files_are_not() {
        let page = text("/docs/");
        let bundle = references(&page).into_iter().find(|name| name.contains("swagger-ui-bundle")).unwrap();
        let bundle = find(bundle).unwrap();
        assert_eq!((bundle.cache, bundle.encoding), (Cache::Immutable, Some("gzip")));
        assert_eq!(find("/assets/base.css").unwrap().cache, Cache::Revalidate);
        assert!(find("/assets/swagger-ui-bundle.js").is_none(), "a name without a hash must not be kept for ever");
    }

    #[test]
    fn a_client_without_gzip_gets_the_same_file_under_another_tag() {
        let page = text("/docs/");
        let style = references(&page).into_iter().find(|name| name.contains("/swagger-ui-")).unwrap();
        let (packed, plain) = (find(style).unwrap(), find(style).unwrap().decoded().unwrap());
        assert!(plain.bytes.len() > packed.bytes.len());
        assert_eq!(plain.encoding, None);
        assert_ne!(plain.etag, packed.etag);
        assert!(std::str::from_utf8(&plain.bytes).is_ok());
    }

    #[test]
    fn pages_are_found_at_their_own_addresses_only_and_nothing_outside_the_folder_is_found() {
        for path in
            ["", "/index.html", "/assets/", "/assets/index.html", "/assets/../../Cargo.toml", "/assets//etc/passwd"]
        {
            assert!(find(path).is_none(), "{path}");
        }
    }

    #[test]
    fn tags_are_strong_and_differ_between_files() {
        let tags: Vec<_> = ["/", "/docs/", "/docs/redoc", "/assets/base.css", "/assets/page.js"]
            .map(|path| find(path).unwrap().etag)
            .into();
        assert!(tags.iter().all(|tag| tag.starts_with('"') && tag.ends_with('"') && tag.len() > 16), "{tags:?}");
        let distinct: std::collections::HashSet<_> = tags.iter().collect();
        assert_eq!(distinct.len(), tags.len());
    }
}
