//! The CometChat app of this database: its id, where requests go, and the API key. From settings, or
//! else from Vault.

pub mod api_key; // read from a file, Vault or the setting
pub mod file_cache; // what was read from a file, until the file changes

use std::ffi::CString;

use cometchat::limits;

use crate::{config, store};
use sync::error::CallError;

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
/// [`CallError::NotConfigured`] when it is missing or no app id.
pub fn app_id() -> Result<String, CallError> {
    let app_id = setting_or_secret(config::app_id(), "app_id")?;
    if !limits::valid_app_id(&app_id) {
        return Err(malformed("app_id"));
    }
    Ok(app_id)
}

/// Everything a request needs to know besides the key.
///
/// # Errors
/// [`CallError::NotConfigured`] naming the setting that is missing or malformed.
pub fn endpoint(app_id: String) -> Result<Endpoint, CallError> {
    let region = setting_or_secret(config::region(), "region")?;
    if !limits::valid_region(&region) {
        return Err(malformed("region"));
    }
    let base_url = match config::api_base_url() {
        None => limits::base_url(&app_id, &region),
        Some(url) => limits::check_base_url(&url).map_err(|_| malformed("api_base_url"))?,
    };
    let valid = |url: String| limits::valid_proxy(&url).ok_or_else(|| malformed("proxy"));
    let proxy = config::proxy().map(valid).transpose()?;
    Ok(Endpoint { app_id, base_url, ca_file: config::ca_file(), proxy })
}

/// The first source that is set: file, setting, Vault.
pub fn key_source() -> KeySource {
    match (config::api_key_file(), config::api_key()) {
        (Some(path), _) => KeySource::File(path),
        (None, Some(key)) => KeySource::Setting(key),
        _ => KeySource::Vault,
    }
}

/// A setting that may not be used as it is.
pub fn malformed(name: &str) -> CallError {
    CallError::NotConfigured(format!("{name} is malformed"))
}

fn setting_or_secret(setting: Option<String>, name: &str) -> Result<String, CallError> {
    setting
        .or_else(|| store::vault_secret(&format!("cometchat_{name}")))
        .filter(|value| !value.is_empty())
        .ok_or_else(|| CallError::NotConfigured(format!("{name} is missing")))
}
