//! Makes broken answers out of real ones.

use fastrand::Rng;

/// A generator whose whole output follows from its seed.
pub struct Mutator {
    rng: Rng,
    real: Vec<Vec<u8>>,
}

/// Bytes that mean something to HTTP or JSON, and some that mean nothing to either.
const SPICE: &[&str] = &[
    "\r\n",
    "\r\n\r\n",
    "\0",
    "\"",
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "\\",
    "\\u0000",
    "\\ud800",
    "-1",
    "0",
    "1e999",
    "18446744073709551616",
    "null",
    "true",
    "é",
    "\u{feff}",
    "HTTP/1.1 200 OK\r\n",
    "Content-Length: 5\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Connection: close\r\n",
    "ffff\r\n",
];

impl Mutator {
    pub fn new(seed: u64, real: Vec<Vec<u8>>) -> Mutator {
        assert!(!real.is_empty());
        Mutator { rng: Rng::with_seed(seed), real }
    }

    /// One of the real answers with one to four things wrong in it.
    pub fn broken_answer(&mut self) -> Vec<u8> {
        let which = self.rng.usize(..self.real.len());
        let mut bytes = self.real[which].clone();
        for _ in 0..self.rng.usize(1..=4) {
            self.mutate(&mut bytes);
        }
        bytes
    }

    fn mutate(&mut self, bytes: &mut Vec<u8>) {
        let rng = &mut self.rng;
        let at = rng.usize(..=bytes.len());
        let end = (at + rng.usize(..64)).min(bytes.len());
        match rng.u8(..8) {
            0 => bytes.truncate(at),
            1 => drop(bytes.drain(at..end)),
            2 => {
                let again = bytes[at..end].to_vec();
                bytes.splice(end..end, again);
            }
            3 => bytes[at..end].iter_mut().for_each(|byte| *byte ^= 1 << rng.u8(..8)),
            4 => bytes[at..end].iter_mut().for_each(|byte| *byte = rng.u8(..)),
            5 | 6 => {
                let spice = SPICE[rng.usize(..SPICE.len())].bytes();
                bytes.splice(at..at, spice);
            }
            _ => {
                if let Some(digit) = bytes[at..].iter().position(u8::is_ascii_digit) {
                    bytes[at + digit] = b'0' + rng.u8(..10);
                }
            }
        }
    }
}
