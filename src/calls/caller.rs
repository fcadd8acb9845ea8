//! Who calls, and which user the call is about. Decided before any table is read.
//!
//! SECURITY: trust never depends on a setting, a search_path or `current_user`: it is the role in
//! force outside all functions, and what that role was granted. Every other caller is the `sub` of the
//! session's claims and may ask for that user only.

use uuid::Uuid;

use crate::pg::{rights, session};
use crate::store;
use sync::error::CallError;

/// A caller who was found entitled to ask for `user`.
#[derive(Clone, Copy, Debug)]
pub struct Caller {
    /// The user that the call is about.
    pub user: Uuid,
    /// Superuser, owner of the extension, or may execute `cometchat.enqueue`.
    pub trusted: bool,
}

/// Decides which user the call is about.
///
/// # Errors
/// [`CallError::Unauthorized`]; [`CallError::InvalidInput`] for a trusted caller who names no user.
pub fn identify(named: Option<Uuid>) -> Result<Caller, CallError> {
    // SECURITY: another role's index expression in a superuser's ANALYZE, say. The outer role is then
    // that superuser, who has not called us.
    if rights::are_restricted() {
        return Err(CallError::Unauthorized);
    }
    // The role that calls must be trusted too: Postgres runs a foreign key's cascade, say, with the
    // rights of a table's owner, and this library no function as a definer.
    let (outer, inner) = (session::outer_role(), session::current_role());
    let trusted = store::is_trusted(outer) && (inner == outer || store::is_trusted(inner));
    let user = match (named, trusted) {
        (Some(user), true) => user,
        (None, true) => subject().ok_or(CallError::InvalidInput("user_id is missing"))?,
        (named, false) => {
            let subject = subject().ok_or(CallError::Unauthorized)?;
            if named.is_some_and(|named| named != subject) {
                return Err(CallError::Unauthorized);
            }
            subject
        }
    };
    Ok(Caller { user, trusted })
}

/// The `sub` of the session's claims, in PostgREST's old or new style.
///
/// Broken JSON, no `sub`, or one that is no uuid count as no session. So do two styles that name
/// different users: one of them was not set by PostgREST. (The row security policy in
/// sql/policies.sql reads the claims as well; there the old style wins.)
fn subject() -> Option<Uuid> {
    let old_style = session::setting("request.jwt.claim.sub");
    let new_style = session::setting("request.jwt.claims")
        .and_then(|claims| serde_json::from_str::<serde_json::Value>(&claims).ok())
        .and_then(|claims| claims.get("sub")?.as_str().map(str::to_owned));
    match (old_style, new_style) {
        (Some(old), Some(new)) => {
            let (old, new) = (parse_uuid(&old)?, parse_uuid(&new)?);
            (old == new).then_some(old)
        }
        (Some(sub), None) | (None, Some(sub)) => parse_uuid(&sub),
        (None, None) => None,
    }
}

/// A uuid in the one form that JWTs have: 36 characters.
fn parse_uuid(text: &str) -> Option<Uuid> {
    (text.len() == 36).then(|| Uuid::try_parse(text).ok()).flatten()
}
