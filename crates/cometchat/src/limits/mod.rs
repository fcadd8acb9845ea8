//! CometChat's rules for a user's fields ("Properties and constraints"), checked before
//! anything is sent, so that one odd profile never costs a failed request.

mod address;
mod contact;
mod name;
pub mod profile;
mod public;

pub use address::{
    base_url, check_base_url, valid_app_id, valid_avatar, valid_proxy, valid_region, valid_url,
    BadBaseUrl, MAX_URL_CHARS,
};
pub use name::{clean_name, MAX_NAME_UTF16};
pub(crate) use name::{is_hidden, is_space_like};
pub use profile::{BadProfile, MAX_DEPTH};
pub use public::{public_name, Own};

/// "5 KB" of serialised metadata, read as the smaller kilobyte.
pub const MAX_METADATA_BYTES: usize = 5_000;
/// The most tags a user may have.
pub const MAX_TAGS: usize = 25;
/// The longest tag, in characters.
pub const MAX_TAG_CHARS: usize = 100;
