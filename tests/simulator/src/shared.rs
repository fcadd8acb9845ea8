//! What connections, the control API and the Rust handle all work on.

use crate::api::users;
use crate::faults::book::{FaultBook, FaultStatus};
use crate::faults::Fault;
use crate::net::switch::{ListenerState, Switch};
use crate::settings::Settings;
use crate::state::counters::Counters;
use crate::state::gauges::Gauges;
use crate::state::journal::{Journal, Recorded};
use crate::state::store::{Store, Which};
use crate::state::user::UserView;
use crate::state::world::{unix_now, World};
use serde_json::{json, Value};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Locks, also after another thread panicked: a broken test must not hide behind a poisoned lock.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Conditions on recorded requests; all that are given must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    pub operation: Option<String>,
    pub method: Option<String>,
    pub uid: Option<String>,
    pub status: Option<u16>,
    pub app: Option<String>,
    /// Requests with a greater `seq` only.
    pub after: Option<u64>,
}

impl Filter {
    pub fn holds(&self, request: &Recorded) -> bool {
        fn is(wanted: &Option<String>, actual: &str) -> bool {
            wanted.as_deref().is_none_or(|wanted| wanted == actual)
        }
        is(&self.operation, &request.operation)
            && is(&self.method, &request.method)
            && is(&self.app, &request.app)
            && (self.uid.is_none() || self.uid == request.uid)
            && (self.status.is_none() || self.status == request.status)
            && self.after.is_none_or(|seq| request.seq > seq)
    }
}

/// The whole state of one simulator.
pub struct Shared {
    settings: RwLock<Arc<Settings>>,
    initial: Settings,
    world: Mutex<World>,
    pub journal: Mutex<Journal>,
    pub faults: Mutex<FaultBook>,
    pub gauges: Arc<Gauges>,
    pub switch: Switch,
    pub started: Instant,
    pub ca_pem: Option<String>,
}

impl Shared {
    pub fn new(settings: Settings, ca_pem: Option<String>) -> Self {
        Shared {
            settings: RwLock::new(Arc::new(settings.clone())),
            initial: settings,
            world: Mutex::default(),
            journal: Mutex::default(),
            faults: Mutex::default(),
            gauges: Arc::default(),
            switch: Switch::default(),
            started: Instant::now(),
            ca_pem,
        }
    }

    pub fn settings(&self) -> Arc<Settings> {
        self.settings.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Changes the settings for requests that arrive from now on.
    pub fn change<E>(
        &self,
        change: impl FnOnce(&Settings) -> Result<Settings, E>,
    ) -> Result<Arc<Settings>, E> {
        let mut place = self.settings.write().unwrap_or_else(PoisonError::into_inner);
        *place = Arc::new(change(&place)?);
        Ok(place.clone())
    }

    pub fn world(&self) -> MutexGuard<'_, World> {
        lock(&self.world)
    }

    pub fn unix_ms(&self) -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as u64)
    }

    /// Back to the state at the start: no users, records or faults, and the settings as built.
    pub fn reset(&self) {
        let _ = self.change(|_| Ok::<_, ()>(self.initial.clone()));
        lock(&self.faults).clear();
        self.world().apps.clear();
        self.clear_requests();
        self.switch.want(ListenerState::Open);
    }

    pub fn clear_requests(&self) {
        lock(&self.journal).clear();
        self.gauges.clear();
    }

    pub fn counters(&self) -> Counters {
        Counters {
            connections: self.gauges.connections.load(Relaxed),
            open_connections: self.gauges.open.load(Relaxed),
            in_flight: self.gauges.in_flight.load(Relaxed),
            peak_in_flight: self.gauges.peak.load(Relaxed),
            ..lock(&self.journal).counters()
        }
    }

    pub fn requests(&self, filter: &Filter) -> Vec<Recorded> {
        lock(&self.journal).requests().filter(|request| filter.holds(request)).cloned().collect()
    }

    pub fn count(&self, filter: &Filter) -> usize {
        lock(&self.journal).requests().filter(|request| filter.holds(request)).count()
    }

    pub fn add_fault(&self, fault: Fault) -> Result<u64, String> {
        fault.check()?;
        Ok(lock(&self.faults).add(fault))
    }

    pub fn fault_list(&self) -> Vec<FaultStatus> {
        lock(&self.faults).list().to_vec()
    }

    /// Runs on the users of an app.
    pub fn with_store<T>(&self, app: &str, action: impl FnOnce(&mut Store) -> T) -> T {
        action(&mut self.world().app(app).store)
    }

    pub fn user(&self, app: &str, uid: &str) -> Option<Value> {
        let uid = uid.to_lowercase();
        self.with_store(app, |store| Some(json!(UserView::plain(store.any(&uid)?))))
    }

    pub fn users(&self, app: &str, offset: usize, limit: usize) -> Vec<Value> {
        self.with_store(app, |store| {
            let users = store.page(Which::All, offset, limit);
            users.map(|user| json!(UserView::plain(user))).collect()
        })
    }

    pub fn tokens(&self, app: &str, uid: &str) -> Vec<String> {
        let uid = uid.to_lowercase();
        self.with_store(app, |store| {
            let tokens = store.any(&uid).map(|user| user.tokens.iter()).into_iter().flatten();
            tokens.map(|token| token.text.to_string()).collect()
        })
    }

    /// Adds a user under the rules of the API, save that neither quota nor limits count it.
    pub fn add_user(&self, app: &str, user: &Value) -> Result<Value, String> {
        let map = user.as_object().ok_or("a user is a JSON object")?;
        let checked = users::checked(map, &self.settings());
        let (user, _) = checked.map_err(|refusal| refusal.object().to_string())?;
        self.with_store(app, |store| {
            if store.contains(&user.uid) {
                return Err(format!("the uid {} exists already", user.uid));
            }
            Ok(json!(UserView::plain(store.insert(user))))
        })
    }

    /// Adds users `{prefix}1`, `{prefix}2`, ... quickly; existing ones stay. Returns how many.
    pub fn seed(&self, app: &str, prefix: &str, count: usize) -> Result<usize, String> {
        let settings = self.settings();
        let probe = json!({ "uid": format!("{prefix}{count}"), "name": "probe" });
        let map = probe.as_object().ok_or("unreachable: the probe is an object")?;
        let (model, _) =
            users::checked(map, &settings).map_err(|refusal| refusal.object().to_string())?;
        let prefix = prefix.to_lowercase();
        let mut added = 0;
        // The lock is given up now and then, so that requests are answered meanwhile.
        for first in (1..=count).step_by(1000) {
            self.with_store(app, |store| {
                for number in first..(first + 1000).min(count + 1) {
                    let uid = format!("{prefix}{number}");
                    if !store.contains(&uid) {
                        let mut user = model.clone();
                        user.uid = uid.into();
                        user.name = format!("User {number}").into();
                        store.insert(user);
                        added += 1;
                    }
                }
            });
        }
        Ok(added)
    }

    /// Deactivates or reactivates; false if there is no such user or it is so already.
    pub fn set_active(&self, app: &str, uid: &str, active: bool) -> bool {
        let at = if active { 0 } else { unix_now() };
        let uid = uid.to_lowercase();
        self.with_store(app, |store| store.set_deactivated(&uid, at) == Some(true))
    }

    /// Deletes for good.
    pub fn delete(&self, app: &str, uid: &str) -> bool {
        let uid = uid.to_lowercase();
        self.with_store(app, |store| store.remove(&uid).is_some())
    }
}
