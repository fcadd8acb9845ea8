//! The settings under `cometchat.`, and what a call makes of them.

use std::ffi::{CStr, CString};
use std::time::Duration;

use cometchat::limits;
use pgrx::{pg_guard, pg_sys, GucContext, GucFlags, GucRegistry, GucSetting};

use crate::failure::Failure;
use crate::pg::text;
use crate::sync::job::OnDelete;
use crate::users;

type Text = GucSetting<Option<CString>>;

static APP_ID: Text = GucSetting::<Option<CString>>::new(None);
static REGION: Text = GucSetting::<Option<CString>>::new(None);
static API_KEY: Text = GucSetting::<Option<CString>>::new(None);
static API_KEY_FILE: Text = GucSetting::<Option<CString>>::new(None);
static API_BASE_URL: Text = GucSetting::<Option<CString>>::new(None);
static CA_FILE: Text = GucSetting::<Option<CString>>::new(None);
static PROXY: Text = GucSetting::<Option<CString>>::new(None);
static REQUEST_TIMEOUT: GucSetting<i32> = GucSetting::<i32>::new(5_000);
static CONNECT_TIMEOUT: GucSetting<i32> = GucSetting::<i32>::new(2_000);
static RATE_LIMIT: GucSetting<i32> = GucSetting::<i32>::new(0);
static CONCURRENCY: GucSetting<i32> = GucSetting::<i32>::new(16);
static MAX_ATTEMPTS: GucSetting<i32> = GucSetting::<i32>::new(12);
static ON_DELETE: GucSetting<OnDelete> = GucSetting::<OnDelete>::new(OnDelete::Deactivate);
static SYNC_UNCONFIRMED: GucSetting<bool> = GucSetting::<bool>::new(true);
static SYNC_ANONYMOUS: GucSetting<bool> = GucSetting::<bool>::new(false);
static USER_RATE_LIMIT: GucSetting<i32> = GucSetting::<i32>::new(10);
static DISPLAY_NAME_FIELDS: Text = GucSetting::<Option<CString>>::new(Some(NAME_FIELDS));

const NAME_FIELDS: &CStr = c"display_name,full_name,name,user_name,preferred_username";

/// Declares the settings and reserves their prefix.
///
/// SECURITY: what decides where the key goes, or what it is, takes a superuser (or `GRANT SET`);
/// the key itself takes the configuration file.
pub fn init() {
    let superuser_text = |name, short, long, setting| {
        GucRegistry::define_string_guc(
            name,
            short,
            long,
            setting,
            GucContext::Suset,
            GucFlags::default(),
        );
    };
    superuser_text(
        c"cometchat.app_id",
        c"Id of the CometChat app.",
        c"From the CometChat dashboard. Where it is empty, the Vault secret cometchat_app_id serves.",
        &APP_ID,
    );
    superuser_text(
        c"cometchat.region",
        c"Region of the CometChat app: us, eu or in.",
        c"Where it is empty, the Vault secret cometchat_region serves.",
        &REGION,
    );
    superuser_text(
        c"cometchat.api_key_file",
        c"File with the REST API key of the CometChat app.",
        c"Owned by the database user (mode 0600) or by root (0640), like ssl_key_file. Read again when it changes. Where it is empty, the Vault secret cometchat_api_key serves.",
        &API_KEY_FILE,
    );
    superuser_text(
        c"cometchat.api_base_url",
        c"Base URL of CometChat's REST API.",
        c"Empty: https://{app_id}.api-{region}.cometchat.io/v3. Must be https, or http on loopback.",
        &API_BASE_URL,
    );
    superuser_text(
        c"cometchat.ca_file",
        c"PEM file with the certificate authorities to trust.",
        c"It replaces the bundled roots.",
        &CA_FILE,
    );
    superuser_text(
        c"cometchat.proxy",
        c"http CONNECT proxy, http://host:port, without a user name or password.",
        c"Carries https only: an http base URL is on loopback and is reached directly. The environment's proxy variables are not read.",
        &PROXY,
    );
    superuser_text(
        c"cometchat.display_name_fields",
        c"Keys of raw_user_meta_data that are tried for the display name, in this order.",
        c"Separated by commas. a.b is the key b inside a, a+b both joined. The default also finds first and last names, displayName, fullName and those in custom_claims.",
        &DISPLAY_NAME_FIELDS,
    );
    let milliseconds = |name, short, long, setting| {
        GucRegistry::define_int_guc(
            name,
            short,
            long,
            setting,
            1,
            60_000,
            GucContext::Userset,
            GucFlags::UNIT_MS,
        );
    };
    milliseconds(
        c"cometchat.request_timeout",
        c"Time that one SQL call may take, waiting for locks included.",
        c"Never later than 250 ms before the statement's own deadline.",
        &REQUEST_TIMEOUT,
    );
    milliseconds(
        c"cometchat.connect_timeout",
        c"Time that connecting to CometChat may take, TLS included.",
        c"",
        &CONNECT_TIMEOUT,
    );
    let number = |name, short, long, setting, least, most| {
        GucRegistry::define_int_guc(
            name,
            short,
            long,
            setting,
            least,
            most,
            GucContext::Suset,
            GucFlags::default(),
        );
    };
    number(
        c"cometchat.user_rate_limit",
        c"Requests per minute that one untrusted user may cause.",
        c"-1 sets no limit. Counted for all sessions together where the library is preloaded, else for each session by itself.",
        &USER_RATE_LIMIT,
        -1,
        10_000,
    );
    number(
        c"cometchat.rate_limit",
        c"Requests per minute to CometChat.",
        c"0 starts at 500 and follows the limit that the API announces, a positive number is a hard cap, -1 sets none.",
        &RATE_LIMIT,
        -1,
        1_000_000,
    );
    number(
        c"cometchat.concurrency",
        c"Requests that the worker has in flight at the same time.",
        c"",
        &CONCURRENCY,
        1,
        256,
    );
    number(
        c"cometchat.max_attempts",
        c"Failed attempts after which a user is listed in cometchat.failed_users.",
        c"",
        &MAX_ATTEMPTS,
        1,
        1_000,
    );
    GucRegistry::define_enum_guc(
        c"cometchat.on_delete",
        c"What becomes of the CometChat user of a deleted user: deactivate, delete or keep.",
        c"delete is permanent and removes the messages too.",
        &ON_DELETE,
        GucContext::Suset,
        GucFlags::default(),
    );
    let switch = |name, short, setting| {
        GucRegistry::define_bool_guc(
            name,
            short,
            c"An explicit cometchat_ensure_user always acts.",
            setting,
            GucContext::Suset,
            GucFlags::default(),
        );
    };
    switch(
        c"cometchat.sync_unconfirmed",
        c"Sync users by themselves whose e-mail or phone is not confirmed yet.",
        &SYNC_UNCONFIRMED,
    );
    switch(c"cometchat.sync_anonymous", c"Sync anonymous users by themselves.", &SYNC_ANONYMOUS);
    // SAFETY: the show hook below is guarded, calls nothing of Postgres's that could raise, and
    // returns literals.
    unsafe {
        GucRegistry::define_string_guc_with_hooks(
            c"cometchat.api_key",
            c"REST API key of the CometChat app, for development.",
            c"In the configuration file or on the command line only. Production uses api_key_file or Vault.",
            &API_KEY,
            GucContext::Sighup,
            GucFlags::SUPERUSER_ONLY | GucFlags::NO_SHOW_ALL | GucFlags::DISALLOW_IN_AUTO_FILE,
            None,
            None,
            Some(show_api_key),
        );
        pg_sys::MarkGUCPrefixReserved(c"cometchat".as_ptr());
    }
}

/// SECURITY: the key is shown to nobody, superusers included.
#[pg_guard]
unsafe extern "C-unwind" fn show_api_key() -> *const std::ffi::c_char {
    if value(&API_KEY).is_some() { c"set" } else { c"" }.as_ptr()
}

/// Where requests go, and how.
#[derive(Debug)]
pub struct Endpoint {
    pub app_id: String,
    pub base_url: String,
    pub ca_file: Option<String>,
    pub proxy: Option<String>,
}

/// Where the API key comes from.
#[derive(Debug)]
pub enum KeySource {
    File(String),
    Setting(CString),
    Vault,
}

/// The app that calls are about.
///
/// # Errors
/// [`Failure::NotConfigured`] when it is missing or no app id.
pub fn app_id() -> Result<String, Failure> {
    let app_id = setting_or_secret(&APP_ID, "app_id")?;
    if !limits::valid_app_id(&app_id) {
        return Err(malformed("app_id"));
    }
    Ok(app_id)
}

/// Everything a request needs to know besides the key.
///
/// # Errors
/// [`Failure::NotConfigured`] naming the setting that is missing or malformed.
pub fn endpoint(app_id: String) -> Result<Endpoint, Failure> {
    let region = setting_or_secret(&REGION, "region")?;
    if !limits::valid_region(&region) {
        return Err(malformed("region"));
    }
    let base_url = match value(&API_BASE_URL) {
        None => limits::base_url(&app_id, &region),
        Some(url) => limits::check_base_url(&url).map_err(|_| malformed("api_base_url"))?,
    };
    let valid = |url: String| limits::valid_proxy(&url).ok_or_else(|| malformed("proxy"));
    let proxy = value(&PROXY).map(valid).transpose()?;
    Ok(Endpoint { app_id, base_url, ca_file: value(&CA_FILE), proxy })
}

/// The first source that is set: file, setting, Vault.
pub fn key_source() -> KeySource {
    match (value(&API_KEY_FILE), API_KEY.get()) {
        (Some(path), _) => KeySource::File(path),
        (None, Some(key)) if !key.is_empty() => KeySource::Setting(key),
        _ => KeySource::Vault,
    }
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

/// Failed attempts after which a user is parked.
pub fn max_attempts() -> i32 {
    MAX_ATTEMPTS.get()
}

/// Which users are synced by themselves, and what becomes of deleted ones.
#[derive(Clone, Copy, Debug)]
pub struct SyncPolicy {
    pub unconfirmed: bool,
    pub anonymous: bool,
    pub on_delete: OnDelete,
}

/// The policy in force.
pub fn sync_policy() -> SyncPolicy {
    SyncPolicy {
        unconfirmed: SYNC_UNCONFIRMED.get(),
        anonymous: SYNC_ANONYMOUS.get(),
        on_delete: ON_DELETE.get(),
    }
}

/// `cometchat.display_name_fields`.
pub struct DisplayNameFields {
    /// The metadata's keys for the display name, in order.
    pub keys: Vec<String>,
    /// Nobody has changed the setting.
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

/// A setting that may not be used as it is.
pub fn malformed(name: &str) -> Failure {
    Failure::NotConfigured(format!("{name} is malformed"))
}

fn setting_or_secret(setting: &Text, name: &str) -> Result<String, Failure> {
    value(setting)
        .or_else(|| users::vault_secret(&format!("cometchat_{name}")))
        .filter(|value| !value.is_empty())
        .ok_or_else(|| Failure::NotConfigured(format!("{name} is missing")))
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
