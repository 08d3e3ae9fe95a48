//! What the macros say of types, made true: names without the spelling of ids, nulls where serde writes and takes them,
//! request objects that take no other fields.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::http::face::Face;
use crate::http::wire::{REFERENCE_FORMAT, SUFFIXES};

const SCHEMAS: &str = "#/components/schemas/";

/// Gives schemas the names that readers of one face expect: a document knows one spelling of ids, and a list is named
/// after its entries.
///
/// # Errors
/// When two schemas would share a name.
pub fn rename(document: &mut Value) -> Result<(), String> {
    let schemas = document["components"]["schemas"].as_object_mut().ok_or("a document without schemas")?;
    let names: BTreeMap<String, String> = schemas.keys().map(|name| (name.clone(), plain(name))).collect();
    let distinct: BTreeSet<&String> = names.values().collect();
    if distinct.len() < names.len() {
        return Err(format!("two schemas would share a name: {names:?}"));
    }
    for (old, mut schema) in std::mem::take(schemas) {
        let new = names[&old].clone();
        if schema.get("title").is_some() {
            schema["title"] = new.clone().into();
        }
        schemas.insert(new, schema);
    }
    walk(document, &mut |fields| {
        let named = fields.get("$ref").and_then(Value::as_str).and_then(|path| path.strip_prefix(SCHEMAS));
        if let Some(new) = named.and_then(|name| names.get(name)) {
            fields.insert("$ref".to_owned(), format!("{SCHEMAS}{new}").into());
        }
    });
    Ok(())
}

fn plain(name: &str) -> String {
    let name = SUFFIXES.iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(name);
    let entry = name.strip_prefix("Listing_").or_else(|| name.strip_prefix("Counted_"));
    entry.map_or_else(|| name.to_owned(), |entry| format!("{entry}Page"))
}

/// Mends the schemas within a value; gives the names of the objects directly in it that are complete without any field.
pub fn mend(value: &mut Value, face: Face) -> Vec<String> {
    walk(value, &mut |fields| {
        flatten(fields);
        spell_format(fields, face);
        admit_nulls(fields);
    });
    let mut complete = Vec::new();
    for (name, schema) in value.as_object_mut().into_iter().flatten() {
        let Some(fields) =
            schema.as_object_mut().filter(|fields| fields.contains_key("properties") || is_object(fields))
        else {
            continue;
        };
        if is_request(name) {
            fields.insert("additionalProperties".to_owned(), Value::Bool(false));
        }
        // A change that changes nothing is refused.
        if name.ends_with("Patch") {
            fields.insert("minProperties".to_owned(), json!(1));
        } else if !fields.contains_key("required") {
            complete.push(name.clone());
        }
    }
    complete
}

/// Request objects take their own fields and no others: by convention their names begin with `New`, or end in `Request`
/// or `Patch`.
fn is_request(name: &str) -> bool {
    name.starts_with("New") || name.ends_with("Request") || name.ends_with("Patch")
}

fn is_object(fields: &Map<String, Value>) -> bool {
    fields.get("type").and_then(Value::as_str) == Some("object")
}

/// A reference with a remark comes as two schemas, of which the second repeats the remark.
fn flatten(fields: &mut Map<String, Value>) {
    let Some(Value::Array(all)) = fields.get_mut("allOf") else { return };
    all.retain(|schema| schema.get("$ref").is_some());
}

/// The formats that OpenAPI 3.0 knows: numbers without a sign have bounds instead, and ids are what the face reads.
fn spell_format(fields: &mut Map<String, Value>, face: Face) {
    let Some(format) = fields.get("format").and_then(Value::as_str) else { return };
    match format {
        "uint8" => unsigned(fields, "int32", Some(u8::MAX.into())),
        "uint16" => unsigned(fields, "int32", Some(u16::MAX.into())),
        "uint32" => unsigned(fields, "int64", Some(u32::MAX)),
        "uint64" => unsigned(fields, "int64", None),
        REFERENCE_FORMAT => {
            fields.remove("format");
            if face == Face::Platform {
                fields.remove("type");
                fields.insert("anyOf".to_owned(), json!([{"type": "integer", "format": "int64"}, {"type": "string"}]));
            }
        }
        _ => (),
    }
}

fn unsigned(fields: &mut Map<String, Value>, format: &str, maximum: Option<u32>) {
    fields.insert("format".to_owned(), format.into());
    fields.entry("minimum").or_insert(json!(0));
    if let Some(maximum) = maximum {
        fields.entry("maximum").or_insert(json!(maximum));
    }
}

/// Fields that may be absent may be null, and the other way round; fields with a default may only be absent.
fn admit_nulls(fields: &mut Map<String, Value>) {
    let required: BTreeSet<String> = match fields.get("required") {
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        // `required: true` of a parameter or body is no schema's.
        Some(_) => return,
        None => BTreeSet::new(),
    };
    let Some(properties) = fields.get_mut("properties").and_then(Value::as_object_mut) else { return };
    let mut has_default = BTreeSet::new();
    for (name, property) in properties.iter_mut() {
        let Some(property) = property.as_object_mut() else { continue };
        match property.get("default") {
            Some(Value::Null) => drop(property.remove("default")),
            Some(_) => drop(has_default.insert(name.clone())),
            None => (),
        }
        if required.contains(name) || has_default.contains(name) {
            continue;
        }
        admit_null(property);
    }
    let required: Vec<String> = required.into_iter().filter(|name| !has_default.contains(name)).collect();
    if required.is_empty() {
        fields.remove("required");
    } else {
        fields.insert("required".to_owned(), json!(required));
    }
}

/// `nullable` only speaks of the `type` beside it (OpenAPI 3.0.3): what refers to another schema needs an alternative.
fn admit_null(property: &mut Map<String, Value>) {
    if property.contains_key("type") {
        property.insert("nullable".to_owned(), Value::Bool(true));
        return;
    }
    let referred = match (property.remove("$ref"), property.remove("allOf"), property.remove("anyOf")) {
        (Some(reference), _, _) => vec![json!({"$ref": reference})],
        (_, Some(Value::Array(all)), _) | (_, _, Some(Value::Array(all))) => all,
        // Without any of these it admits everything.
        _ => return,
    };
    let null = json!({"type": "string", "nullable": true, "enum": [null]});
    let alternatives: Vec<Value> = referred.into_iter().chain([null]).collect();
    property.insert("anyOf".to_owned(), Value::Array(alternatives));
}

/// Visits every object in a value, inner ones first.
fn walk(value: &mut Value, visit: &mut impl FnMut(&mut Map<String, Value>)) {
    match value {
        Value::Object(fields) => {
            fields.values_mut().for_each(|value| walk(value, visit));
            visit(fields);
        }
        Value::Array(items) => items.iter_mut().for_each(|value| walk(value, visit)),
        _ => (),
    }
}
