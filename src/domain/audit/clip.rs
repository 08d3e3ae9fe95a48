//! How much of a change is kept. Changes are never deleted and are shown in pages of many, so each has a bound: what is
//! longer stands with its beginning, its length and its SHA-256, by which a copy that somebody has can be recognised.

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::{Map, Value, json};

/// Bytes of JSON that what a thing was, or is, may take.
pub const LONGEST: usize = 16 << 10;
/// Bytes below which nothing is clipped: what stands instead takes up to that much itself.
const SHORTEST: usize = 1 << 10;
/// Characters of the beginning that are kept; written as `\u0000` each, they still are fewer bytes than [`SHORTEST`].
const BEGINNING: usize = 120;
/// How deep in a thing its parts are looked at each for itself.
const DEEPEST: u8 = 4;

/// A thing as it may be kept, as JSON: whole, or with its long parts clipped. An object stays one.
pub fn clip(thing: &Value) -> String {
    let written = thing.to_string();
    if written.len() <= LONGEST {
        return written;
    }
    match within(thing.clone(), LONGEST, 0) {
        Value::String(text) if !thing.is_string() => json!({"clipped": text}).to_string(),
        clipped => clipped.to_string(),
    }
}

/// The thing in about so many bytes: each part may have an equal share.
fn within(thing: Value, bytes: usize, depth: u8) -> Value {
    let written = thing.to_string();
    if written.len() <= bytes {
        return thing;
    }
    match thing {
        Value::String(text) => Value::String(clipped(&text)),
        Value::Object(parts) if depth < DEEPEST => {
            let names: usize = parts.keys().map(|name| name.len() + 4).sum();
            match share(bytes.saturating_sub(names), parts.len()) {
                Some(share) => {
                    let parts = parts.into_iter().map(|(name, part)| (name, within(part, share, depth + 1)));
                    Value::Object(parts.collect::<Map<_, _>>())
                }
                None => Value::String(clipped(&written)),
            }
        }
        Value::Array(parts) if depth < DEEPEST => match share(bytes, parts.len()) {
            Some(share) => parts.into_iter().map(|part| within(part, share, depth + 1)).collect(),
            None => Value::String(clipped(&written)),
        },
        _ => Value::String(clipped(&written)),
    }
}

/// What each of so many parts may have; `None` where that would be too little to tell anything.
fn share(bytes: usize, parts: usize) -> Option<usize> {
    Some(bytes / parts.max(1)).filter(|share| *share >= SHORTEST)
}

fn clipped(text: &str) -> String {
    let beginning: String = text.chars().take(BEGINNING).collect();
    let sum = hex::encode(digest(&SHA256, text.as_bytes()));
    format!("{beginning}… ({} bytes, SHA-256 {sum})", text.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read_back(thing: &Value) -> Value {
        serde_json::from_str(&clip(thing)).unwrap()
    }

    #[test]
    fn what_is_short_stays_and_what_is_long_is_told_by_its_sum() {
        let short = json!({"name": "Shop", "note": "x".repeat(5_000), "words": [1, 2, null]});
        assert_eq!(clip(&short), short.to_string());
        let long = "long ".repeat(10_000);
        let kept = read_back(&json!({"host": "db", "queries": {"short": "SELECT 1", "long": long}}));
        assert_eq!((&kept["host"], &kept["queries"]["short"]), (&json!("db"), &json!("SELECT 1")));
        let told = kept["queries"]["long"].as_str().unwrap();
        let sum = hex::encode(digest(&SHA256, long.as_bytes()));
        assert!(told.starts_with("long long") && told.ends_with(&format!("… (50000 bytes, SHA-256 {sum})")), "{told}");
    }

    #[test]
    fn many_parts_are_clipped_together() {
        let kept = read_back(&json!({"name": "Shop", "words": vec!["x".repeat(100); 2_000]}));
        assert_eq!(kept["name"], "Shop");
        assert!(kept["words"].as_str().unwrap().starts_with("[\"xxx"), "{kept}");
        let names: Map<String, Value> = (0..5_000).map(|it| (format!("name {it}"), json!(it))).collect();
        assert!(read_back(&Value::Object(names))["clipped"].is_string(), "an object stays one");
    }

    fn things() -> impl Strategy<Value = Value> {
        let text = prop_oneof![".{0,20}", "[\u{0}x]{0,9000}", "é{0,9000}"];
        let leaf = prop_oneof![text.prop_map(Value::from), any::<i64>().prop_map(Value::from), Just(Value::Null)];
        leaf.prop_recursive(6, 60, 12, |inner| {
            let parts = proptest::collection::vec((".{0,12}", inner.clone()), 0..12);
            let object = parts.prop_map(|parts| Value::Object(parts.into_iter().collect()));
            prop_oneof![proptest::collection::vec(inner, 0..12).prop_map(Value::Array), object]
        })
    }

    proptest! {
        #[test]
        fn nothing_is_kept_that_is_longer_than_the_bound(thing in things()) {
            let object = json!({"thing": thing});
            let kept = read_back(&object);
            prop_assert!(kept.is_object());
            prop_assert!(kept.to_string().len() <= 2 * LONGEST);
            if object.to_string().len() <= LONGEST {
                prop_assert_eq!(kept, object);
            }
        }
    }
}
