//! How a face spells ids.

use std::borrow::Cow;
use std::fmt;

use poem_openapi::registry::{MetaSchema, MetaSchemaRef};
use poem_openapi::types::{ParseError, ParseFromJSON, ParseResult, ToJSON, Type};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::domain::id::{Id, IdRef, Kind};
use crate::http::face::Face;

/// A face's spelling of an id.
pub trait Spelling: Type + ParseFromJSON + ToJSON + Serialize + fmt::Display + Send + Sync + 'static {
    /// The face.
    const FACE: Face;

    /// The spelling of a row.
    fn of<K: Kind>(id: Id<K>, uuid: Uuid) -> Self;
}

/// Prefix and lower-case hex, on `/v1/`.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub struct Hex(String);

/// The stored uuid, on `/api/v1/`.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub struct UuidText(String);

/// The row's integer, on `/api/`.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub struct Integer(i64);

impl Spelling for Hex {
    const FACE: Face = Face::V1;

    fn of<K: Kind>(id: Id<K>, _uuid: Uuid) -> Self {
        Self(id.prefixed())
    }
}

impl Spelling for UuidText {
    const FACE: Face = Face::External;

    fn of<K: Kind>(_id: Id<K>, uuid: Uuid) -> Self {
        Self(uuid.to_string())
    }
}

impl Spelling for Integer {
    const FACE: Face = Face::Platform;

    fn of<K: Kind>(id: Id<K>, _uuid: Uuid) -> Self {
        Self(id.raw())
    }
}

macro_rules! schema {
    ($($name:ident $short:literal $schema:expr, $value:ident $parse:expr;)*) => {$(
        impl Type for $name {
            const IS_REQUIRED: bool = true;
            type RawValueType = Self;
            type RawElementValueType = Self;

            fn name() -> Cow<'static, str> {
                $short.into()
            }

            fn schema_ref() -> MetaSchemaRef {
                MetaSchemaRef::Inline(Box::new($schema))
            }

            fn as_raw_value(&self) -> Option<&Self> {
                Some(self)
            }

            fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
                Box::new(std::iter::once(self))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(out)
            }
        }

        impl ToJSON for $name {
            fn to_json(&self) -> Option<Value> {
                Some(self.0.clone().into())
            }
        }

        impl ParseFromJSON for $name {
            fn parse_from_json($value: Option<Value>) -> ParseResult<Self> {
                $parse.map(Self).ok_or_else(|| ParseError::custom("not an id"))
            }
        }
    )*};
}

schema! {
    Hex "hex" MetaSchema::new("string"), value value.and_then(|value| value.as_str().map(str::to_owned));
    UuidText "uuid" MetaSchema::new_with_format("string", "uuid"), value value.and_then(|value| value.as_str().map(str::to_owned));
    Integer "integer" MetaSchema::new_with_format("integer", "int64"), value value.and_then(|value| value.as_i64());
    Reference "reference" MetaSchema { description: Some("An id in any spelling of this face."), ..MetaSchema::new_with_format("string", REFERENCE_FORMAT) }, value value.and_then(|value| value.as_str().map(str::to_owned));
}

/// Marks the schemas of references: documents say what the face reads.
pub const REFERENCE_FORMAT: &str = "id";

/// The end of a schema's name that says which spelling it is made of; documents of one face need not say it.
pub const SUFFIXES: [&str; 3] = ["_hex", "_uuid", "_integer"];

/// An id that a body refers to, as the client spelled it: text on every face, or a JSON number on `/api/`.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub struct Reference(String);

impl Reference {
    /// The id by a face's rules, and as it was spelled.
    pub fn read<K: Kind>(self, face: Face) -> (IdRef<K>, String) {
        (IdRef::parse(&self.0, face.bare_integers()), self.0)
    }
}

impl<'de> Deserialize<'de> for Reference {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Reference;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("an id")
            }

            fn visit_str<E>(self, text: &str) -> Result<Reference, E> {
                Ok(Reference(text.to_owned()))
            }

            fn visit_u64<E>(self, number: u64) -> Result<Reference, E> {
                Ok(Reference(number.to_string()))
            }

            fn visit_i64<E>(self, number: i64) -> Result<Reference, E> {
                Ok(Reference(number.to_string()))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::{DashboardId, DashboardKind};

    fn read(json: &str, face: Face) -> (IdRef<DashboardKind>, String) {
        serde_json::from_str::<Reference>(json).unwrap().read(face)
    }

    #[test]
    fn bare_integers_are_ids_on_the_platform_face_alone() {
        for json in ["42", r#""42""#] {
            assert_eq!(read(json, Face::Platform), (IdRef::Number(DashboardId::new(42)), "42".to_owned()));
            for face in [Face::External, Face::V1] {
                assert!(matches!(read(json, face), (IdRef::Unknown, spelled) if spelled == "42"));
            }
        }
    }

    #[test]
    fn prefixed_ids_and_uuids_are_read_on_every_face_and_other_text_is_an_unknown_id() {
        for face in Face::ALL {
            assert_eq!(read(r#""d_2a""#, face).0, IdRef::Number(DashboardId::new(42)));
            assert!(matches!(read(r#""018f2b6e-7a00-7000-8000-000000000001""#, face).0, IdRef::Uuid(_)));
            for json in [r#""r_2a""#, r#""""#, "-1", r#""d_2A""#] {
                assert!(matches!(read(json, face).0, IdRef::Unknown), "{json}");
            }
        }
        for json in ["null", "true", "1.5", "{}", "[]"] {
            assert!(serde_json::from_str::<Reference>(json).is_err(), "{json}");
        }
    }

    #[test]
    fn each_face_writes_its_own_spelling() {
        let (id, uuid) = (DashboardId::new(42), Uuid::from_u128(7));
        assert_eq!(serde_json::to_string(&Hex::of(id, uuid)).unwrap(), r#""d_2a""#);
        assert_eq!(serde_json::to_string(&Integer::of(id, uuid)).unwrap(), "42");
        assert_eq!(serde_json::to_string(&UuidText::of(id, uuid)).unwrap(), format!("\"{uuid}\""));
    }
}
