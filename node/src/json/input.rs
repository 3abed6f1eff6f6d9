//! A line of standard input under `--json`: a command as it would be typed, or an object that holds one.

use serde::{Deserialize, de::IgnoredAny};
use serde_json::Value;

use super::out::Origin;
use crate::api::{Code, Refusal};

/// A command, and where it came from.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    /// What its answer repeats.
    pub(crate) origin: Origin,
    /// The line, as typed.
    pub(crate) command: String,
    /// The chat that is the current one for this line only.
    pub(crate) chat: Option<String>,
}

#[derive(Deserialize)]
struct Object {
    command: Option<String>,
    chat: Option<String>,
}

/// Reads one line; `None` for a blank one. A refusal names the line, or the `id` if the object had one.
#[expect(clippy::result_large_err, reason = "once for each line that a script writes")]
pub(crate) fn read(line: String, number: u64) -> Result<Option<Asked>, (Origin, Refusal)> {
    if line.trim().is_empty() {
        return Ok(None);
    }
    if !line.trim_start().starts_with('{') {
        // Whoever writes JSON here meant a command, and a friend would get it as text.
        if serde_json::from_str::<IgnoredAny>(&line).is_ok() {
            let message = "this line is JSON but no object; write {\"command\":\"/help\"}, with text as a command too";
            return Err((Origin::Line(number), Refusal::new(Code::Usage, message)));
        }
        return Ok(Some(Asked { origin: Origin::Line(number), command: line, chat: None }));
    }
    let value: Value = serde_json::from_str(&line).map_err(|why| {
        let message = format!("this line is not valid JSON: {why}; write {{\"id\":1,\"command\":\"/help\"}}");
        (Origin::Line(number), Refusal::new(Code::Usage, message))
    })?;
    let origin = value.get("id").map_or(Origin::Line(number), |id| Origin::Id(id.clone()));
    match Object::deserialize(value) {
        Ok(Object { command: Some(command), chat }) if !command.trim().is_empty() => {
            Ok(Some(Asked { origin, command, chat }))
        }
        Ok(_) => Err((origin, Refusal::new(Code::Usage, "the object has no command; write {\"command\":\"/help\"}"))),
        Err(why) => {
            let message = format!("this object is no command: {why}; command and chat are strings");
            Err((origin, Refusal::new(Code::Usage, message)))
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use serde_json::json;

    use super::{Asked, read};
    use crate::{api::Code, json::out::Origin};

    fn refused(line: &str) -> (Origin, Code) {
        let (origin, refusal) = read(line.to_owned(), 9).unwrap_err();
        (origin, refusal.code)
    }

    #[test]
    fn a_line_is_a_command_as_typed() {
        let asked = read("/msg @bob {hi}".into(), 3).unwrap().unwrap();
        assert_eq!(asked, Asked { origin: Origin::Line(3), command: "/msg @bob {hi}".into(), chat: None });
    }

    #[test]
    fn an_object_carries_id_and_chat() {
        let line = r#"{"id":"x","command":"a\nb","chat":"@bob","more":1}"#;
        let asked = read(line.into(), 3).unwrap().unwrap();
        let wanted = Asked { origin: Origin::Id(json!("x")), command: "a\nb".into(), chat: Some("@bob".into()) };
        assert_eq!(asked, wanted);
    }

    #[test]
    fn blank_lines_ask_nothing() {
        assert_eq!(read(" \t".into(), 1).unwrap(), None);
    }

    #[test]
    fn what_is_no_command_is_refused_by_id_or_line() {
        assert_eq!(refused("{\"command\":"), (Origin::Line(9), Code::Usage));
        assert_eq!(refused("{}"), (Origin::Line(9), Code::Usage));
        assert_eq!(refused(r#"{"id":7}"#), (Origin::Id(json!(7)), Code::Usage));
        assert_eq!(refused(r#"{"id":7,"command":8}"#), (Origin::Id(json!(7)), Code::Usage));
        assert_eq!(refused(r#"{"id":7,"command":" "}"#), (Origin::Id(json!(7)), Code::Usage));
    }

    #[test]
    fn json_that_is_no_object_is_no_text() {
        for line in ["[1]", r#""str""#, " [] ", "42", "null", r#"[{"command":"/help"}]"#] {
            assert_eq!(refused(line), (Origin::Line(9), Code::Usage), "{line}");
        }
        for line in ["[1] see below", r#""so," he said"#, "42 is it", "nullify"] {
            assert_eq!(read(line.into(), 9).unwrap().unwrap().command, line);
        }
    }

    #[test]
    fn deep_nesting_is_refused_and_does_not_overflow() {
        let line = format!("{{\"id\":{}", "[".repeat(200_000));
        assert_eq!(refused(&line), (Origin::Line(9), Code::Usage));
    }
}
