//! An HTTP answer before it is put on the wire.

use bytes::Bytes;
use serde::Serialize;
use std::borrow::Cow;

/// Status, headers and body.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    pub content_type: Cow<'static, str>,
    pub headers: Vec<(Cow<'static, str>, String)>,
    pub body: Bytes,
    /// CometChat's error code, for the record.
    pub code: Option<Cow<'static, str>>,
}

impl Reply {
    pub fn json(status: u16, value: &impl Serialize) -> Reply {
        // Only maps with non-string keys fail to serialise, and there are none.
        let body = serde_json::to_vec(value).unwrap_or_default();
        Reply::raw(status, "application/json", body)
    }

    /// The envelope of success: 200 and `data`, for creation too (OA, QA).
    pub fn data(value: &impl Serialize) -> Reply {
        #[derive(Serialize)]
        struct Envelope<'a, T> {
            data: &'a T,
        }
        Reply::json(200, &Envelope { data: value })
    }

    pub fn raw(
        status: u16,
        content_type: impl Into<Cow<'static, str>>,
        body: impl Into<Bytes>,
    ) -> Reply {
        Reply {
            status,
            content_type: content_type.into(),
            headers: Vec::new(),
            body: body.into(),
            code: None,
        }
    }

    pub fn header(mut self, name: impl Into<Cow<'static, str>>, value: impl ToString) -> Reply {
        self.headers.push((name.into(), value.to_string()));
        self
    }
}
