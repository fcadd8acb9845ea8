//! The envelope of every answer: `{"data": ..}` with a success, `{"error": {..}}` without.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::error::{Error, FieldError};
use crate::key::ApiKey;
use crate::kind::is_retryable_status;
use crate::message::{clean_code, clean_message_without};
use crate::tree;
use crate::value::{self, text_at};

const MAX_DETAILS: usize = 8;

/// Memory for what is read of an answer, in bytes: twice of what the densest small one takes.
const MAX_TREE: usize = 16 << 20;

/// An answer as it came off the wire, at most as long as its operation's cap.
pub(crate) struct Answer {
    pub status: u16,
    pub retry_after: Option<Duration>,
    pub body: Vec<u8>,
    /// The key that was sent. SECURITY: an answer may repeat it.
    pub key: Arc<ApiKey>,
}

impl Answer {
    /// A 2xx; only then `data` is to be expected.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The `data` of a success.
    ///
    /// # Errors
    /// `Api` for CometChat's errors (also inside a 2xx), `NotCometChat` for everything else.
    pub fn data(&self) -> Result<Value, Error> {
        let mut top = self.object()?;
        match (top.remove("data"), top.remove("error")) {
            (Some(data), None | Some(Value::Null)) if self.is_success() => Ok(data),
            (_, Some(error)) if !error.is_null() => Err(self.api_error(error)),
            _ => Err(self.no_envelope("no data and no error in it")),
        }
    }

    /// `data` even under an error status: an import may fail as a whole and still report,
    /// row by row, what it did.
    pub fn data_any_status(&self) -> Result<Value, Error> {
        match self.object()?.remove("data") {
            Some(Value::Object(rows)) if !rows.is_empty() => Ok(Value::Object(rows)),
            _ => self.data(),
        }
    }

    /// `data` of an answer that has nothing else to tell than that something is done.
    ///
    /// # Errors
    /// Those of [`Answer::data`], and a `success` that is false.
    pub fn done(&self) -> Result<Map<String, Value>, Error> {
        let map =
            value::map(self.data()?).ok_or_else(|| self.unexpected_body("no outcome in it"))?;
        if value::flag_at(&map, "success") == Some(false) {
            return Err(self.api_error(Value::Null));
        }
        Ok(map)
    }

    /// An answer of the right envelope, but with something else in it than asked for.
    pub fn unexpected_body(&self, what: &'static str) -> Error {
        Error::NotCometChat { status: self.status, what }
    }

    fn object(&self) -> Result<Map<String, Value>, Error> {
        if (300..400).contains(&self.status) {
            return Err(self.unexpected_body("redirect"));
        }
        if self.body.iter().all(u8::is_ascii_whitespace) {
            return Err(self.no_envelope("empty"));
        }
        match tree::read(&self.body, MAX_TREE) {
            Ok(Some(Value::Object(top))) => Ok(top),
            Ok(None) => Err(self.no_envelope("too many values in it")),
            Ok(Some(_)) => Err(self.no_envelope("not a JSON object")),
            Err(_) => Err(self.no_envelope("not JSON")),
        }
    }

    /// Without an envelope only the statuses that mean "later" are CometChat's word.
    fn no_envelope(&self, what: &'static str) -> Error {
        if is_retryable_status(self.status) {
            self.api_error(Value::Null)
        } else {
            Error::NotCometChat { status: self.status, what }
        }
    }

    /// Reads `error`: an object, or a bare string. Anything else leaves the status alone.
    fn api_error(&self, error: Value) -> Error {
        let (status, retry_after) = (self.status, self.retry_after);
        let (code, message, details) = match &error {
            Value::Object(e) => (
                text_at(e, "code").and_then(|c| self.code(&c)),
                text_at(e, "message"),
                e.get("details").map(|d| self.field_errors(d)).unwrap_or_default(),
            ),
            Value::String(s) => {
                (self.code(s).filter(|c| c.contains("ERR_")), Some(s.clone()), vec![])
            }
            _ => (None, None, vec![]),
        };
        let message = message.map(|m| self.clean(&m)).filter(|m| !m.is_empty());
        Error::Api { status, code, message, details, retry_after }
    }

    /// The code and cleaned message of an error object inside an answer (an import's row).
    pub fn row_error(&self, error: &Value) -> (Option<String>, Option<String>) {
        match error {
            Value::Object(e) => (
                text_at(e, "code").and_then(|c| self.code(&c)),
                text_at(e, "message").map(|m| self.clean(&m)),
            ),
            other => (None, value::text(other).map(|m| self.clean(&m))),
        }
    }

    /// `{"field": ["message", ..]}`, or a list of messages, or one message.
    fn field_errors(&self, details: &Value) -> Vec<FieldError> {
        let one = |field: &str, v: &Value| FieldError {
            field: self.clean(field),
            message: self.clean(&value::texts(v).join(" ")),
        };
        match details {
            Value::Object(map) => map.iter().take(MAX_DETAILS).map(|(k, v)| one(k, v)).collect(),
            Value::Array(list) if list.is_empty() => vec![],
            Value::Array(_) | Value::String(_) => vec![one("", details)],
            _ => vec![],
        }
    }

    fn clean(&self, message: &str) -> String {
        clean_message_without(message, self.key.to_hide())
    }

    fn code(&self, code: &str) -> Option<String> {
        clean_code(code, self.key.to_hide())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::ErrorKind;

    fn answer(status: u16, body: &str) -> Answer {
        let key = ApiKey::new("a key of ours".replace(' ', "-")).unwrap_or_else(|e| panic!("{e}"));
        Answer { status, retry_after: None, body: body.as_bytes().to_vec(), key: Arc::new(key) }
    }

    fn kind(status: u16, body: &str) -> ErrorKind {
        answer(status, body).data().expect_err(body).kind()
    }

    #[test]
    fn envelopes() {
        use ErrorKind::*;
        assert!(answer(200, r#"{"data":{"uid":"a"},"x":1}"#).data().is_ok());
        assert!(answer(201, r#"{"data":[],"error":null}"#).data().is_ok());
        for (status, body, want) in [
            (200, "", NotCometChat),
            (204, "", NotCometChat),
            (200, "<html>", NotCometChat),
            (200, r#"{"data":"#, NotCometChat),
            (200, r#"{"ok":true}"#, NotCometChat),
            (200, "[1]", NotCometChat),
            (200, "\u{feff}{}", NotCometChat),
            (302, r#"{"data":{}}"#, NotCometChat),
            (401, "Unauthorized", KeyRejected),
            (402, "", PlanLimit),
            (403, "<html>", KeyRejected),
            (403, r#"{"data":{}}"#, KeyRejected),
            (410, "<html>", NotCometChat),
            (400, r#"{"data":{}}"#, NotCometChat),
            (404, "<html>", WrongEndpoint),
            (502, "<html>bad gateway", Server),
            (500, r#"{"data":{}}"#, Server),
            (429, "slow down", RateLimited),
            (403, r#"{"error":"Forbidden"}"#, KeyRejected),
            (400, r#"{"error":"ERR_UID_ALREADY_EXISTS"}"#, UidExists),
            (404, r#"{"error":{"code":"ERR_UID_NOT_FOUND"}}"#, UidNotFound),
            (200, r#"{"error":{"code":"ERR_UID_NOT_FOUND"},"data":null}"#, UidNotFound),
            (400, r#"{"error":{"message":"no code"}}"#, BadUser),
            (400, r#"{"error":[]}"#, BadUser),
        ] {
            assert_eq!(kind(status, body), want, "{status} {body}");
        }
        let bomb = "[".repeat(60_000);
        assert_eq!(kind(200, &bomb), NotCometChat);
        assert_eq!(kind(200, &format!(r#"{{"data":{bomb}"#)), NotCometChat);
    }

    #[test]
    fn details_are_read_and_cleaned() {
        let body = r#"{"error":{"code":"ERR_BAD_REQUEST","message":"bad\n ada@example.com",
            "details":{"avatar":["The avatar must be","a valid URL."],"tags.0":"required"}}}"#;
        let Err(Error::Api { message, details, .. }) = answer(400, body).data() else {
            panic!("not an API error");
        };
        assert_eq!(message.as_deref(), Some("bad [redacted]"));
        assert_eq!(details[0].field, "avatar");
        assert_eq!(details[0].message, "The avatar must be a valid URL.");
        assert_eq!(details[1].message, "required");
    }
}
