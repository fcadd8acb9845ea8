//! `/_control/users` and `/_control/seed`: users looked at and changed past the API.

use super::{no_such_endpoint, Ask, Refusal};
use crate::state::store::Which;
use serde_json::{json, Value};

pub fn serve(ask: &Ask<'_>, method: &str, parts: &[&str]) -> Result<Value, Refusal> {
    let (shared, app) = (ask.shared, ask.app());
    let unknown = |uid: &str| (404, format!("no user {uid} to do this to"));
    match (method, parts) {
        ("GET", ["users"]) => {
            let offset = ask.number("offset")?.unwrap_or(0);
            let users = shared.users(&app, offset, ask.number("limit")?.unwrap_or(1000));
            let total = shared.with_store(&app, |store| store.count(Which::All));
            Ok(json!({ "app": app, "total": total, "users": users }))
        }
        ("POST", ["users"]) => {
            let user = shared.add_user(&app, &ask.body).map_err(|problem| (400, problem))?;
            Ok(json!({ "user": user }))
        }
        ("GET", ["users", uid]) => {
            let user = shared.user(&app, uid).ok_or_else(|| unknown(uid))?;
            Ok(json!({ "user": user, "tokens": shared.tokens(&app, uid) }))
        }
        ("DELETE", ["users", uid]) => {
            shared.delete(&app, uid).then(|| json!({ "deleted": uid })).ok_or_else(|| unknown(uid))
        }
        ("POST", ["users", uid, "deactivate"]) => {
            let done = shared.set_active(&app, uid, false);
            done.then(|| json!({ "deactivated": uid })).ok_or_else(|| unknown(uid))
        }
        ("POST", ["users", uid, "reactivate"]) => {
            let done = shared.set_active(&app, uid, true);
            done.then(|| json!({ "reactivated": uid })).ok_or_else(|| unknown(uid))
        }
        ("POST", ["seed"]) => {
            let count = ask.body.get("count").and_then(Value::as_u64);
            let count = count.ok_or((400, "count must be a number".to_owned()))?;
            let prefix = ask.body.get("prefix").and_then(Value::as_str).unwrap_or("user-");
            let added = shared.seed(&app, prefix, count as usize);
            Ok(json!({ "added": added.map_err(|problem| (400, problem))? }))
        }
        _ => Err(no_such_endpoint()),
    }
}
