//! How an operation is called from a shell, from Python and from JavaScript. The three are written from one [`Call`], which
//! is read off the operation's own description: a sample cannot show what the document does not say.
//!
//! Samples stand in the documents as `x-codeSamples`. They take the key from the variable `CLARIBI_KEY`, and the access
//! token of a session from `CLARIBI_TOKEN` where keys are refused. Tests run them as they are.

use serde_json::{Value, json};

use super::SERVER;

/// What a download is called, and what is uploaded.
const DOWNLOAD: &str = "report.pdf";
const UPLOAD: (&str, &str) = ("Airlines", "airlines.csv");

/// A request as samples show it.
struct Call<'d> {
    /// In capitals.
    method: String,
    url: String,
    credential: Credential,
    body: Body<'d>,
    answer: Answer,
}

#[derive(PartialEq)]
enum Credential {
    Key,
    Session,
    Nothing,
}

impl Credential {
    /// Keys go in either header, tokens of sessions in one of them.
    fn read(described: &Value) -> Self {
        match described["security"].as_array() {
            None => Self::Nothing,
            Some(schemes) if schemes.iter().any(|scheme| scheme.get("api_key").is_some()) => Self::Key,
            Some(_) => Self::Session,
        }
    }

    /// The variable that it is taken from.
    const fn variable(&self) -> Option<&'static str> {
        match self {
            Self::Key => Some("CLARIBI_KEY"),
            Self::Session => Some("CLARIBI_TOKEN"),
            Self::Nothing => None,
        }
    }
}

enum Body<'d> {
    Nothing,
    Json(&'d Value),
    Upload,
}

#[derive(PartialEq)]
enum Answer {
    Json,
    File,
    /// Lines that come one by one.
    Lines,
}

/// The samples of an operation at a path. `None` when the path has a variable that there is no example of.
pub fn of(method: &str, path: &str, described: &Value) -> Option<Value> {
    let call = Call::read(method, path, described)?;
    Some(json!([
        {"lang": "Shell", "label": "curl", "source": call.curl()},
        {"lang": "Python", "label": "Python", "source": call.python()},
        {"lang": "JavaScript", "label": "JavaScript", "source": call.javascript()},
    ]))
}

impl<'d> Call<'d> {
    fn read(method: &str, path: &str, described: &'d Value) -> Option<Self> {
        let mut filled = path.to_owned();
        for parameter in described["parameters"].as_array().into_iter().flatten() {
            if parameter["in"] == "path" {
                let example = match &parameter["example"] {
                    Value::String(text) => text.clone(),
                    Value::Number(number) => number.to_string(),
                    _ => return None,
                };
                filled = filled.replace(&format!("{{{}}}", parameter["name"].as_str()?), &example);
            }
        }
        let content = &described["requestBody"]["content"];
        let body = match (&content["application/json"]["example"], &content["multipart/form-data"]) {
            (_, Value::Object(_)) => Body::Upload,
            (Value::Object(example), _) if !example.is_empty() => Body::Json(&content["application/json"]["example"]),
            _ => Body::Nothing,
        };
        let content = &described["responses"]["200"]["content"];
        let has = |media: &str| content.get(media).is_some();
        let answer = match (has("application/pdf"), has("text/event-stream") || has("application/x-ndjson")) {
            (true, _) => Answer::File,
            (false, true) => Answer::Lines,
            (false, false) => Answer::Json,
        };
        Some(Self {
            method: method.to_uppercase(),
            url: format!("{SERVER}{filled}"),
            credential: Credential::read(described),
            body,
            answer,
        })
    }

    fn curl(&self) -> String {
        let mut parts = vec![match (self.method.as_str(), &self.body) {
            ("GET", _) | ("POST", Body::Json(_) | Body::Upload) => format!("curl {}", quoted(&self.url)),
            (method, _) => format!("curl -X {method} {}", quoted(&self.url)),
        }];
        if let Some(variable) = self.credential.variable() {
            parts.push(format!("-H \"Authorization: Bearer ${variable}\""));
        }
        match &self.body {
            Body::Nothing => {}
            Body::Json(body) => {
                parts.push("-H 'Content-Type: application/json'".to_owned());
                parts.push(format!("-d {}", quoted(&indented(body, 2, &JSON))));
            }
            Body::Upload => {
                parts.push(format!("-F {}", quoted(&format!("name={}", UPLOAD.0))));
                parts.push(format!("-F {}", quoted(&format!("file=@{}", UPLOAD.1))));
            }
        }
        match self.answer {
            Answer::File => parts.push(format!("-o {DOWNLOAD}")),
            Answer::Lines => parts.push("--no-buffer".to_owned()),
            Answer::Json => {}
        }
        parts.join(" \\\n  ")
    }

    fn python(&self) -> String {
        let mut arguments = vec![format!("{:?}", self.url)];
        if let Some(variable) = self.credential.variable() {
            arguments.push(format!("headers={{\"Authorization\": f\"Bearer {{os.environ['{variable}']}}\"}}"));
        }
        match &self.body {
            Body::Nothing => {}
            Body::Json(body) => arguments.push(format!("json={}", indented(body, 4, &PYTHON))),
            Body::Upload => {
                arguments.push(format!("data={{\"name\": {:?}}}", UPLOAD.0));
                arguments.push(format!("files={{\"file\": open({:?}, \"rb\")}}", UPLOAD.1));
            }
        }
        if self.answer == Answer::Lines {
            arguments.push("stream=True".to_owned());
        }
        let import =
            if self.credential == Credential::Nothing { "import requests" } else { "import os\n\nimport requests" };
        let answer = match self.answer {
            Answer::Json => "print(response.json())".to_owned(),
            Answer::Lines => "for line in response.iter_lines(decode_unicode=True):\n    print(line)".to_owned(),
            Answer::File => format!("with open({DOWNLOAD:?}, \"wb\") as file:\n    file.write(response.content)"),
        };
        let (method, arguments) = (self.method.to_lowercase(), arguments.join(",\n    "));
        format!("{import}\n\nresponse = requests.{method}(\n    {arguments},\n)\nresponse.raise_for_status()\n{answer}")
    }

    fn javascript(&self) -> String {
        let (mut before, mut headers, mut options) = (Vec::new(), Vec::new(), Vec::new());
        if self.method != "GET" {
            options.push(format!("method: {:?}", self.method));
        }
        if let Some(variable) = self.credential.variable() {
            headers.push(format!("Authorization: `Bearer ${{process.env.{variable}}}`"));
        }
        if matches!(self.body, Body::Json(_)) {
            headers.push(r#""Content-Type": "application/json""#.to_owned());
        }
        if !headers.is_empty() {
            options.push(format!("headers: {{ {} }}", headers.join(", ")));
        }
        match &self.body {
            Body::Nothing => {}
            Body::Json(body) => options.push(format!("body: JSON.stringify({})", indented(body, 2, &JSON))),
            Body::Upload => {
                let (name, file) = UPLOAD;
                before.push(format!(
                    "import {{ openAsBlob }} from \"node:fs\";\n\nconst form = new FormData();\n\
                     form.append(\"name\", {name:?});\nform.append(\"file\", await openAsBlob({file:?}), {file:?});\n"
                ));
                options.push("body: form".to_owned());
            }
        }
        let answer = match self.answer {
            Answer::Json => "console.log(await response.json());".to_owned(),
            Answer::Lines => "for await (const text of response.body.pipeThrough(new TextDecoderStream())) {\n  \
                              process.stdout.write(text);\n}"
                .to_owned(),
            Answer::File => {
                before.push("import { writeFile } from \"node:fs/promises\";\n".to_owned());
                format!("await writeFile({DOWNLOAD:?}, Buffer.from(await response.arrayBuffer()));")
            }
        };
        let before: String = before.iter().map(|lines| format!("{lines}\n")).collect();
        let options =
            if options.is_empty() { String::new() } else { format!(", {{\n  {},\n}}", options.join(",\n  ")) };
        format!(
            "{before}const response = await fetch({:?}{options});\n\
             if (!response.ok) throw new Error(await response.text());\n{answer}",
            self.url
        )
    }
}

/// A word of a shell, whatever is in it.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// How a language writes the constants of JSON.
struct Constants {
    yes: &'static str,
    no: &'static str,
    null: &'static str,
}

const JSON: Constants = Constants { yes: "true", no: "false", null: "null" };
const PYTHON: Constants = Constants { yes: "True", no: "False", null: "None" };

/// A value over several lines, of which all but the first stand behind `indent` spaces. Strings and numbers of JSON are
/// strings and numbers of Python and JavaScript too.
fn indented(value: &Value, indent: usize, constants: &Constants) -> String {
    let (outer, inner) = (" ".repeat(indent), " ".repeat(indent + 2));
    let lines = |open: char, parts: Vec<String>, close: char| match parts.len() {
        0 => format!("{open}{close}"),
        _ => format!("{open}\n{inner}{}\n{outer}{close}", parts.join(&format!(",\n{inner}"))),
    };
    match value {
        Value::Null => constants.null.to_owned(),
        Value::Bool(true) => constants.yes.to_owned(),
        Value::Bool(false) => constants.no.to_owned(),
        Value::Number(_) | Value::String(_) => value.to_string(),
        Value::Array(items) => {
            lines('[', items.iter().map(|item| indented(item, indent + 2, constants)).collect(), ']')
        }
        Value::Object(fields) => {
            let field = |(name, value): (&String, &Value)| {
                format!("{}: {}", Value::from(name.as_str()), indented(value, indent + 2, constants))
            };
            lines('{', fields.iter().map(field).collect(), '}')
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(method: &str, described: &Value) -> Vec<String> {
        let samples = of(method, "/v1/things/{id}", described).unwrap();
        samples.as_array().unwrap().iter().map(|sample| sample["source"].as_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn one_call_is_written_in_three_languages() {
        let described = json!({
            "security": [{"bearer": []}, {"api_key": []}],
            "parameters": [{"in": "path", "name": "id", "example": "d_1"}],
            "requestBody": {"content": {"application/json": {"example": {"it's": [true, null]}}}},
        });
        let [curl, python, javascript] = &samples("patch", &described)[..] else { panic!() };
        assert_eq!(
            curl,
            "curl -X PATCH 'https://claribi.example/v1/things/d_1' \\\n  -H \"Authorization: Bearer $CLARIBI_KEY\" \\\n  \
             -H 'Content-Type: application/json' \\\n  -d '{\n    \"it'\\''s\": [\n      true,\n      null\n    ]\n  }'"
        );
        assert!(python.contains("requests.patch(\n    \"https://claribi.example/v1/things/d_1\",\n"), "{python}");
        assert!(python.contains("\"it's\": [\n        True,\n        None\n      ]"), "{python}");
        assert!(javascript.contains("method: \"PATCH\""), "{javascript}");
        assert!(javascript.contains("body: JSON.stringify({"), "{javascript}");
    }

    #[test]
    fn no_sample_shows_a_placeholder() {
        let described = json!({"parameters": [{"in": "path", "name": "id"}]});
        assert!(of("get", "/v1/things/{id}", &described).is_none());
    }
}
