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
    if API_KEY.get().is_some_and(|key| !key.is_empty()) { c"set" } else { c"" }.as_ptr()
}
