//! Instants on the wire: RFC 3339, UTC, whole seconds, `Z`.

use std::borrow::Cow;

use poem_openapi::registry::{MetaSchema, MetaSchemaRef};
use poem_openapi::types::{ParseError, ParseFromJSON, ParseResult, ToJSON, Type};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::domain::time::Timestamp;

/// An instant. Read with any offset, written in UTC.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Stamp(pub Timestamp);

impl From<Timestamp> for Stamp {
    fn from(at: Timestamp) -> Self {
        Self(at)
    }
}

impl Type for Stamp {
    const IS_REQUIRED: bool = true;
    type RawValueType = Self;
    type RawElementValueType = Self;

    fn name() -> Cow<'static, str> {
        "instant".into()
    }

    fn schema_ref() -> MetaSchemaRef {
        let example = Some(Value::from("2026-04-06T09:14:22Z"));
        MetaSchemaRef::Inline(Box::new(MetaSchema { example, ..MetaSchema::new_with_format("string", "date-time") }))
    }

    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
        Box::new(std::iter::once(self))
    }
}

impl ToJSON for Stamp {
    fn to_json(&self) -> Option<Value> {
        Some(self.0.to_string().into())
    }
}

impl ParseFromJSON for Stamp {
    fn parse_from_json(value: Option<Value>) -> ParseResult<Self> {
        let read = value.as_ref().and_then(Value::as_str).and_then(Timestamp::parse);
        read.map(Self).ok_or_else(|| ParseError::custom("not an instant"))
    }
}
