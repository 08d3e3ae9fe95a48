//! What the change of an OpenAPI document means to those who have written against it: whether something that worked can
//! stop working, or there is more than before.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// The differences of two documents, each a line that names its place.
#[derive(Debug, Default)]
pub struct Changes {
    /// What a client that worked may trip over.
    pub breaking: BTreeSet<String>,
    /// What no client needs to know.
    pub additive: BTreeSet<String>,
}

/// Who writes what a schema describes: a client must not be asked for more, a server must not surprise with more.
#[derive(Clone, Copy, PartialEq)]
enum Writer {
    Client,
    Server,
}

struct Comparison<'d> {
    old: &'d Value,
    new: &'d Value,
    changes: Changes,
    /// Pairs of named schemas that were compared or are being compared: schemas may contain themselves.
    seen: BTreeSet<(String, String, bool)>,
}

/// The differences that matter to clients; other words, examples and samples do not.
pub fn between(old: &Value, new: &Value) -> Changes {
    let mut comparison = Comparison { old, new, changes: Changes::default(), seen: BTreeSet::new() };
    let (before, after) = (operations(old), operations(new));
    for (name, operation) in &before {
        match after.iter().find(|(other, _)| other == name) {
            Some((_, changed)) => comparison.operation(name, operation, changed),
            None => comparison.breaks(name, "is gone"),
        }
    }
    for (name, _) in after.iter().filter(|(name, _)| !before.iter().any(|(other, _)| other == name)) {
        comparison.adds(name, "is new");
    }
    comparison.changes
}

/// Every operation of a document by method and path.
fn operations(document: &Value) -> Vec<(String, &Value)> {
    let paths = document["paths"].as_object().into_iter().flatten();
    let methods = paths.flat_map(|(path, item)| {
        let methods = item.as_object().into_iter().flatten();
        methods.map(move |(method, operation)| (format!("{} {path}", method.to_uppercase()), operation))
    });
    methods.collect()
}

fn fields(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

fn strings(value: &Value) -> BTreeSet<String> {
    let items = value.as_array().into_iter().flatten();
    items.map(|item| item.as_str().map_or_else(|| item.to_string(), str::to_owned)).collect()
}

/// What a reference leads to, and its name.
fn resolved<'d>(document: &'d Value, value: &'d Value) -> (&'d Value, Option<&'d str>) {
    match value["$ref"].as_str() {
        Some(reference) => (document.pointer(reference.trim_start_matches('#')).unwrap_or(value), Some(reference)),
        None => (value, None),
    }
}

impl<'d> Comparison<'d> {
    fn breaks(&mut self, place: &str, what: &str) {
        self.changes.breaking.insert(format!("{place} {what}"));
    }

    fn adds(&mut self, place: &str, what: &str) {
        self.changes.additive.insert(format!("{place} {what}"));
    }

    /// Notes what one side may not do and the other may.
    fn notes(&mut self, is_breaking: bool, place: &str, what: &str) {
        if is_breaking { self.breaks(place, what) } else { self.adds(place, what) }
    }

    fn operation(&mut self, name: &str, old: &'d Value, new: &'d Value) {
        self.parameters(name, old, new);
        self.request(name, &old["requestBody"], &new["requestBody"]);
        if old.get("security") != new.get("security") {
            self.breaks(name, "takes other credentials");
        }
        for (status, response) in fields(&old["responses"]) {
            let place = format!("{name} {status}");
            match new["responses"].get(status) {
                Some(changed) => self.response(&place, response, changed),
                None => self.breaks(&place, "is gone"),
            }
        }
        for (status, _) in fields(&new["responses"]).filter(|(status, _)| old["responses"].get(status).is_none()) {
            self.adds(&format!("{name} {status}"), "is new");
        }
    }

    fn parameters(&mut self, name: &str, old: &'d Value, new: &'d Value) {
        let listed = |operation: &'d Value| operation["parameters"].as_array().map_or(&[][..], Vec::as_slice);
        let same = |one: &Value, other: &Value| one["name"] == other["name"] && one["in"] == other["in"];
        for parameter in listed(old) {
            let place = format!("{name} ?{}", parameter["name"].as_str().unwrap_or_default());
            match listed(new).iter().find(|other| same(parameter, other)) {
                None => self.breaks(&place, "is gone"),
                Some(changed) => {
                    if parameter["required"] != true && changed["required"] == true {
                        self.breaks(&place, "is required now");
                    }
                    self.schema(&place, &parameter["schema"], &changed["schema"], Writer::Client);
                }
            }
        }
        for parameter in listed(new).iter().filter(|new| !listed(old).iter().any(|old| same(old, new))) {
            let place = format!("{name} ?{}", parameter["name"].as_str().unwrap_or_default());
            self.notes(parameter["required"] == true, &place, "is new");
        }
    }

    fn request(&mut self, name: &str, old: &'d Value, new: &'d Value) {
        let place = format!("{name} body");
        if old["required"] != true && new["required"] == true {
            self.breaks(&place, "is required now");
        }
        for (media_type, media) in fields(&old["content"]) {
            match new["content"].get(media_type) {
                Some(changed) => self.schema(&place, &media["schema"], &changed["schema"], Writer::Client),
                None => self.breaks(&place, &format!("as {media_type} is gone")),
            }
        }
    }

    fn response(&mut self, place: &str, old: &'d Value, new: &'d Value) {
        let (old, new) = (resolved(self.old, old).0, resolved(self.new, new).0);
        for (header, _) in fields(&old["headers"]).filter(|(header, _)| new["headers"].get(header).is_none()) {
            self.breaks(place, &format!("has no header {header} any more"));
        }
        for (media_type, media) in fields(&old["content"]) {
            match new["content"].get(media_type) {
                Some(changed) => self.schema(place, &media["schema"], &changed["schema"], Writer::Server),
                None => self.breaks(place, &format!("as {media_type} is gone")),
            }
        }
    }

    fn schema(&mut self, place: &str, old: &'d Value, new: &'d Value, writer: Writer) {
        let ((old, old_name), (new, new_name)) = (resolved(self.old, old), resolved(self.new, new));
        if let (Some(one), Some(other)) = (old_name, new_name)
            && !self.seen.insert((one.to_owned(), other.to_owned(), writer == Writer::Client))
        {
            return;
        }
        let place = old_name.and_then(|name| name.rsplit('/').next()).map_or(place.to_owned(), |name| {
            let side = if writer == Writer::Client { "sent" } else { "answered" };
            format!("{name} ({side})")
        });
        // For a server, to promise less is what surprises; for a client, to be allowed less.
        for keyword in ["type", "format", "pattern"] {
            match (old.get(keyword), new.get(keyword)) {
                (one, other) if one == other => {}
                (Some(one), Some(other)) => self.breaks(&place, &format!("has {keyword} {other} and had {one}")),
                (None, Some(other)) => {
                    self.notes(writer == Writer::Client, &place, &format!("must have {keyword} {other} now"));
                }
                (Some(one), None) => {
                    self.notes(writer == Writer::Server, &place, &format!("need not have {keyword} {one} any more"));
                }
                (None, None) => {}
            }
        }
        if old["nullable"] != true && new["nullable"] == true {
            self.notes(writer == Writer::Server, &place, "may be null now");
        }
        if old["nullable"] == true && new["nullable"] != true {
            self.notes(writer == Writer::Client, &place, "may not be null any more");
        }
        self.values(&place, old, new, writer);
        self.bounds(&place, old, new, writer);
        self.properties(&place, old, new, writer);
        if let (Some(one), Some(other)) = (old.get("items"), new.get("items")) {
            self.schema(&format!("{place}[]"), one, other, writer);
        }
        for keyword in ["anyOf", "oneOf", "allOf"] {
            let parts = |schema: &'d Value| schema[keyword].as_array().map_or(&[][..], Vec::as_slice);
            let (before, after) = (parts(old), parts(new));
            for (one, other) in before.iter().zip(after) {
                self.schema(&place, one, other, writer);
            }
            if before.len() < after.len() {
                self.notes(writer == Writer::Server, &place, &format!("has more in {keyword}"));
            }
            if before.len() > after.len() {
                self.notes(writer == Writer::Client, &place, &format!("has less in {keyword}"));
            }
        }
    }

    fn values(&mut self, place: &str, old: &Value, new: &Value, writer: Writer) {
        match (old.get("enum"), new.get("enum")) {
            (None, Some(_)) => self.notes(writer == Writer::Client, place, "is one of a few now"),
            (Some(_), None) => self.notes(writer == Writer::Server, place, "can be anything now"),
            (Some(one), Some(other)) => {
                let (before, after) = (strings(one), strings(other));
                for value in before.difference(&after) {
                    self.notes(writer == Writer::Client, place, &format!("is never {value} any more"));
                }
                for value in after.difference(&before) {
                    self.notes(writer == Writer::Server, place, &format!("can be {value} now"));
                }
            }
            (None, None) => {}
        }
    }

    fn bounds(&mut self, place: &str, old: &Value, new: &Value, writer: Writer) {
        let lower = ["minimum", "minLength", "minItems", "minProperties"].map(|keyword| (keyword, 1.0));
        let upper = ["maximum", "maxLength", "maxItems", "maxProperties"].map(|keyword| (keyword, -1.0));
        for (keyword, sign) in lower.into_iter().chain(upper) {
            // The larger, the narrower; no bound is the widest.
            let narrowness = |schema: &Value| schema[keyword].as_f64().map_or(f64::NEG_INFINITY, |bound| bound * sign);
            let (before, after) = (narrowness(old), narrowness(new));
            if after > before {
                self.notes(writer == Writer::Client, place, &format!("has a narrower {keyword}"));
            }
            if after < before {
                self.notes(writer == Writer::Server, place, &format!("has a wider {keyword}"));
            }
        }
    }

    fn properties(&mut self, place: &str, old: &'d Value, new: &'d Value, writer: Writer) {
        let none = Map::new();
        let (before, after) = (
            old["properties"].as_object().unwrap_or(&none).clone(),
            new["properties"].as_object().unwrap_or(&none).clone(),
        );
        let (was_required, is_required) = (strings(&old["required"]), strings(&new["required"]));
        for name in before.keys() {
            let place = format!("{place}.{name}");
            if !after.contains_key(name) {
                self.breaks(&place, "is gone");
                continue;
            }
            match (was_required.contains(name), is_required.contains(name)) {
                (false, true) => self.notes(writer == Writer::Client, &place, "is always there now"),
                (true, false) => self.notes(writer == Writer::Server, &place, "may be absent now"),
                _ => {}
            }
            self.schema(&place, &old["properties"][name], &new["properties"][name], writer);
        }
        for name in after.keys().filter(|name| !before.contains_key(*name)) {
            let must = writer == Writer::Client && is_required.contains(name);
            self.notes(must, &format!("{place}.{name}"), "is new");
        }
        if writer == Writer::Client && old["additionalProperties"] != false && new["additionalProperties"] == false {
            self.breaks(place, "takes no other fields any more");
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A document with one operation that is sent and answers with a thing.
    fn document(thing: Value) -> Value {
        json!({
            "paths": {"/v1/things": {"post": {
                "parameters": [{"name": "limit", "in": "query", "schema": {"type": "integer"}}],
                "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Thing"}}}},
                "responses": {"200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Thing"}}}}},
            }}},
            "components": {"schemas": {"Thing": thing}},
        })
    }

    fn thing() -> Value {
        json!({
            "type": "object", "required": ["kind"],
            "properties": {"kind": {"type": "string", "enum": ["a", "b"]}, "name": {"type": "string", "maxLength": 10}},
        })
    }

    /// What breaks and what is added when a place of the document becomes another.
    fn changed(pointer: &str, value: Value) -> (String, String) {
        let old = document(thing());
        let mut new = old.clone();
        *new.pointer_mut(pointer).unwrap() = value;
        told(&between(&old, &new))
    }

    fn told(changes: &Changes) -> (String, String) {
        let text = |lines: &BTreeSet<String>| lines.iter().cloned().collect::<Vec<_>>().join("; ");
        (text(&changes.breaking), text(&changes.additive))
    }

    const THING: &str = "/components/schemas/Thing";
    const OPERATION: &str = "/paths/~1v1~1things/post";

    #[test]
    fn the_same_document_has_no_changes_and_other_words_are_none() {
        assert_eq!(told(&between(&document(thing()), &document(thing()))), (String::new(), String::new()));
        let mut worded = thing();
        worded["description"] = json!("A thing.");
        worded["example"] = json!({"kind": "a"});
        assert_eq!(told(&between(&document(thing()), &document(worded))), (String::new(), String::new()));
    }

    #[test]
    fn what_is_taken_away_breaks() {
        let paths = changed("/paths", json!({}));
        assert_eq!(paths.0, "POST /v1/things is gone");
        assert_eq!(changed(&format!("{OPERATION}/parameters"), json!([])).0, "POST /v1/things ?limit is gone");
        assert_eq!(changed(&format!("{OPERATION}/responses"), json!({})).0, "POST /v1/things 200 is gone");
        let without_name = json!({"kind": {"type": "string", "enum": ["a", "b"]}});
        let gone = changed(&format!("{THING}/properties"), without_name);
        assert_eq!(gone, ("Thing (answered).name is gone; Thing (sent).name is gone".to_owned(), String::new()));
    }

    #[test]
    fn a_new_field_breaks_only_when_it_must_be_sent() {
        let mut optional = thing();
        optional["properties"]["size"] = json!({"type": "integer"});
        let told_of = told(&between(&document(thing()), &document(optional.clone())));
        assert_eq!(told_of.0, "");
        assert_eq!(told_of.1, "Thing (answered).size is new; Thing (sent).size is new");
        optional["required"] = json!(["kind", "size"]);
        let told_of = told(&between(&document(thing()), &document(optional)));
        assert_eq!(told_of, ("Thing (sent).size is new".to_owned(), "Thing (answered).size is new".to_owned()));
    }

    #[test]
    fn values_may_be_added_to_what_is_sent_and_taken_from_what_is_answered() {
        let values = format!("{THING}/properties/kind/enum");
        let more = changed(&values, json!(["a", "b", "c"]));
        assert_eq!(
            (more.0.as_str(), more.1.as_str()),
            ("Thing (answered).kind can be c now", "Thing (sent).kind can be c now")
        );
        let fewer = changed(&values, json!(["a"]));
        assert_eq!(fewer.0, "Thing (sent).kind is never b any more");
        assert_eq!(fewer.1, "Thing (answered).kind is never b any more");
    }

    #[test]
    fn types_formats_and_bounds_break_the_side_that_they_surprise() {
        let name = format!("{THING}/properties/name");
        let other = changed(&name, json!({"type": "integer", "maxLength": 10}));
        assert_eq!(other.0.matches("has type").count(), 2, "{}", other.0);
        let narrower = changed(&name, json!({"type": "string", "maxLength": 5}));
        assert_eq!(narrower.0, "Thing (sent).name has a narrower maxLength");
        let wider = changed(&name, json!({"type": "string"}));
        assert_eq!(wider.0, "Thing (answered).name has a wider maxLength");
        let formatted = changed(&name, json!({"type": "string", "maxLength": 10, "format": "uuid"}));
        assert_eq!(formatted.0, "Thing (sent).name must have format \"uuid\" now");
        let nullable = changed(&name, json!({"type": "string", "maxLength": 10, "nullable": true}));
        assert_eq!(nullable.0, "Thing (answered).name may be null now");
        let never_null = told(&between(
            &document(json!({"properties": {"name": {"nullable": true}}})),
            &document(json!({"properties": {"name": {}}})),
        ));
        assert_eq!(never_null.0, "Thing (sent).name may not be null any more");
    }

    #[test]
    fn what_becomes_required_breaks_who_sends_and_what_becomes_absent_breaks_who_reads() {
        let required = changed(&format!("{THING}/required"), json!(["kind", "name"]));
        assert_eq!(required.0, "Thing (sent).name is always there now");
        let optional = changed(&format!("{THING}/required"), json!([]));
        assert_eq!(optional.0, "Thing (answered).kind may be absent now");
    }
}
