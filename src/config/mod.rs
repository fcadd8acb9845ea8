//! The settings in force. What they are called and may be stands in [`gucs`].

mod gucs;

use std::ffi::{CStr, CString};
use std::time::Duration;

use pgrx::GucSetting;
use sync::job::OnDelete;

use crate::pg::text;
use gucs::{
    Text, API_BASE_URL, API_KEY, API_KEY_FILE, APP_ID, BULK_IMPORT, CA_FILE, CONCURRENCY,
    CONNECT_TIMEOUT, DISPLAY_NAME_FIELDS, MAX_ATTEMPTS, NAME_FIELDS, ON_DELETE, PROXY, RATE_LIMIT,
    REGION, REQUEST_TIMEOUT, SYNC_ANONYMOUS, SYNC_UNCONFIRMED, USER_RATE_LIMIT,
};

pub use gucs::init;

/// `cometchat.app_id`, unless it is empty.
pub fn app_id() -> Option<String> {
    value(&APP_ID)
}

/// `cometchat.region`, unless it is empty.
pub fn region() -> Option<String> {
    value(&REGION)
}

/// `cometchat.api_base_url`, unless it is empty.
pub fn api_base_url() -> Option<String> {
    value(&API_BASE_URL)
}

/// `cometchat.ca_file`, unless it is empty.
pub fn ca_file() -> Option<String> {
    value(&CA_FILE)
}

/// `cometchat.proxy`, unless it is empty.
pub fn proxy() -> Option<String> {
    value(&PROXY)
}

/// `cometchat.api_key_file`, unless it is empty.
pub fn api_key_file() -> Option<String> {
    value(&API_KEY_FILE)
}

/// `cometchat.api_key`, unless it is empty.
pub fn api_key() -> Option<CString> {
    API_KEY.get().filter(|key| !key.is_empty())
}

/// The budget of one SQL call.
pub fn request_timeout() -> Duration {
    milliseconds(&REQUEST_TIMEOUT)
}

/// The part of it that connecting may take.
pub fn connect_timeout() -> Duration {
    milliseconds(&CONNECT_TIMEOUT)
}

/// Requests per minute that one untrusted user may cause; negative for no limit.
pub fn user_rate_limit() -> i32 {
    USER_RATE_LIMIT.get()
}

/// Requests per minute to CometChat: 0 follows, negative is none.
pub fn rate_limit() -> i32 {
    RATE_LIMIT.get()
}

/// Requests that the worker has in flight at the same time.
pub fn concurrency() -> usize {
    usize::try_from(CONCURRENCY.get()).unwrap_or(1)
}

/// Whether the backlog may be created by the import.
pub fn bulk_import() -> bool {
    BULK_IMPORT.get()
}

/// Failed attempts after which a user is listed in `failed_users`.
pub fn max_attempts() -> i32 {
    MAX_ATTEMPTS.get()
}

/// Which users are synced by themselves, and what becomes of deleted ones.
#[derive(Clone, Copy, Debug)]
pub struct SyncPolicy {
    unconfirmed: bool,
    anonymous: bool,
    pub on_delete: OnDelete,
}

impl SyncPolicy {
    /// Why such a user is not synced by themselves, if so.
    pub fn passes_over(&self, anonymous: bool, unconfirmed: bool) -> Option<&'static str> {
        if anonymous && !self.anonymous {
            Some("anonymous")
        } else if unconfirmed && !self.unconfirmed {
            Some("unconfirmed")
        } else {
            None
        }
    }
}

/// The policy in force.
pub fn sync_policy() -> SyncPolicy {
    SyncPolicy {
        unconfirmed: SYNC_UNCONFIRMED.get(),
        anonymous: SYNC_ANONYMOUS.get(),
        on_delete: ON_DELETE.get().into(),
    }
}

/// `cometchat.display_name_fields`.
#[derive(Clone, PartialEq, Eq)]
pub struct DisplayNameFields {
    /// The metadata's keys for the display name, in order.
    pub keys: Vec<String>,
    /// The setting has its default value.
    pub is_the_default: bool,
}

/// The setting in force.
pub fn display_name_fields() -> DisplayNameFields {
    let raw = DISPLAY_NAME_FIELDS.get();
    let is_the_default = raw.as_deref() == Some(NAME_FIELDS);
    let fields = raw.map(|raw| text::from_server(raw.to_bytes())).unwrap_or_default();
    let keys = fields.split(',').map(str::trim).filter(|f| !f.is_empty()).map(str::to_owned);
    DisplayNameFields { keys: keys.collect(), is_the_default }
}

fn value(setting: &Text) -> Option<String> {
    setting.get().as_deref().and_then(to_text)
}

fn to_text(value: &CStr) -> Option<String> {
    let value = value.to_string_lossy(); // what is not UTF-8 fails the checks of its setting
    (!value.is_empty()).then(|| value.into_owned())
}

fn milliseconds(setting: &GucSetting<i32>) -> Duration {
    Duration::from_millis(u64::try_from(setting.get()).unwrap_or(1))
}
