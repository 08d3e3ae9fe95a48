//! JSON as RFC 8259 and I-JSON have it: one value in UTF-8, of bounded depth, in which no name stands twice. That it is JSON
//! is settled before it is asked what it says, so a body has one mistake at a time, the most basic first.

use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserialize, DeserializeOwned, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use super::explain;
use super::plain::Plain;
use crate::domain::error::Error;

/// Reads JSON; an empty body is `{}`.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    let bytes = if bytes.is_empty() { b"{}" } else { bytes };
    if bytes.starts_with(b"\xef\xbb\xbf") {
        return Err(Error::InvalidJson("The body begins with a byte order mark; send it without.".to_owned()));
    }
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let _: Distinct = explained(&mut reader)?;
    reader.end().map_err(|error| explain::error("", &error))?;
    explained(Plain(&mut serde_json::Deserializer::from_slice(bytes)))
}

fn explained<'de, T, D>(reader: D) -> Result<T, Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de, Error = serde_json::Error>,
{
    serde_path_to_error::deserialize(reader).map_err(|error| explain::error(&error.path().to_string(), error.inner()))
}

/// Any value whose objects have no name twice. What a reader of duplicates takes, the first or the last, differs between
/// programs, and such a difference is how checks are passed by.
struct Distinct;

impl<'de> Deserialize<'de> for Distinct {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for Distinct {
    type Value = Self;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("any JSON value")
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_bool<E>(self, _value: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _value: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _value: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _value: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _value: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Self, A::Error> {
        while entries.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Self, A::Error> {
        let mut names = HashSet::new();
        while let Some(name) = fields.next_key::<String>()? {
            if names.contains(&name) {
                return Err(A::Error::custom(format_args!("duplicate field `{name}`")));
            }
            names.insert(name);
            fields.next_value::<Self>()?;
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only read by serde")]
    struct Outer {
        name: String,
        #[serde(default)]
        inner: Vec<Inner>,
        #[serde(default)]
        any: serde_json::Value,
        #[serde(default)]
        colour: Option<Colour>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Colour {
        Red,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only read by serde")]
    struct Inner {
        count: u32,
    }

    fn refused(text: &str) -> (&'static str, String) {
        let error = parse::<Outer>(text.as_bytes()).unwrap_err();
        (error.code().as_str(), error.to_string())
    }

    fn invalid_json(message: &str) -> (&'static str, String) {
        ("invalid_json", message.to_owned())
    }

    #[test]
    fn each_mistake_is_named_by_its_place() {
        assert_eq!(
            refused(r#"{"name":"a","nam":1}"#),
            ("unknown_field", "`nam` is not a field of this operation; leave it out.".into())
        );
        assert_eq!(
            refused(r#"{"name":"a","inner":[{"count":1,"x":2}]}"#).1,
            "`inner[0].x` is not a field of this operation; leave it out."
        );
        assert_eq!(refused(r#"{"inner":[]}"#), ("invalid_request", "`name` is missing.".into()));
        assert_eq!(refused(r#"{"name":"a","inner":[{}]}"#).1, "`inner[0].count` is missing.");
    }

    #[test]
    fn a_wrong_type_is_told_in_the_words_of_json() {
        for (text, message) in [
            (r#"{"name":5}"#, "`name` must be a string; it is 5."),
            (r#"{"name":null}"#, "`name` must be a string; it is null."),
            (r#"{"name":"a","inner":{}}"#, "`inner` must be an array; it is an object."),
            (r#"{"name":"a","inner":[[1]]}"#, "`inner[0]` must be an object; it is an array."),
            (r#"{"name":"a","colour":"blue"}"#, "`colour` must be one of `red`."),
            (r#"["a"]"#, "`body` must be an object; it is an array."),
            (r#"{"name":"a","inner":["x"]}"#, "`inner[0]` must be an object; it is a string."),
            (
                r#"{"name":"a","inner":[{"count":1.5}]}"#,
                "`inner[0].count` must be a whole number of 0 or more; it is 1.5.",
            ),
            (
                r#"{"name":"a","inner":[{"count":-1}]}"#,
                "`inner[0].count` must be a whole number of 0 or more; it is -1.",
            ),
            (
                r#"{"name":"a","inner":[{"count":true}]}"#,
                "`inner[0].count` must be a whole number of 0 or more; it is true or false.",
            ),
            ("[]", "`body` must be an object; it is an array."),
            ("null", "`body` must be an object; it is null."),
        ] {
            assert_eq!(refused(text), ("invalid_request", message.to_owned()), "{text}");
        }
    }

    #[test]
    fn objects_are_no_words() {
        assert!(parse::<Outer>(br#"{"name":"a","inner":[{"count":1}],"colour":"red"}"#).is_ok());
        assert!(parse::<Outer>(br#"{"name":"a","colour":null}"#).is_ok());
        assert!(refused(r#"{"name":"a","colour":{"red":null}}"#).1.starts_with("`colour` "));
    }

    #[test]
    fn a_name_that_stands_twice_is_refused_at_any_depth() {
        for (text, place) in [
            (r#"{"name":"a","name":"b"}"#, "name"),
            (r#"{"name":"a","inner":[{"count":1,"count":2}]}"#, "inner[0].count"),
            (r#"{"name":"a","any":{"x":[{"y":1,"\u0079":2}]}}"#, "any.x[0].y"),
            (r#"{"surprise":{"x":1,"x":1}}"#, "surprise.x"),
        ] {
            let message = format!("`{place}` stands in the body twice; send it once.");
            assert_eq!(refused(text), ("invalid_json", message), "{text}");
        }
    }

    #[test]
    fn what_is_no_json_is_told_with_its_place() {
        assert_eq!(refused("\u{feff}{}"), invalid_json("The body begins with a byte order mark; send it without."));
        let deep = format!(r#"{{"any":{}"#, "[".repeat(100_000));
        assert!(refused(&deep).1.contains("nested too deeply"), "{}", refused(&deep).1);
        for text in [
            "{",
            r#"{"name":"a"} x"#,
            r#"{"name":"a",}"#,
            r#"{"name":NaN}"#,
            r#"{"name":'a'}"#,
            "{\"name\":\"a\nb\"}",
            r#"{"name":"\ud800"}"#,
            r#"{"name":"\udc00"}"#,
            r#"{"name":"a","any":1e999}"#,
            r#"{"name":01}"#,
            "{\"name\":\"a\"}\0",
        ] {
            let (code, message) = refused(text);
            assert_eq!(code, "invalid_json", "{text}");
            assert!(message.starts_with("The body is not valid JSON at line "), "{text}: {message}");
        }
        assert_eq!(parse::<Outer>(b"{\"name\":\"\xff\"}").unwrap_err().code().as_str(), "invalid_json");
    }

    #[test]
    fn numbers_of_any_length_are_read_or_refused() {
        let digits = "9".repeat(300);
        let message = refused(&format!(r#"{{"name":"a","inner":[{{"count":{digits}}}]}}"#));
        assert_eq!(message.0, "invalid_request");
        let digits = "9".repeat(400);
        assert_eq!(refused(&format!(r#"{{"name":"a","any":{digits}}}"#)).0, "invalid_json");
    }

    #[test]
    fn what_is_told_of_a_long_body_is_short() {
        let long = "x".repeat(100_000);
        for text in [
            format!(r#"{{"{long}":1}}"#),
            format!(r#"{{"name":"a","inner":"{long}"}}"#),
            format!(r#"{{"{long}":1,"{long}":1}}"#),
        ] {
            assert!(refused(&text).1.len() < 400, "{}", refused(&text).1.len());
        }
    }

    #[test]
    fn no_body_is_an_empty_object() {
        assert_eq!(refused("").1, "`name` is missing.");
    }
}
