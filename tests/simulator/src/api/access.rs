//! Which app a request is for, and whether its key may do what it asks.

use super::error::ApiError;
use super::route::Operation;
use crate::settings::{Scope, Settings};
use crate::state::journal::KeySeen;
use hyper::header::{HeaderMap, HOST};

/// The app named by the `appId` header, else by the host, else the default one.
pub fn app_id(settings: &Settings, headers: &HeaderMap) -> String {
    if let Some(id) = text(headers, "appid") {
        return id;
    }
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or("");
    match host.split_once('.') {
        // {appId}.api-{region}.cometchat.io (OA); staging hosts differ only in the domain.
        Some((app, rest)) if rest.starts_with("api-") => app.to_owned(),
        _ => settings.default_app.clone(),
    }
}

/// Refuses apps outside the allow-list. The statuses are presumed (EG gives codes only).
pub fn check_app(settings: &Settings, app: &str) -> Result<(), ApiError> {
    if app.is_empty() {
        let message = "The request names no app.";
        return Err(ApiError::new(401, "AUTH_ERR_EMPTY_APPID", message));
    }
    if settings.apps.is_empty() || settings.apps.iter().any(|known| known == app) {
        return Ok(());
    }
    let message = format!("No app {app} exists in this region.");
    Err(ApiError::new(401, "AUTH_ERR_INVALID_APPID", message))
}

/// What kind of key the request carries for this app.
pub fn key_seen(settings: &Settings, headers: &HeaderMap, app: &str) -> KeySeen {
    let Some(key) = text(headers, "apikey") else { return KeySeen::Missing };
    if key.is_empty() {
        return KeySeen::Empty;
    }
    let fits = |of: &Option<String>| of.as_deref().is_none_or(|of| of == app);
    match settings.keys.iter().find(|k| k.key == key && fits(&k.app)).map(|k| k.scope) {
        Some(Scope::FullAccess) => KeySeen::FullAccess,
        Some(Scope::AuthOnly) => KeySeen::AuthOnly,
        None => KeySeen::Unknown,
    }
}

/// Refuses missing, unknown and too narrow keys.
pub fn check_key(
    settings: &Settings,
    headers: &HeaderMap,
    seen: KeySeen,
    operation: Operation,
) -> Result<(), ApiError> {
    let key = || masked(&text(headers, "apikey").unwrap_or_default());
    match seen {
        KeySeen::FullAccess => Ok(()),
        KeySeen::Missing | KeySeen::Empty => {
            let message = "The request carries no apikey.";
            Err(ApiError::new(401, "AUTH_ERR_EMPTY_APIKEY", message))
        }
        KeySeen::Unknown => {
            // 401, not the 404 of one older port: captured live (LIVE401).
            let message = format!("The key {} does not exist. Please use correct apiKey.", key());
            Err(ApiError::new(401, "AUTH_ERR_APIKEY_NOT_FOUND", message))
        }
        KeySeen::AuthOnly => match operation {
            Operation::CreateToken => Ok(()),
            Operation::CreateUser if settings.auth_key_may_create_users => Ok(()),
            _ => {
                let message = format!("The scope of key {} does not cover this operation.", key());
                Err(ApiError::new(403, "AUTH_ERR_NO_ACCESS", message))
            }
        },
    }
}

/// The first and last five characters, stars between (LIVE401).
pub fn masked(key: &str) -> String {
    let letters: Vec<char> = key.chars().collect();
    let hidden = |place: usize| letters.len() <= 10 || (place >= 5 && place + 5 < letters.len());
    letters.iter().enumerate().map(|(place, c)| if hidden(place) { '*' } else { *c }).collect()
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    let value = headers.get(name)?;
    Some(String::from_utf8_lossy(value.as_bytes()).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::masked;

    #[test]
    fn keys_are_masked_but_for_five_at_each_end() {
        assert_eq!(masked("abcde1234567vwxyz"), "abcde*******vwxyz");
        assert_eq!(masked("short"), "*****");
    }
}
