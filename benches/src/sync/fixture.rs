//! A server with the worker at work, and the CometChat that it talks to.

use std::thread;
use std::time::{Duration, Instant};

use postgres::Client;
use scenarios::{Cluster, Database, Process, Stack};
use simulator::{RecordMode, Simulator};
use uuid::Uuid;

use crate::null_server::NullServer;

/// As a server of one's own would be: durable commits, autovacuum, the default 128 MB of buffers.
const CONF: [&str; 4] = [
    "shared_preload_libraries = 'cometchat_ext'",
    "fsync = on",
    "checkpoint_timeout = 1h",
    "max_wal_size = 4GB",
];

/// What the measurements of the sync stand on.
pub struct Fixture {
    pub stack: Stack,
    pub server: NullServer,
}

impl Fixture {
    pub fn new() -> Fixture {
        Fixture::with(&[])
    }

    /// With more lines in postgresql.conf. The trigger is attached, the worker works.
    pub fn with(conf: &[&str]) -> Fixture {
        let conf = [&CONF[..], conf].concat();
        let chat = Simulator::builder().record(RecordMode::Counts).start().expect("a simulator");
        let stack = Stack::on(Database::like_supabase(Cluster::start(&conf)), chat);
        let server = NullServer::open();
        stack.db.set("cometchat.api_base_url", Some(&server.base_url()));
        stack.db.set("cometchat.bulk_import", Some("off")); // what is measured is single requests
        let fixture = Fixture { stack, server };
        fixture.stack.execute("SELECT cometchat.enable_auth_trigger()");
        fixture.resume();
        fixture
    }

    /// A session of the Auth server.
    pub fn auth_server(&self) -> Client {
        self.stack.db.connect("supabase_auth_admin")
    }

    /// The worker leaves.
    pub fn pause(&self) {
        self.stack.execute("SELECT cometchat.pause()");
        let mut admin = self.stack.db.admin();
        wait_until("the worker leaves", || worker(&mut admin).is_none());
    }

    /// The worker comes, with the settings of the database as they are now.
    pub fn resume(&self) {
        self.stack.execute("SELECT cometchat.resume()");
        let mut admin = self.stack.db.admin();
        wait_until("a worker comes", || worker(&mut admin).is_some());
    }

    /// The worker's process.
    pub fn worker(&self) -> Process {
        worker(&mut self.stack.db.admin()).expect("a worker")
    }

    /// No users, no queue, and the worker paused.
    pub fn clear(&self) {
        self.pause();
        self.stack.execute(
            "TRUNCATE cometchat.sync_state, public.cometchat_users, auth.users CASCADE; CHECKPOINT",
        );
    }

    /// Many sign-ups that nobody was told of, all of them queued; the worker is paused.
    pub fn fill(&self, users: usize) {
        self.clear();
        self.stack.execute(&format!(
            "SELECT cometchat.disable_auth_trigger();
             INSERT INTO auth.users (id, email, raw_user_meta_data)
             SELECT gen_random_uuid(), n || '@example.com',
                    jsonb_build_object('full_name', 'User ' || n)
             FROM generate_series(1, {users}) AS n;
             SELECT cometchat.enable_auth_trigger(), cometchat.backfill();
             ANALYZE auth.users; ANALYZE cometchat.sync_state; CHECKPOINT"
        ));
    }

    /// Waits until nothing is left to do for `user`.
    pub fn settle(&self, admin: &mut Client, user: Uuid) {
        let sql = "SELECT count(*) FROM cometchat.sync_state
                   WHERE user_id = $1 AND (claim IS NOT NULL OR next_attempt_at IS NOT NULL)";
        wait_until("the user is synced", || {
            admin.query_one(sql, &[&user]).expect(sql).get::<_, i64>(0) == 0
        });
    }
}

fn worker(admin: &mut Client) -> Option<Process> {
    let sql = "SELECT pid FROM pg_stat_activity
               WHERE backend_type = 'cometchat worker' AND datname = current_database()";
    admin.query_opt(sql, &[]).expect(sql).map(|row| Process(row.get(0)))
}

/// Looks often, so that little time passes unseen, and not for ever.
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let give_up = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < give_up, "waited in vain: {what}");
        thread::sleep(Duration::from_micros(500));
    }
}
