//! Status lines, headers and framing of every kind: what stands in front of an answer, or around it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod stub;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use cometchat::{ErrorKind, Limits};
use proptest::prelude::*;
use stub::everything::{call_everything, cases};
use stub::memory::{Script, Step};

const ADA: &str = r#"{"data":{"uid":"ada"}}"#;
const NAMES: &[&str] = &[
    "Retry-After",
    "X-RateLimit-Limit",
    "X-RateLimit-Remaining",
    "X-RateLimit-Reset",
    "X-Rate-Limit",
    "X-Rate-Limit-Limit",
    "X-Rate-Limit-Remaining",
    "X-Rate-Limit-Reset",
    "Content-Length",
    "Transfer-Encoding",
    "Connection",
    "Content-Type",
    "Content-Encoding",
    "Location",
    "Set-Cookie",
    "Trailer",
    "Upgrade",
    "Expect",
    "Keep-Alive",
    "Date",
    "X-Any",
];
const VALUES: &[&str] = &[
    "",
    "0",
    "-0",
    "-1",
    "+5",
    "15",
    "1.5",
    "1e3",
    "0x10",
    "NaN",
    "inf",
    "-inf",
    "null",
    "٣",
    "22",
    "86401",
    "4294967296",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "99999999999999999999999999999999",
    "15, 16",
    "15;x",
    "chunked",
    "gzip, chunked",
    "close",
    "identity",
    "http://127.0.0.1:1/",
    "//",
    "\u{7f}",
    "Wed, 21 Oct 2026 07:28:00 GMT",
    "Thu, 01 Jan 1970 00:00:00 GMT",
    "Fri, 31 Dec 9999 23:59:59 GMT",
];

fn any_value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => prop::sample::select(VALUES).prop_map(|value| value.as_bytes().to_vec()),
        1 => " {0,3}[0-9]{1,25} {0,3}".prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..40),
    ]
}

fn any_headers() -> impl Strategy<Value = Vec<u8>> {
    let line = (prop::sample::select(NAMES), any_value())
        .prop_map(|(name, value)| [name.as_bytes(), b": ", &value, b"\r\n"].concat());
    prop::collection::vec(line, 0..8).prop_map(|lines| lines.concat())
}

/// What the observer is told of a `get_user` that is answered so.
fn told(head: &[u8]) -> (Option<Duration>, Option<Limits>, bool) {
    let bytes = [head, b"\r\n", ADA.as_bytes()].concat();
    let heard = Arc::new(Mutex::new(None));
    let log = heard.clone();
    let client = Script::playing(&bytes).client().with_observer(Arc::new(move |x| {
        *log.lock().unwrap() = Some((x.retry_after, x.limits, x.failure.is_none()));
    }));
    let _ = client.get_user("ada");
    let heard = heard.lock().unwrap().take();
    heard.unwrap()
}

/// `text` as HTTP chunks of these sizes.
fn chunked(text: &[u8], sizes: &[usize], extension: &str, trailer: &str) -> Vec<u8> {
    let (mut out, mut rest) = (Vec::new(), text);
    for size in sizes.iter().cycle() {
        let (chunk, left) = rest.split_at((*size).min(rest.len()));
        if chunk.is_empty() {
            break;
        }
        out.extend(format!("{:x}{extension}\r\n", chunk.len()).bytes());
        out.extend([chunk, b"\r\n"].concat());
        rest = left;
    }
    [&out[..], b"0\r\n", trailer.as_bytes(), b"\r\n"].concat()
}

const CHUNKED: &[u8] = b"HTTP/1.1 200 X\r\ntransfer-encoding: chunked\r\n\r\n";

proptest! {
    #![proptest_config(cases(24))]

    #[test]
    fn any_status_line_ends_in_a_value_or_an_error(
        line in prop_oneof![
            "HTTP/[0-9]\\.[0-9] [0-9+-]{1,5}( [\\PC]{0,20})?",
            "[A-Z/]{0,8}[ ]{0,2}[0-9. ]{0,8}[\\PC]{0,9}",
        ],
        headers in any_headers(),
    ) {
        call_everything(&Script::playing(&[line.as_bytes(), b"\r\n", &headers, b"\r\n", ADA.as_bytes()].concat()).client());
    }

    #[test]
    fn any_headers_end_in_a_value_or_an_error(status in 100u16..1000, headers in any_headers()) {
        let head = format!("HTTP/1.1 {status} X\r\n");
        call_everything(&Script::playing(&[head.as_bytes(), &headers, b"\r\n", ADA.as_bytes()].concat()).client());
    }

    #[test]
    fn a_wait_is_whole_seconds_of_at_most_a_day_or_none(value in any_value()) {
        let head = [b"HTTP/1.1 200 X\r\nRetry-After: ", &value[..], b"\r\n"].concat();
        let number = std::str::from_utf8(&value).ok().and_then(|v| v.trim().parse::<u64>().ok());
        let (wait, limits, fine) = told(&head);
        prop_assert!(!fine || wait == number.map(|n| Duration::from_secs(n.min(86_400))));
        prop_assert!(wait.is_none_or(|wait| wait <= Duration::from_secs(86_400)));
        prop_assert_eq!(limits, None);
        // Whatever it is, it can be added to any clock.
        prop_assert!(Instant::now().checked_add(wait.unwrap_or_default()).is_some());
    }

    #[test]
    fn an_announced_limit_is_the_number_in_the_header_or_none(value in any_value(), which in 0usize..4) {
        let name = NAMES[1..8][which];
        let head = [b"HTTP/1.1 200 X\r\n", name.as_bytes(), b": ", &value[..], b"\r\n"].concat();
        let number = std::str::from_utf8(&value).ok().and_then(|v| v.trim().parse::<u64>().ok());
        let (wait, limits, fine) = told(&head);
        let found = limits.and_then(|l| l.limit.or(l.remaining).or(l.reset_unix));
        prop_assert!(!fine || found == number, "{limits:?} {number:?}");
        prop_assert_eq!(wait, None);
    }

    #[test]
    fn a_body_in_any_chunks_is_the_body(
        sizes in prop::collection::vec(1usize..40, 1..5),
        extension in "(;[a-z]{0,8}(=[a-z0-9]{0,5})?)?", // ureq reads 20 bytes of such a line at most
        trailer in "(x-[a-z]{1,5}: [a-z0-9 ]{0,9}\r\n)?",
    ) {
        let bytes = [CHUNKED, &chunked(ADA.as_bytes(), &sizes, &extension, &trailer)].concat();
        let outcome = Script::playing(&bytes).client().get_user("ada").map(|user| user.uid);
        prop_assert_eq!(outcome.ok(), Some("ada".to_owned()));
    }

    #[test]
    fn broken_chunks_end_in_a_value_or_an_error(
        sizes in prop::collection::vec(1usize..40, 1..5),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..5),
        size in "[0-9a-fA-F]{0,20}|-[0-9]{1,3}|[\\PC]{0,9}",
    ) {
        let mut body = chunked(ADA.as_bytes(), &sizes, "", "");
        for (at, byte) in edits {
            let at = at.index(body.len());
            body[at] = byte;
        }
        call_everything(&Script::playing(&[CHUNKED, &body].concat()).client());
        call_everything(&Script::playing(&[CHUNKED, size.as_bytes(), b"\r\n", ADA.as_bytes()].concat()).client());
    }
}

#[test]
fn an_answer_without_an_end_is_cut_or_given_up_in_time() {
    let start = b"HTTP/1.1 200 X\r\n";
    for (before, again) in [
        (&b""[..], &b"HTTP/1.1 100 Continue\r\n\r\n"[..]),
        (b"", b"\r\n"),
        (b"", b"\0"),
        (start, b"x: y\r\n"),
        (CHUNKED, b"1\r\n \r\n"),
        (CHUNKED, b"00000000000"),
        (CHUNKED, b"1;xxxxxxxxxxxxxx"),
        (b"HTTP/1.1 200 X\r\ntransfer-encoding: chunked\r\n\r\n0\r\n", b"x: y\r\n"),
        (b"HTTP/1.1 200 X\r\nconnection: close\r\n\r\n", b" "),
        (b"HTTP/1.1 200 X\r\ncontent-length: 18446744073709551615\r\n\r\n", b" "),
        (b"HTTP/1.1 200 X\r\ncontent-length: 65536\r\n\r\n", b" "),
    ] {
        let steps = vec![Step::Bytes(before.to_vec()), Step::Forever(again.to_vec())];
        let started = Instant::now();
        let client =
            Script::new(steps).client().with_deadline(started + Duration::from_millis(200));
        let outcome = client.get_user("ada").map(|user| user.uid).map_err(|e| e.kind());
        let shown = (before.escape_ascii().to_string(), again.escape_ascii().to_string());
        assert!(started.elapsed() < Duration::from_secs(10), "{shown:?}: {:?}", started.elapsed());
        let kinds = [ErrorKind::NotCometChat, ErrorKind::Timeout, ErrorKind::Network];
        assert!(outcome.as_ref().is_err_and(|kind| kinds.contains(kind)), "{shown:?}: {outcome:?}");
    }
}
