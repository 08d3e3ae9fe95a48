//! The pages of the reference that explain errors: one for each code at `/docs/errors/<code>`, and an index. They are
//! made of the table of codes, with examples from the builders of the answers themselves.

use std::borrow::Cow;
use std::sync::LazyLock;

use aws_lc_rs::digest::{SHA256, digest};
use minijinja::{Environment, Value, context};
use poem::http::StatusCode;
use serde_json::Value as Json;

use super::assets::{self, Asset, Cache, policy};
use super::face::{self, Face};
use super::samples;
use crate::domain::code::{Code, fact_meaning};
use crate::domain::functions::{AGGREGATE, SCALAR, WINDOW};

/// Where the pages lie.
const INDEX: &str = "/docs/errors/";

/// The address of a code's page on a server.
pub fn address(origin: &str, code: Code) -> String {
    format!("{origin}{INDEX}{}", code.as_str())
}

/// The page at a path, with the status of its answer; `None` when the path is none of theirs.
///
/// # Errors
/// When a template cannot be filled: a defect that the tests would show.
pub fn find(path: &str, origin: &str) -> Option<Result<(StatusCode, Asset), minijinja::Error>> {
    let name = path.strip_prefix(INDEX)?;
    let name = name.strip_suffix('/').unwrap_or(name);
    Some(match (name, Code::parse(name)) {
        ("", _) => index(None).map(|page| (StatusCode::OK, page)),
        (_, Some(code)) => of_code(code, origin).map(|page| (StatusCode::OK, page)),
        (unknown, None) => index(Some(unknown)).map(|page| (StatusCode::NOT_FOUND, page)),
    })
}

static TEMPLATES: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut templates = Environment::new();
    templates.set_loader(|name| Ok(assets::template(name)));
    templates.add_filter("marked", marked);
    templates
});

fn page(template: &str, values: Value) -> Result<Asset, minijinja::Error> {
    let text = TEMPLATES.get_template(template)?.render(values)?;
    let etag = format!("\"{}\"", hex::encode(&digest(&SHA256, text.as_bytes()).as_ref()[..16]));
    Ok(Asset {
        bytes: Cow::Owned(text.into_bytes()),
        content_type: "text/html; charset=utf-8",
        encoding: None,
        cache: Cache::Revalidate,
        etag,
        policy: policy::PAGE,
    })
}

/// All codes by their status, below a word about one that does not exist.
fn index(unknown: Option<&str>) -> Result<Asset, minijinja::Error> {
    let mut groups: Vec<(u16, Vec<Value>)> = Vec::new();
    for code in Code::ALL {
        let line = context! { code => code.as_str(), sentence => code.sentence() };
        match groups.last_mut() {
            Some((status, codes)) if *status == code.status() => codes.push(line),
            _ => groups.push((code.status(), vec![line])),
        }
    }
    let groups = groups.into_iter().map(|(status, codes)| context! { status, reason => reason(status), codes });
    let unknown = unknown.map(|name| name.chars().take(64).collect::<String>());
    page("errors.html", context! { groups => groups.collect::<Vec<_>>(), unknown })
}

fn of_code(code: Code, origin: &str) -> Result<Asset, minijinja::Error> {
    let facts = code.facts().iter().copied().filter_map(|name| Some(context! { name, meaning => fact_meaning(name)? }));
    let error = samples::of(code);
    let mut examples: Vec<Value> = [Face::V1, Face::External, Face::Platform]
        .map(|face| {
            let (base, slash) = (face.base(), "/");
            example(format!("On `{base}{slash}`"), &face.error_body(&error, samples::REQUEST))
        })
        .into();
    let problem = face::problem_body(&error, samples::REQUEST, address(origin, code));
    examples.push(example("On any face, with `Accept: application/problem+json`".to_owned(), &problem));
    page(
        "error.html",
        context! {
            code => code.as_str(),
            status => code.status(),
            reason => reason(code.status()),
            title => code.title(),
            sentence => code.sentence(),
            advice => code.advice(),
            retry => code.retry().sentence(),
            facts => facts.collect::<Vec<_>>(),
            functions => (code == Code::InvalidSql).then(functions),
            examples,
        },
    )
}

/// The functions that a query may call, by what they are about.
fn functions() -> Vec<Value> {
    let others = [("Aggregates", AGGREGATE), ("Windows", WINDOW)];
    let groups = SCALAR.iter().copied().chain(others);
    groups.map(|(title, names)| context! { title, names => names.to_vec() }).collect()
}

fn example(caption: String, body: &Json) -> Value {
    context! { label => caption.replace('`', ""), caption, text => format!("{body:#}") }
}

fn reason(status: u16) -> &'static str {
    StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or_default()
}

/// Escapes a text and sets what stands between backticks as code.
fn marked(text: &str) -> Value {
    let mut html = String::with_capacity(text.len() + 32);
    for (index, part) in text.split('`').enumerate() {
        let part = minijinja::HtmlEscape(part);
        html += &if index % 2 == 1 { format!("<code>{part}</code>") } else { part.to_string() };
    }
    Value::from_safe_string(html)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(path: &str) -> (StatusCode, String) {
        let (status, asset) = find(path, "https://bi.example.com").unwrap().unwrap();
        (status, String::from_utf8(asset.bytes.into_owned()).unwrap().replace("&#x2f;", "/"))
    }

    #[test]
    fn every_code_has_a_page_and_stands_in_the_index() {
        let (status, index) = text(INDEX);
        assert_eq!(status, StatusCode::OK);
        for code in Code::ALL {
            let path = format!("{INDEX}{}", code.as_str());
            assert!(index.contains(&format!("href=\"{path}\"")), "{path}");
            let (status, page) = text(&path);
            assert_eq!(status, StatusCode::OK);
            assert!(page.contains(&format!("<h1>{}</h1>", code.title())), "{path}");
            assert!(page.contains(&format!("https://bi.example.com{path}")), "{path}");
            assert_eq!(page.matches("<figure>").count(), 4, "{path}");
            assert_eq!(page.contains("<code>date_trunc</code>"), *code == Code::InvalidSql, "{path}");
        }
    }

    #[test]
    fn an_unknown_code_is_not_found_and_its_name_is_escaped() {
        let (status, page) = text("/docs/errors/<script>alert(1)");
        assert_eq!(status, StatusCode::NOT_FOUND);
        assert!(page.contains("&lt;script&gt;alert(1)") && !page.contains("<script>alert"), "{page}");
        assert!(find("/docs/", "").is_none() && find("/docs/errors", "").is_none());
    }

    #[test]
    fn pages_load_only_what_is_embedded_and_have_no_inline_script_or_style() {
        for path in ["/docs/errors/", "/docs/errors/rate_limited"] {
            let (_, page) = text(path);
            for attribute in ["href=\"", "src=\""] {
                for target in page.split(attribute).skip(1).filter_map(|rest| rest.split('"').next()) {
                    let known = target.starts_with('#') || find(target, "").is_some() || assets::find(target).is_some();
                    assert!(known, "{path} names {target}");
                }
            }
            assert!(!page.contains("style=\"") && !page.contains("<style"), "{path}");
            assert!(page.split("<script").skip(1).all(|tag| tag.contains("></script>")), "{path}");
        }
    }
}
