//! Everything about the stand-in that can be changed while it runs.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// The REST API key accepted unless other keys are configured. It opens nothing but this program.
pub const DEV_API_KEY: &str = "d0d0cafe00000000000000000000000000c0ffee";

/// The app used when a request names none.
pub const DEFAULT_APP: &str = "simulator";

/// What an API key may be used for (sources AU, PC).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Scope {
    /// The "REST API Key": every operation.
    FullAccess,
    /// The "Auth Key": auth tokens only, see [`Settings::auth_key_may_create_users`].
    AuthOnly,
}

/// One accepted API key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Key {
    pub key: String,
    pub scope: Scope,
    /// The only app the key belongs to; `None` means every app.
    #[serde(default)]
    pub app: Option<String>,
}

/// How much is remembered about requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RecordMode {
    /// Every request with its body, plus counters.
    Full,
    /// Counters only.
    Counts,
    /// Nothing but connection and concurrency gauges.
    Off,
}

/// What `metadata` in an update does to the stored metadata; CometChat does not say which.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MetadataOnPut {
    Replace,
    Merge,
}

/// Spelling of the rate-limit headers; the documentation has both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HeaderStyle {
    /// `X-Rate-Limit`, `X-Rate-Limit-Remaining`, `X-Rate-Limit-Reset` (articles/rate-limits).
    Dashed,
    /// `X-RateLimit-Limit`, `X-RateLimit-Remaining`, `X-RateLimit-Reset` (RL).
    Joined,
    Both,
    None,
}

/// Requests allowed per app and window; `None` means unlimited.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Creating and deleting users.
    pub core: Option<u32>,
    /// Everything else outside the import.
    pub standard: Option<u32>,
    /// `POST /data_import/users`.
    pub import: Option<u32>,
    pub window_ms: u64,
    /// Sent verbatim as `Retry-After` in place of the seconds left in the window (at least 1).
    pub retry_after: Option<String>,
    pub headers: HeaderStyle,
    /// How far the clock of `Date` and of the announced end is ahead.
    pub clock_ms: i64,
    /// The announced end in milliseconds, which no page says, but gateways do.
    pub reset_in_ms: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            core: None,
            standard: None,
            import: None,
            window_ms: 60_000,
            retry_after: None,
            headers: HeaderStyle::Joined,
            clock_ms: 0,
            reset_in_ms: false,
        }
    }
}

impl Limits {
    /// The free "Build" plan: 500 and 500 a minute, 60 imports (RL, DI).
    pub fn build_plan() -> Self {
        Limits { core: Some(500), standard: Some(500), import: Some(60), ..Limits::default() }
    }

    /// Paid plans: 10,000 and 20,000 a minute, 60 imports (RL, DI).
    pub fn paid_plan() -> Self {
        Limits { core: Some(10_000), standard: Some(20_000), import: Some(60), ..Limits::default() }
    }
}

/// The settings; each field is also a key of `PATCH /_control/settings`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// App ids accepted; empty means any, each with users of its own.
    pub apps: Vec<String>,
    /// The app of requests that name none.
    pub default_app: String,
    pub keys: Vec<Key>,
    /// Roles that exist; naming another is ERR_ROLE_NOT_FOUND.
    pub roles: Vec<String>,
    pub limits: Limits,
    /// Users an app may hold before ERR_PLAN_QUOTA_RESTRICTION.
    pub quota: Option<usize>,
    /// HTTP status of ERR_UID_ALREADY_EXISTS: 400 (QA) or 409 (SKP).
    pub duplicate_status: u16,
    pub metadata_on_put: MetadataOnPut,
    /// Whether a token request without `force: true` gets the newest existing token.
    pub token_reuse: bool,
    /// Whether an import replaces existing users rather than refusing their rows (SKM: unclear).
    pub import_overwrites: bool,
    /// Whether an import leaves existing users as they are and calls that a success.
    pub import_keeps: bool,
    /// Rows of an import that are refused with this code, by uid; without a code the row is imported and
    /// left out of the answer.
    pub import_rows: BTreeMap<String, String>,
    /// Put imported users at `data.<uid>.data.data`, as an older page shows.
    pub import_nested: bool,
    /// Whether an `authOnly` key may create users: AU says yes, PC and EG say no.
    pub auth_key_may_create_users: bool,
    pub record: RecordMode,
    /// Recorded requests kept; the oldest go first.
    pub record_limit: usize,
    /// Added to the answer time of every API request.
    pub latency_ms: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            apps: Vec::new(),
            default_app: DEFAULT_APP.into(),
            keys: vec![Key { key: DEV_API_KEY.into(), scope: Scope::FullAccess, app: None }],
            roles: vec!["default".into()],
            limits: Limits::default(),
            quota: None,
            duplicate_status: 400,
            metadata_on_put: MetadataOnPut::Replace,
            token_reuse: true,
            import_overwrites: false,
            import_keeps: false,
            import_rows: BTreeMap::new(),
            import_nested: false,
            auth_key_may_create_users: false,
            record: RecordMode::Full,
            record_limit: 100_000,
            latency_ms: 0,
        }
    }
}

impl Settings {
    /// These settings with the fields of `patch` put over them, one level deep inside `limits`.
    pub fn patched(&self, patch: &Value) -> Result<Settings, String> {
        let mut whole = serde_json::to_value(self).map_err(|e| e.to_string())?;
        let fields = patch.as_object().ok_or("a JSON object is needed")?;
        for (name, value) in fields {
            match (whole.get_mut(name), value.as_object()) {
                (Some(Value::Object(old)), Some(new)) => {
                    old.extend(new.iter().map(|(k, v)| (k.clone(), v.clone())))
                }
                _ => whole[name.as_str()] = value.clone(),
            }
        }
        let settings: Settings = serde_json::from_value(whole).map_err(|e| e.to_string())?;
        if !(200..=599).contains(&settings.duplicate_status) {
            return Err("duplicate_status must be an HTTP status from 200 to 599".into());
        }
        Ok(settings)
    }
}
