//! What the program says: data on standard output, talk on standard error.

use std::io::{self, Write as _};

use serde_json::{Map, Value, json};

use super::failure::Failure;

/// How it says it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Output {
    is_json: bool,
}

impl Output {
    pub(super) fn new(is_json: bool) -> Self {
        Self { is_json }
    }

    /// One object in JSON, or `text` for people.
    pub(super) fn say(self, kind: &str, fields: Value, text: &str) {
        // Whoever reads may be gone; the exit code says what matters.
        let _ = if self.is_json {
            let mut line = Map::from_iter([("v".into(), json!(1)), ("type".into(), json!(kind))]);
            line.insert("ts".into(), json!(jiff::Timestamp::now().to_string()));
            if let Value::Object(fields) = fields {
                line.extend(fields);
            }
            writeln!(io::stdout(), "{}", Value::Object(line))
        } else {
            writeln!(io::stdout(), "{text}")
        };
        let _ = io::stdout().flush();
    }

    pub(super) fn failure(self, failure: &Failure) {
        if self.is_json {
            self.say("error", json!({ "code": failure.code(), "message": failure.text() }), "");
        }
        let _ = writeln!(io::stderr(), "hobnob-rendezvous: {}", failure.text());
    }
}
