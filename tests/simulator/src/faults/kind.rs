//! The ways an answer can go wrong.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One way. In JSON `kind` is the snake_case name and the fields stand beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum FaultKind {
    /// An error in CometChat's envelope.
    Status {
        status: u16,
        #[serde(default = "default_code")]
        code: String,
        #[serde(default)]
        message: Option<String>,
        /// Extra headers, such as `Retry-After`.
        #[serde(default)]
        headers: BTreeMap<String, String>,
    },
    /// Any body, such as a gateway's HTML page.
    Raw {
        status: u16,
        #[serde(default)]
        body: String,
        #[serde(default = "html")]
        content_type: String,
        #[serde(default)]
        headers: BTreeMap<String, String>,
    },
    /// Waits, then goes on: to the next matching fault, or to the normal answer.
    Delay { ms: u64 },
    /// Reads the request and then says nothing, keeping the connection open.
    HangBeforeHeader,
    /// Sends the header and then nothing.
    HangAfterHeader,
    /// Sends the normal answer's body a few bytes at a time.
    Drip { bytes: usize, interval_ms: u64 },
    /// Closes the connection in good order instead of answering.
    Close,
    /// Resets the connection (RST) instead of answering.
    Reset,
    /// Says nothing, and performs the operation after so many milliseconds, whether or not the client
    /// is still there: as a server does that does not notice.
    Late { ms: u64 },
    /// Answers normally and then closes an apparently kept-alive connection.
    CloseAfter,
    /// Half of the normal body, with a matching Content-Length.
    TruncatedJson,
    /// Half of the normal body under the Content-Length of all of it, then a close.
    TruncatedBody,
    /// The whole normal body under half its Content-Length; the connection stays open.
    ShortLength,
    /// Chunks for ever.
    EndlessChunked {
        #[serde(default = "chunk_bytes")]
        bytes: usize,
        #[serde(default)]
        interval_ms: u64,
    },
    /// A JSON body of this many bytes, made as it is sent.
    HugeBody { bytes: u64 },
    Redirect {
        #[serde(default = "found")]
        status: u16,
        location: String,
    },
    /// Bytes that are not HTTP, then a close.
    Garbage {
        #[serde(default = "garbage")]
        bytes: String,
    },
    /// 204 without a body.
    NoContent,
    /// The normal answer under another Content-Type.
    WrongContentType {
        #[serde(default = "html")]
        content_type: String,
    },
    /// The normal answer gzipped, whether or not the client asked for it.
    Gzip,
}

fn default_code() -> String {
    "ERR_EXCEPTION".into()
}
fn html() -> String {
    "text/html; charset=UTF-8".into()
}
fn found() -> u16 {
    302
}
fn garbage() -> String {
    "\u{1}\u{2}not http at all\u{0}\n".into()
}
fn chunk_bytes() -> usize {
    1024
}

impl FaultKind {
    /// The `kind` of the JSON form.
    pub fn name(&self) -> &'static str {
        match self {
            FaultKind::Status { .. } => "status",
            FaultKind::Raw { .. } => "raw",
            FaultKind::Delay { .. } => "delay",
            FaultKind::HangBeforeHeader => "hang_before_header",
            FaultKind::HangAfterHeader => "hang_after_header",
            FaultKind::Drip { .. } => "drip",
            FaultKind::Close => "close",
            FaultKind::Reset => "reset",
            FaultKind::Late { .. } => "late",
            FaultKind::CloseAfter => "close_after",
            FaultKind::TruncatedJson => "truncated_json",
            FaultKind::TruncatedBody => "truncated_body",
            FaultKind::ShortLength => "short_length",
            FaultKind::EndlessChunked { .. } => "endless_chunked",
            FaultKind::HugeBody { .. } => "huge_body",
            FaultKind::Redirect { .. } => "redirect",
            FaultKind::Garbage { .. } => "garbage",
            FaultKind::NoContent => "no_content",
            FaultKind::WrongContentType { .. } => "wrong_content_type",
            FaultKind::Gzip => "gzip",
        }
    }

    /// Whether the fault distorts a normal answer and so needs the operation performed.
    pub fn distorts(&self) -> bool {
        matches!(
            self,
            FaultKind::Drip { .. }
                | FaultKind::CloseAfter
                | FaultKind::TruncatedJson
                | FaultKind::TruncatedBody
                | FaultKind::ShortLength
                | FaultKind::WrongContentType { .. }
                | FaultKind::Gzip
        )
    }
}
