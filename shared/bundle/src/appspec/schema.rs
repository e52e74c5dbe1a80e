//! The JSON Schema of an AppSpec, for editors; made from the parser's own table of keys.

use serde_json::{Map, Value, json};

use super::keys::{Form, TOP, Table};

/// Of the whole document.
pub fn schema() -> Value {
    let mut schema = table(&TOP);
    let head = [
        ("$schema", json!("https://json-schema.org/draft/2020-12/schema")),
        ("title", json!("AppSpec")),
        ("description", json!("appspec.yml of AWS CodeDeploy for Linux, with Pilotage's own settings under x-pilotage")),
    ];
    if let Value::Object(map) = &mut schema {
        map.extend(head.map(|(key, value)| (key.to_owned(), value)));
    }
    schema
}

fn table(of: &Table) -> Value {
    let property = |key: &super::keys::Key| {
        let mut schema = form(&key.form);
        if let Value::Object(map) = &mut schema {
            map.insert("description".into(), json!(key.about));
        }
        // What CodeDeploy lets be null is no mistake; what is needed is not null.
        let value = if key.required { schema } else { json!({ "anyOf": [schema, { "type": "null" }] }) };
        (key.name.to_owned(), value)
    };
    let properties: Map<String, Value> = of.keys.iter().map(property).collect();
    let required: Vec<&str> = of.keys.iter().filter(|key| key.required).map(|key| key.name).collect();
    json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": !of.strict })
}

fn form(of: &Form) -> Value {
    match of {
        Form::Text => json!({ "type": ["string", "number", "boolean"] }),
        Form::Loose => json!({ "type": ["string", "number"] }),
        Form::Count => json!({ "type": "integer", "minimum": 1 }),
        Form::Flag => json!({ "type": "boolean" }),
        Form::Span => json!({ "type": "string", "pattern": "^[0-9]+(ms|s|m|h|d)$" }),
        Form::Mode => json!({ "type": ["string", "integer"], "pattern": "^[0-7]{1,4}$" }),
        Form::Version => json!({ "type": "number", "const": 0 }),
        Form::Word(words) => json!({ "type": "string", "enum": words }),
        Form::List(item) => json!({ "type": "array", "items": form(item) }),
        Form::Map(of) => table(of),
        Form::Names(value) => json!({ "type": "object", "additionalProperties": form(value) }),
        Form::Either(forms) => json!({ "anyOf": forms.iter().map(form).collect::<Vec<_>>() }),
    }
}
