//! Whatever arrives, every operation ends with a value or an error.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod stub;

use proptest::prelude::*;
use stub::everything::{call_everything, cases, ANSWERS};
use stub::memory::Script;

fn play(bytes: Vec<u8>) {
    call_everything(&Script::playing(&bytes).client());
}

fn real(index: prop::sample::Index) -> (u16, Vec<u8>) {
    let (status, body) = index.get(ANSWERS);
    (*status, body.as_bytes().to_vec())
}

fn framed(status: u16, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

#[test]
fn every_operation_survives_every_real_answer() {
    let first = framed(ANSWERS[0].0, ANSWERS[0].1.as_bytes());
    let client = Script::playing(&first).client();
    assert!(client.get_user("ada").is_ok(), "the script reaches the parser");
    for (status, body) in ANSWERS {
        play(framed(*status, body.as_bytes()));
    }
}

proptest! {
    #![proptest_config(cases(24))]

    #[test]
    fn any_bytes_at_all_end_in_a_value_or_an_error(raw in prop::collection::vec(any::<u8>(), 0..400)) {
        play(raw);
    }

    #[test]
    fn any_bytes_as_a_body_end_in_a_value_or_an_error(status in 100u16..1000, raw in prop::collection::vec(any::<u8>(), 0..200)) {
        play(framed(status, &raw));
    }

    #[test]
    fn a_real_answer_with_some_bytes_changed_ends_in_a_value_or_an_error(
        index: prop::sample::Index,
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        status in prop::option::of(prop::sample::select(vec![200u16, 301, 400, 404, 429, 500])),
        whole: bool,
    ) {
        let (real_status, body) = real(index);
        let status = status.unwrap_or(real_status);
        // Either only the body changes, or the head may be hit as well.
        let mut bytes = if whole { framed(status, &body) } else { body };
        for (at, byte) in edits {
            if !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
        }
        play(if whole { bytes } else { framed(status, &bytes) });
    }

    #[test]
    fn two_real_answers_in_one_end_in_a_value_or_an_error(a: prop::sample::Index, b: prop::sample::Index, at: prop::sample::Index) {
        let ((status, left), (_, right)) = (real(a), real(b));
        let cut = at.index(left.len() + 1);
        let tail = right.get(cut..).unwrap_or_default();
        play(framed(status, &[&left[..cut], tail].concat()));
    }

    #[test]
    fn a_real_answer_cut_anywhere_ends_in_a_value_or_an_error(index: prop::sample::Index, at: prop::sample::Index) {
        let (status, body) = real(index);
        let mut bytes = framed(status, &body);
        let keep = at.index(bytes.len());
        bytes.truncate(keep);
        play(bytes);
    }

    #[test]
    fn a_message_shows_no_key_no_address_and_no_control_character(raw in any::<String>(), hex in "[0-9a-f]{20,60}", name in "[a-z]{1,9}") {
        let clean = cometchat::clean_message(&format!("{raw} {hex} {name}@{name}.example {raw}"));
        prop_assert!(clean.chars().count() <= 200);
        prop_assert!(!clean.contains(&hex));
        let address = format!("{name}@{name}.example");
        prop_assert!(!clean.contains(&address));
        prop_assert!(!clean.chars().any(char::is_control));
    }
}
