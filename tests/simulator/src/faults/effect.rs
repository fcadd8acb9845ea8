//! From a fault and, where one is needed, the normal answer to what goes out.

use super::kind::FaultKind;
use crate::api::error::ApiError;
use crate::api::reply::Reply;
use crate::net::wire::{head, End, Fill, Script, Step};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::io::Write;
use std::time::Duration;

/// An answer through the HTTP server, or bytes past it.
pub enum Outcome {
    Http(Reply),
    Raw {
        script: Script,
        /// The status line among the bytes, if there is one.
        status: Option<u16>,
    },
}

/// What a fault makes of a request. `normal` is the answer of the operation if it was performed.
pub fn shape(kind: &FaultKind, normal: Option<Reply>) -> Outcome {
    // Faults that distort always get the normal answer; the others need any body of the kind.
    let normal = normal.unwrap_or_else(|| Reply::raw(200, "application/json", r#"{"data":{}}"#));
    let length = normal.body.len();
    match kind {
        FaultKind::Status { status, code, message, headers } => {
            let message =
                message.clone().unwrap_or_else(|| "The simulator was told to answer this.".into());
            let error = ApiError::new(*status, code.clone(), message);
            Outcome::Http(with_headers(error.reply(), headers))
        }
        FaultKind::Raw { status, body, content_type, headers } => {
            let reply = Reply::raw(*status, content_type.clone(), body.clone());
            Outcome::Http(with_headers(reply, headers))
        }
        // Served before this point.
        FaultKind::Delay { .. } => Outcome::Http(normal),
        FaultKind::HangBeforeHeader | FaultKind::Late { .. } => raw(None, Vec::new(), End::Hang),
        FaultKind::HangAfterHeader => {
            let header = Step::Write(head(&normal, Some(length as u64)));
            raw(Some(normal.status), vec![header], End::Hang)
        }
        FaultKind::Drip { bytes, interval_ms } => {
            let mut steps = vec![Step::Write(head(&normal, Some(length as u64)))];
            for piece in normal.body.chunks((*bytes).max(1)) {
                steps.push(Step::Sleep(Duration::from_millis(*interval_ms)));
                steps.push(Step::Write(normal.body.slice_ref(piece)));
            }
            raw(Some(normal.status), steps, End::Close)
        }
        FaultKind::Close => raw(None, Vec::new(), End::Close),
        FaultKind::Reset => raw(None, Vec::new(), End::Reset),
        FaultKind::CloseAfter => whole(normal, length as u64, length, End::Close),
        FaultKind::TruncatedJson => {
            let body = normal.body.slice(..length / 2);
            Outcome::Http(Reply { body, ..normal })
        }
        FaultKind::TruncatedBody => whole(normal, length as u64, length / 2, End::Close),
        // Left open: the surplus bytes wait for whoever reuses the connection.
        FaultKind::ShortLength => whole(normal, length as u64 / 2, length, End::Hang),
        FaultKind::EndlessChunked { bytes, interval_ms } => {
            let size = (*bytes).max(1);
            let chunk = format!("{size:x}\r\n{}\r\n", "x".repeat(size));
            let every = Duration::from_millis(*interval_ms);
            let fill = Fill { piece: chunk.into(), total: None, every };
            let header = Step::Write(head(&normal, None));
            raw(Some(normal.status), vec![header, Step::Fill(fill)], End::Close)
        }
        FaultKind::HugeBody { bytes } => {
            let (open, close) = (Bytes::from_static(b"{\"data\":\""), Bytes::from_static(b"\"}"));
            let total = (*bytes).max((open.len() + close.len()) as u64);
            let middle = total - (open.len() + close.len()) as u64;
            let piece = Bytes::from(vec![b'x'; 64 * 1024]);
            let fill = Fill { piece, total: Some(middle), every: Duration::ZERO };
            let header = head(&normal, Some(total));
            let steps =
                vec![Step::Write(header), Step::Write(open), Step::Fill(fill), Step::Write(close)];
            raw(Some(normal.status), steps, End::Close)
        }
        FaultKind::Redirect { status, location } => {
            let reply = Reply::raw(*status, "text/html", Bytes::new());
            Outcome::Http(reply.header("Location", location))
        }
        FaultKind::Garbage { bytes } => {
            raw(None, vec![Step::Write(Bytes::from(bytes.clone()))], End::Close)
        }
        FaultKind::NoContent => Outcome::Http(Reply::raw(204, "", Bytes::new())),
        FaultKind::WrongContentType { content_type } => {
            Outcome::Http(Reply { content_type: content_type.clone().into(), ..normal })
        }
        FaultKind::Gzip => {
            let body = gzip(&normal.body).into();
            Outcome::Http(Reply { body, ..normal }.header("Content-Encoding", "gzip"))
        }
    }
}

fn raw(status: Option<u16>, steps: Vec<Step>, end: End) -> Outcome {
    Outcome::Raw { script: Script { steps, end }, status }
}

/// The first `sent` bytes of the body under a stated length.
fn whole(reply: Reply, stated: u64, sent: usize, end: End) -> Outcome {
    let steps =
        vec![Step::Write(head(&reply, Some(stated))), Step::Write(reply.body.slice(..sent))];
    raw(Some(reply.status), steps, end)
}

fn with_headers(mut reply: Reply, headers: &BTreeMap<String, String>) -> Reply {
    for (name, value) in headers {
        reply = reply.header(name.clone(), value);
    }
    reply
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    // Writing to memory does not fail; if it did, an empty body would show in any test.
    let written = encoder.write_all(body);
    written.and_then(|()| encoder.finish()).unwrap_or_default()
}
