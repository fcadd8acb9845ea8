//! Every app with its users and rate-limit buckets.

use super::bucket::Bucket;
use super::store::Store;
use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

/// One CometChat app.
#[derive(Default)]
pub struct App {
    pub store: Store,
    pub core: Bucket,
    pub standard: Bucket,
    pub import: Bucket,
}

/// All apps that have been called or filled so far.
#[derive(Default)]
pub struct World {
    pub apps: BTreeMap<String, App>,
}

impl World {
    /// The app of that id, made on first sight.
    pub fn app(&mut self, id: &str) -> &mut App {
        self.apps.entry(id.to_owned()).or_default()
    }
}

/// Seconds since 1970, the API's unit of time.
pub fn unix_now() -> u32 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs() as u32)
}
