//! The one rule for what may be a user's public name, wherever it comes from.

use super::contact::{shows, shows_address, shows_phone};
use super::name::clean_name;

/// How the user can be reached, which other users are not to see.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Own {
    /// Addresses that are known to be the user's.
    pub addresses: Vec<String>,
    /// The user's telephone number.
    pub phone: Option<String>,
}

impl Own {
    /// Whether a text shows how a user can be reached: any address at all, or this telephone number.
    pub fn is_shown_by(&self, text: &str) -> bool {
        shows_address(text)
            || self.addresses.iter().any(|address| shows(text, address))
            || self.phone.as_ref().is_some_and(|phone| shows_phone(text, phone))
    }
}

/// The name to show for `raw`: acceptable to CometChat, and `None` when nothing visible is left or
/// when it shows an address, or the user's own telephone number.
///
/// The whole text is looked at, not what is left of it: a cut must not turn an address into half of
/// one.
pub fn public_name(raw: &str, own: &Own) -> Option<String> {
    clean_name(raw).filter(|_| !own.is_shown_by(raw))
}
