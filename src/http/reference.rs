//! The documents as they are served: `openapi.json` and `openapi.yaml` below each face, with the server's own address.

use aws_lc_rs::digest::{SHA256, digest};

use super::document::{self, Format, SERVER};
use super::face::Face;

/// The documents of all faces in all formats.
pub struct Documents(Vec<Document>);

/// One of them.
pub struct Document {
    path: String,
    format: Format,
    text: String,
}

/// One of them for a server, ready to be sent.
#[derive(Debug, PartialEq, Eq)]
pub struct Served {
    /// The whole text.
    pub text: String,
    /// The value of `ETag`: another for another address.
    pub etag: String,
    /// The value of `Content-Type`.
    pub content_type: &'static str,
}

impl Documents {
    /// Makes them.
    ///
    /// # Errors
    /// When a face registers what cannot be documented.
    pub fn new() -> Result<Self, String> {
        let wanted = Face::ALL.into_iter().flat_map(|face| Format::ALL.map(|format| (face, format)));
        let made = wanted.map(|(face, format)| {
            let path = format!("{}/openapi.{}", face.base(), format.name());
            Ok(Document { path, format, text: document::written(face, format)? })
        });
        made.collect::<Result<_, String>>().map(Self)
    }

    /// The document at a path.
    pub fn find(&self, path: &str) -> Option<&Document> {
        self.0.iter().find(|document| document.path == path)
    }
}

impl Document {
    /// It with the server's address.
    pub fn at(&self, origin: &str) -> Served {
        // Behind a proxy the address is what a client said. Samples are pasted into shells: what is not plainly an address
        // does not get into them.
        let is_plain = origin.bytes().all(|byte| byte.is_ascii_alphanumeric() || b":/.-[]".contains(&byte));
        let text = if is_plain { self.text.replace(SERVER, origin) } else { self.text.clone() };
        let etag = format!("\"{}\"", hex::encode(&digest(&SHA256, text.as_bytes()).as_ref()[..16]));
        Served { text, etag, content_type: self.format.media_type() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_names_the_server_that_answers_it_everywhere() {
        let documents = Documents::new().unwrap();
        for face in Face::ALL {
            for format in Format::ALL {
                let path = format!("{}/openapi.{}", face.base(), format.name());
                let document = documents.find(&path).unwrap();
                let (one, other) = (document.at("http://[::1]:8080"), document.at("https://bi.internal"));
                assert!(!one.text.contains(SERVER) && one.text.contains("http://[::1]:8080/"), "{path}");
                assert_ne!(one.etag, other.etag, "{path}");
                assert_eq!(one, document.at("http://[::1]:8080"), "{path}");
            }
        }
    }

    #[test]
    fn what_is_not_plainly_an_address_gets_into_no_sample() {
        let documents = Documents::new().unwrap();
        for odd in ["https://a'; rm -rf ~; '", "https://a\"b", "https://a b", "https://$(id)", "https://a`id`"] {
            let served = documents.find("/v1/openapi.json").unwrap().at(odd);
            assert!(!served.text.contains(odd) && served.text.contains(SERVER), "{odd}");
        }
    }
}
