//! The body of an answer, in one buffer and never beyond its cap.

use std::io::Read;

use ureq::http::Response;
use ureq::Body;

use crate::error::Error;
use crate::transport_error::{translate, Phase};

/// Of a body whose length was not announced.
const FIRST_READ: u64 = 8 * 1024;

/// Reads at most `cap` bytes. Not with `read_to_end`, which repeats interrupted reads for
/// ever: an interrupt is how a host asks us to stop.
pub(crate) fn read_body(response: Response<Body>, cap: u64) -> Result<Vec<u8>, Error> {
    let status = response.status().as_u16();
    let body = response.into_body();
    if body.content_length().is_some_and(|n| n > cap) {
        return Err(Error::TooLarge { limit: cap });
    }
    // One byte more than may come: room for the read that finds the end, or that there is none.
    let room = |length: u64| usize::try_from(length.min(cap) + 1).unwrap_or(usize::MAX);
    let mut bytes = vec![0; room(body.content_length().unwrap_or(FIRST_READ))];
    let mut reader = body.into_reader();
    let mut filled = 0;
    loop {
        match reader.read(&mut bytes[filled..]) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(e) => return Err(translate(&ureq::Error::from(e), Phase::Body(status))),
        }
        if filled as u64 > cap {
            return Err(Error::TooLarge { limit: cap });
        }
        if filled == bytes.len() {
            bytes.resize(room(2 * filled as u64), 0);
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}
