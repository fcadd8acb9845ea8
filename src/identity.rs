//! User ids as text.

use pgrx::Uuid;

/// Reads the canonical 36-character form, in either case, and no other.
pub fn parse_uuid(text: &str) -> Option<Uuid> {
    let bytes = text.as_bytes();
    if bytes.len() != 36 || ![8, 13, 18, 23].iter().all(|&at| bytes[at] == b'-') {
        return None;
    }
    let mut digits = bytes.iter().filter(|b| **b != b'-').map(|b| char::from(*b).to_digit(16));
    let mut id = [0u8; 16];
    for byte in &mut id {
        let (high, low) = (digits.next()??, digits.next()??);
        *byte = (high * 16 + low) as u8;
    }
    // More digits than 32 would mean fewer than four hyphens, which were counted above.
    digits.next().is_none().then(|| Uuid::from_bytes(id))
}

/// The canonical form in lower case: CometChat's uid for the user, unless another is mapped.
pub fn uid_of(user: Uuid) -> String {
    let mut text = String::with_capacity(36);
    for (i, byte) in user.as_bytes().iter().enumerate() {
        if [4, 6, 8, 10].contains(&i) {
            text.push('-');
        }
        for nibble in [byte >> 4, byte & 15] {
            text.push(char::from_digit(nibble.into(), 16).unwrap_or('0')); // cannot fail: below 16
        }
    }
    text
}
