//! Whether an answer is what a page shows.

use serde_json::Value;

/// Compares field by field. An answer may have more fields than a page shows; each entry of its lists is as the shown one.
pub fn compare(shown: &Value, found: &Value, place: &str) {
    match (shown, found) {
        (Value::Object(shown), Value::Object(found)) => {
            for (name, value) in shown {
                let there = found.get(name).unwrap_or_else(|| panic!("{place} has no `{name}`: {found:?}"));
                compare(value, there, &format!("{place}.{name}"));
            }
        }
        (Value::Array(shown), Value::Array(found)) => {
            let Some(entry) = shown.first() else { return };
            assert!(!found.is_empty(), "{place} is empty");
            found.iter().for_each(|found| compare(entry, found, &format!("{place}[]")));
        }
        (Value::String(shown), Value::String(found)) => {
            assert!(is_like(shown, found), "{place} is `{found}`, where `{shown}` is shown");
        }
        (Value::Number(shown), Value::Number(found)) => {
            assert!(!shown.is_i64() || found.is_i64() || found.is_u64(), "{place} is {found}, no whole number");
        }
        (Value::Bool(_), Value::Bool(_)) | (Value::Null, Value::Null) => (),
        _ => panic!("{place} is {found}, where {shown} is shown"),
    }
}

/// Whether two texts are of a kind: the same but for numbers, or both instants, addresses, ids of one prefix, or JWTs.
pub fn is_like(shown: &str, found: &str) -> bool {
    let id_prefix = |text: &str| {
        let (prefix, rest) = text.split_once('_')?;
        let is_id = ["d", "r", "w", "run", "req"].contains(&prefix) && !rest.contains(char::is_whitespace);
        is_id.then(|| prefix.to_owned())
    };
    if is_instant(shown) || shown.starts_with("https://") || shown.starts_with("eyJ") {
        return (is_instant(shown) && is_instant(found))
            || (shown.starts_with("https://") && found.starts_with("http://127.0.0.1:"))
            || (shown.starts_with("eyJ") && found.starts_with("eyJ") && found.split('.').count() == 3);
    }
    if id_prefix(shown).is_some() {
        return id_prefix(shown) == id_prefix(found);
    }
    if let Some((label, value)) = shown.split_once(": ") {
        let Some((found_label, found_value)) = found.split_once(": ") else { return false };
        let is_number = |text: &str| text.parse::<i64>().is_ok();
        return label == found_label && is_number(value) == is_number(found_value) && found_value != "undefined";
    }
    !found.is_empty()
}

/// `2026-04-06T09:14:22Z`: whole seconds, UTC.
fn is_instant(text: &str) -> bool {
    let form: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    form == "0000-00-00T00:00:00Z"
}

#[test]
fn what_differs_from_what_is_shown_is_found() {
    use serde_json::json;
    let differs = |shown: Value, found: Value| std::panic::catch_unwind(|| compare(&shown, &found, "answer")).is_err();
    assert!(!differs(json!({"a": 1, "b": [{"c": "d_1"}]}), json!({"a": 2, "b": [{"c": "d_2f"}], "e": null})));
    assert!(differs(json!({"a": 1}), json!({"b": 1})));
    assert!(differs(json!({"a": 1}), json!({"a": "1"})));
    assert!(differs(json!({"a": 1}), json!({"a": 1.5})));
    assert!(differs(json!({"a": null}), json!({"a": 1})));
    assert!(differs(json!([{"a": 1}]), json!([{"a": 1}, {}])));
    assert!(differs(json!([1]), json!([])));
    assert!(differs(json!("d_7f3a"), json!("r_7f3a")));
    assert!(differs(json!("2026-04-06T09:14:22Z"), json!("2026-04-06T09:14:22.5Z")));
    assert!(differs(json!("eyJ0"), json!("eyJ0")));
    assert!(is_like("Credits used: 10", "Credits used: 7") && !is_like("Credits used: 10", "Credits used: undefined"));
}
