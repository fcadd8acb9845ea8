//! The settings under `cometchat.`: their names, descriptions, defaults and bounds.

use std::ffi::{CStr, CString};

use pgrx::{pg_guard, pg_sys, GucContext, GucFlags, GucRegistry, GucSetting, PostgresGucEnum};
use sync::job::OnDelete;

pub(super) type Text = GucSetting<Option<CString>>;

pub(super) static APP_ID: Text = GucSetting::<Option<CString>>::new(None);
pub(super) static REGION: Text = GucSetting::<Option<CString>>::new(None);
pub(super) static API_KEY: Text = GucSetting::<Option<CString>>::new(None);
pub(super) static API_KEY_FILE: Text = GucSetting::<Option<CString>>::new(None);
pub(super) static API_BASE_URL: Text = GucSetting::<Option<CString>>::new(None);
pub(super) static CA_FILE: Text = GucSetting::<Option<CString>>::new(None);
pub(super) static PROXY: Text = GucSetting::<Option<CString>>::new(None);
pub(super) static REQUEST_TIMEOUT: GucSetting<i32> = GucSetting::<i32>::new(5_000);
pub(super) static CONNECT_TIMEOUT: GucSetting<i32> = GucSetting::<i32>::new(2_000);
pub(super) static RATE_LIMIT: GucSetting<i32> = GucSetting::<i32>::new(0);
pub(super) static CONCURRENCY: GucSetting<i32> = GucSetting::<i32>::new(16);
pub(super) static MAX_ATTEMPTS: GucSetting<i32> = GucSetting::<i32>::new(12);
pub(super) static ON_DELETE: GucSetting<OnDeleteSetting> =
    GucSetting::<OnDeleteSetting>::new(OnDeleteSetting::Deactivate);
pub(super) static SYNC_UNCONFIRMED: GucSetting<bool> = GucSetting::<bool>::new(true);
pub(super) static SYNC_ANONYMOUS: GucSetting<bool> = GucSetting::<bool>::new(false);
pub(super) static BULK_IMPORT: GucSetting<bool> = GucSetting::<bool>::new(true);
pub(super) static USER_RATE_LIMIT: GucSetting<i32> = GucSetting::<i32>::new(10);
pub(super) static DISPLAY_NAME_FIELDS: Text = GucSetting::<Option<CString>>::new(Some(NAME_FIELDS));

pub(super) const NAME_FIELDS: &CStr = c"display_name,full_name,name,user_name,preferred_username";

/// `cometchat.on_delete` as Postgres knows it.
#[derive(Clone, Copy, Debug, PostgresGucEnum)]
pub(super) enum OnDeleteSetting {
    #[name = c"deactivate"]
    Deactivate,
    #[name = c"delete"]
    Delete,
    #[name = c"keep"]
    Keep,
}

impl From<OnDeleteSetting> for OnDelete {
    fn from(setting: OnDeleteSetting) -> OnDelete {
        match setting {
            OnDeleteSetting::Deactivate => OnDelete::Deactivate,
            OnDeleteSetting::Delete => OnDelete::Delete,
            OnDeleteSetting::Keep => OnDelete::Keep,
        }
    }
}

/// Name, short and long description, variable.
type Setting<T> = (&'static CStr, &'static CStr, &'static CStr, &'static GucSetting<T>);

/// Takes a superuser, or `GRANT SET`.
static SUPERUSER_TEXTS: [Setting<Option<CString>>; 7] = [
    (
        c"cometchat.app_id",
        c"Id of the CometChat app.",
        c"From the CometChat dashboard. Where it is empty, the Vault secret cometchat_app_id serves.",
        &APP_ID,
    ),
    (
        c"cometchat.region",
        c"Region of the CometChat app: us, eu or in.",
        c"Where it is empty, the Vault secret cometchat_region serves.",
        &REGION,
    ),
    (
        c"cometchat.api_key_file",
        c"File with the REST API key of the CometChat app.",
        c"Owned by the database user (mode 0600) or by root (0640), like ssl_key_file. Read again when it changes. Where it is empty, the Vault secret cometchat_api_key serves.",
        &API_KEY_FILE,
    ),
    (
        c"cometchat.api_base_url",
        c"Base URL of CometChat's REST API.",
        c"Empty: https://{app_id}.api-{region}.cometchat.io/v3. Must be https, or http on loopback.",
        &API_BASE_URL,
    ),
    (
        c"cometchat.ca_file",
        c"PEM file with the certificate authorities to trust.",
        c"It replaces the bundled roots.",
        &CA_FILE,
    ),
    (
        c"cometchat.proxy",
        c"http CONNECT proxy, http://host:port, without a user name or password.",
        c"Carries https only: an http base URL is on loopback and is reached directly. The environment's proxy variables are not read.",
        &PROXY,
    ),
    (
        c"cometchat.display_name_fields",
        c"Keys of raw_user_meta_data that are tried for the display name, in this order.",
        c"Separated by commas. a.b is the key b inside a, a+b both joined. The default also finds first and last names, displayName, fullName and those in custom_claims.",
        &DISPLAY_NAME_FIELDS,
    ),
];

/// Milliseconds, from 1 to 60,000; every user may set them.
static TIMEOUTS: [Setting<i32>; 2] = [
    (
        c"cometchat.request_timeout",
        c"Time that one SQL call may take, waiting for locks included.",
        c"Never later than 250 ms before the statement's own deadline.",
        &REQUEST_TIMEOUT,
    ),
    (
        c"cometchat.connect_timeout",
        c"Time that connecting to CometChat may take, TLS included.",
        c"",
        &CONNECT_TIMEOUT,
    ),
];

/// With the smallest and the largest value; a superuser's.
static NUMBERS: [(Setting<i32>, i32, i32); 4] = [
    ((c"cometchat.user_rate_limit",
        c"Requests per minute that one untrusted user may cause.",
        c"-1 sets no limit. Counted for all sessions together where the library is preloaded, else for each session by itself.",
        &USER_RATE_LIMIT),
        -1,
        10_000,
    ),
    ((c"cometchat.rate_limit",
        c"Requests per minute to CometChat.",
        c"0 starts at 500 and follows the limit that the API announces, a positive number is a hard cap, -1 sets none.",
        &RATE_LIMIT),
        -1,
        1_000_000,
    ),
    ((c"cometchat.concurrency",
        c"Requests that the worker has in flight at the same time.",
        c"",
        &CONCURRENCY),
        1,
        256,
    ),
    ((c"cometchat.max_attempts",
        c"Failed attempts after which a user is listed in cometchat.failed_users.",
        c"",
        &MAX_ATTEMPTS),
        1,
        1_000,
    ),
];

/// On or off; a superuser's.
static SWITCHES: [Setting<bool>; 3] = [
    (
        c"cometchat.bulk_import",
        c"Create the users of the backlog fifty at a time, by CometChat's import.",
        c"Where the plan has no import, they are created singly by themselves.",
        &BULK_IMPORT,
    ),
    (
        c"cometchat.sync_unconfirmed",
        c"Sync users by themselves whose e-mail or phone is not confirmed yet.",
        c"An explicit cometchat_ensure_user always acts.",
        &SYNC_UNCONFIRMED,
    ),
    (
        c"cometchat.sync_anonymous",
        c"Sync anonymous users by themselves.",
        c"An explicit cometchat_ensure_user always acts.",
        &SYNC_ANONYMOUS,
    ),
];

/// Declares the settings and reserves their prefix.
///
/// SECURITY: what decides where the key goes, or what it is, takes a superuser (or `GRANT SET`);
/// the key itself takes the configuration file.
pub fn init() {
    let no_flags = GucFlags::default();
    for (name, short, long, setting) in &SUPERUSER_TEXTS {
        GucRegistry::define_string_guc(name, short, long, setting, GucContext::Suset, no_flags);
    }
    for (name, short, long, setting) in &TIMEOUTS {
        let (context, flags) = (GucContext::Userset, GucFlags::UNIT_MS);
        GucRegistry::define_int_guc(name, short, long, setting, 1, 60_000, context, flags);
    }
    for ((name, short, long, setting), min, max) in &NUMBERS {
        GucRegistry::define_int_guc(
            name,
            short,
            long,
            setting,
            *min,
            *max,
            GucContext::Suset,
            no_flags,
        );
    }
    GucRegistry::define_enum_guc(
        c"cometchat.on_delete",
        c"What becomes of the CometChat user of a deleted user: deactivate, delete or keep.",
        c"delete is permanent and removes the messages too.",
        &ON_DELETE,
        GucContext::Suset,
        no_flags,
    );
    for (name, short, long, setting) in &SWITCHES {
        GucRegistry::define_bool_guc(name, short, long, setting, GucContext::Suset, no_flags);
    }
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

/// SECURITY: no role sees the key, superusers included.
#[pg_guard]
unsafe extern "C-unwind" fn show_api_key() -> *const std::ffi::c_char {
    if API_KEY.get().is_some_and(|key| !key.is_empty()) { c"set" } else { c"" }.as_ptr()
}
