//! Health, state, settings, limits, keys, faults, the listener switch and reset.

use super::{no_such_endpoint, Ask, Refusal};
use crate::faults::Fault;
use crate::net::switch::ListenerState;
use crate::settings::Limits;
use crate::shared::lock;
use crate::state::store::{Store, Which};
use serde_json::{json, Map, Value};

pub fn serve(ask: &Ask<'_>, method: &str, parts: &[&str]) -> Result<Value, Refusal> {
    let shared = ask.shared;
    match (method, parts) {
        ("GET", ["health"]) => {
            Ok(json!({ "ok": true, "uptime_ms": shared.started.elapsed().as_millis() as u64 }))
        }
        ("GET", ["state"]) => Ok(state(ask)),
        ("POST", ["reset"]) => {
            shared.reset();
            Ok(json!({ "reset": true }))
        }
        ("GET", ["ca"]) => match &shared.ca_pem {
            Some(pem) => Ok(json!({ "pem": pem })),
            None => Err((404, "this simulator does not serve HTTPS".into())),
        },
        ("GET", ["settings"]) => Ok(json!(*shared.settings())),
        ("PATCH" | "PUT", ["settings"]) => patch(ask, &ask.body),
        ("GET", ["limits" | "keys" | "roles" | "apps"]) => {
            Ok(json!({ parts[0]: json!(*shared.settings())[parts[0]] }))
        }
        ("PUT", ["limits"]) => {
            let preset = match ask.body.as_str() {
                Some("off") => Limits::default(),
                Some("build") => Limits::build_plan(),
                Some("paid") => Limits::paid_plan(),
                Some(_) => return Err((400, "limits are off, build, paid or an object".into())),
                // What is not named gets its default: a PUT replaces. PATCH settings merges.
                None => serde_json::from_value(ask.body.clone())
                    .map_err(|error| (400, error.to_string()))?,
            };
            patch(ask, &json!({ "limits": preset }))
        }
        ("PUT", ["keys" | "roles" | "apps"]) => patch(ask, &json!({ parts[0]: ask.body })),
        ("GET", ["faults"]) => Ok(json!({ "faults": shared.fault_list() })),
        ("POST", ["faults"]) => {
            let fault = Fault::from_json(&ask.body).map_err(|problem| (400, problem))?;
            let id = shared.add_fault(fault).map_err(|problem| (400, problem))?;
            Ok(json!({ "id": id }))
        }
        ("DELETE", ["faults"]) => {
            lock(&shared.faults).clear();
            Ok(json!({ "cleared": true }))
        }
        ("DELETE", ["faults", id]) => {
            let removed = id.parse().is_ok_and(|id| lock(&shared.faults).remove(id));
            removed.then(|| json!({ "cleared": true })).ok_or((404, format!("no fault {id}")))
        }
        ("GET", ["listener"]) => Ok(json!({ "state": shared.switch.actual() })),
        ("PUT", ["listener"]) => listener(ask),
        _ => Err(no_such_endpoint()),
    }
}

fn patch(ask: &Ask<'_>, fields: &Value) -> Result<Value, Refusal> {
    let settings = ask.shared.change(|old| old.patched(fields));
    Ok(json!(*settings.map_err(|problem| (400, problem))?))
}

fn state(ask: &Ask<'_>) -> Value {
    let apps: Map<String, Value> = {
        let world = ask.shared.world();
        let counts = |store: &Store| {
            let (active, deactivated) =
                (store.count(Which::Active), store.count(Which::Deactivated));
            json!({ "active": active, "deactivated": deactivated })
        };
        world.apps.iter().map(|(id, app)| (id.clone(), counts(&app.store))).collect()
    };
    json!({
        "apps": apps,
        "counters": ask.shared.counters(),
        "faults": ask.shared.fault_list().len(),
        "listener": ask.shared.switch.actual(),
    })
}

/// Turning the switch off on the port it belongs to would leave no way to turn it on again.
fn listener(ask: &Ask<'_>) -> Result<Value, Refusal> {
    let state = ask.body.get("state").cloned().unwrap_or_default();
    let state: ListenerState = serde_json::from_value(state)
        .map_err(|_| (400, "state must be open, paused or closed".to_owned()))?;
    if state != ListenerState::Open && !ask.own_port {
        return Err((409, "start with --control-port and ask there".into()));
    }
    ask.shared.switch.want(state);
    Ok(json!({ "state": state }))
}
