//! ReDoc's script. The one crate that carries it does so inside of a page of its own, which loads fonts from elsewhere; the
//! script is cut out of that page when somebody first asks for it, and our own page loads it.

use std::io::Write;
use std::sync::LazyLock;

use aws_lc_rs::digest::{SHA256, digest};
use poem_openapi::OpenApiService;

/// Its name in our page. It is served under one that contains a hash.
pub const PLAIN: &str = "redoc.standalone.js";

/// What stands before and after the script in the crate's page.
const AROUND: (&str, &str) = ("<script charset=\"UTF-8\">", "</script>\n  </head>");

/// The script, ready to be sent.
pub struct Script {
    /// With a hash of its content.
    pub name: String,
    /// Its content.
    pub gzip: Vec<u8>,
}

/// The script. `None` when the crate's page has become another, which a test sees first.
pub fn script() -> Option<&'static Script> {
    static SCRIPT: LazyLock<Option<Script>> = LazyLock::new(cut);
    SCRIPT.as_ref()
}

fn cut() -> Option<Script> {
    let page = OpenApiService::new((), "", "").redoc_html();
    let (_, script) = page.split_once(AROUND.0)?;
    let (script, _) = script.split_once(AROUND.1)?;
    let hash = hex::encode(&digest(&SHA256, script.as_bytes()).as_ref()[..8]);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(script.as_bytes()).ok()?;
    Some(Script { name: PLAIN.replace(".js", &format!("-{hash}.js")), gzip: gzip.finish().ok()? })
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn the_script_is_redoc_whole_and_alone() {
        let mut text = String::new();
        flate2::read::GzDecoder::new(&script().unwrap().gzip[..]).read_to_string(&mut text).unwrap();
        assert!(text.len() > 900_000, "{}", text.len());
        assert!(
            text.trim_start().starts_with("/*! For license information please see redoc.standalone.js.LICENSE.txt */")
        );
        assert!(text.trim_end().ends_with(['}', ';', ')', '/']) || text.contains("sourceMappingURL"));
        assert!(!text.contains("<html") && !text.contains("fonts.googleapis.com"));
    }
}
