//! What the trigger costs whoever signs up, edits a profile, or logs in.
//!
//! Beside each commit on `auth.users` stands the same commit on its twin, a table of the same
//! columns and indexes without a trigger, in the same session. The commits are durable. Nobody
//! waits for a lock: each pair waits until the worker has finished with the one before.

use std::time::{Duration, Instant};

use postgres::{Client, Statement};
use serde_json::{json, Value};
use uuid::Uuid;

use super::fixture::Fixture;
use crate::pairs::Pairs;
use crate::report::Report;
use crate::scale::Scale;

/// A commit may cost so many times what it costs without the trigger.
const AT_MOST: f64 = 1.15;

/// A login touches nothing that we care for.
const LOGIN_AT_MOST: f64 = 1.02;

/// Rows of a bulk insert, and how often it is done.
const BULK: u32 = 10_000;
const BULKS: usize = 5;

pub fn measure(fixture: &Fixture, scale: &Scale, report: &mut Report) {
    report.heading("The trigger: single-row commits on auth.users beside those on a twin without");
    fixture.clear();
    fixture.stack.execute(
        "CREATE TABLE auth.users_twin (LIKE auth.users INCLUDING ALL);
         ALTER TABLE auth.users_twin OWNER TO supabase_auth_admin;
         ALTER TABLE auth.users_twin ENABLE ROW LEVEL SECURITY",
    );
    for worker in [false, true] {
        if worker {
            fixture.resume();
        }
        let mut bench = Bench::new(fixture, worker);
        let with = if worker { "worker at work" } else { "worker paused" };
        let mut users = Vec::with_capacity(scale.pairs);
        let pairs = bench.pairs(scale.pairs, |bench, n| bench.sign_up(n, &mut users));
        report.paired(&format!("sign-up, {with}"), &pairs, AT_MOST);
        let pairs = bench.pairs(scale.pairs, |bench, n| bench.edit(users[n]));
        report.paired(&format!("profile edit, {with}"), &pairs, AT_MOST);
        let pairs = bench.pairs(scale.pairs, |bench, n| bench.log_in(users[n]));
        report.paired(&format!("login, {with}"), &pairs, LOGIN_AT_MOST);
    }
    crowded(fixture, scale, report);
    fixture.clear();
    bulk(fixture, report);
    fixture.stack.execute("DROP TABLE auth.users_twin");
    fixture.clear();
}

/// A sign-up while so many wait: its cost does not depend on them.
fn crowded(fixture: &Fixture, scale: &Scale, report: &mut Report) {
    fixture.fill(scale.users);
    fixture.stack.execute(
        "TRUNCATE auth.users_twin;
         DO $$
         DECLARE
           columns text;
         BEGIN
           SELECT string_agg(quote_ident(attname), ', ') INTO columns FROM pg_attribute
           WHERE attrelid = 'auth.users'::regclass AND attnum > 0 AND attgenerated = '' AND NOT attisdropped;
           EXECUTE format('INSERT INTO auth.users_twin (%1$s) SELECT %1$s FROM auth.users', columns);
         END $$;
         ANALYZE auth.users_twin; CHECKPOINT",
    );
    let mut bench = Bench::new(fixture, false);
    let mut users = Vec::with_capacity(scale.pairs);
    let pairs = bench.pairs(scale.pairs, |bench, n| bench.sign_up(n, &mut users));
    report.paired(&format!("sign-up, {} waiting", scale.users), &pairs, AT_MOST);
}

/// A session of the Auth server, and its statements for both tables.
struct Bench<'a> {
    fixture: &'a Fixture,
    /// Whether there is a worker to be waited for.
    worker: bool,
    client: Client,
    admin: Client,
    insert: [Statement; 2],
    edit: [Statement; 2],
    log_in: [Statement; 2],
}

impl<'a> Bench<'a> {
    fn new(fixture: &'a Fixture, worker: bool) -> Self {
        let mut client = fixture.auth_server();
        let mut both = |sql: &str| {
            ["auth.users", "auth.users_twin"]
                .map(|table| client.prepare(&sql.replace("TABLE", table)).expect(sql))
        };
        // The columns that the Auth server fills at a sign-up.
        let insert = both(
            "INSERT INTO TABLE (instance_id, id, aud, role, email, encrypted_password,
               email_confirmed_at, raw_app_meta_data, raw_user_meta_data, created_at, updated_at,
               confirmation_token, recovery_token, email_change_token_new, email_change)
             VALUES ('00000000-0000-0000-0000-000000000000', $1, 'authenticated', 'authenticated',
               $1::uuid::text || '@example.com', repeat('x', 60), now(),
               '{\"provider\": \"email\", \"providers\": [\"email\"]}', $2, now(), now(),
               '', '', '', '')",
        );
        let edit =
            both("UPDATE TABLE SET raw_user_meta_data = $2, updated_at = now() WHERE id = $1");
        let log_in = both("UPDATE TABLE SET last_sign_in_at = now() WHERE id = $1");
        let admin = fixture.stack.db.admin();
        Bench { fixture, worker, client, admin, insert, edit, log_in }
    }

    /// Runs `once`, which says what it took with the trigger and without.
    fn pairs(
        &mut self,
        count: usize,
        mut once: impl FnMut(&mut Self, usize) -> [Duration; 2],
    ) -> Pairs {
        let mut pairs = Pairs::default();
        for n in 0..count {
            let [with, without] = once(self, n);
            pairs.push(with, without);
        }
        pairs
    }

    fn sign_up(&mut self, n: usize, users: &mut Vec<Uuid>) -> [Duration; 2] {
        let user = Uuid::new_v4();
        users.push(user);
        let statements = self.insert.clone();
        self.both(n, &statements, user, Some(json!({ "full_name": format!("User {n}") })))
    }

    fn edit(&mut self, user: Uuid) -> [Duration; 2] {
        let name = Uuid::new_v4().to_string();
        let statements = self.edit.clone();
        let order = name.as_bytes()[0] as usize;
        self.both(order, &statements, user, Some(json!({ "full_name": name })))
    }

    fn log_in(&mut self, user: Uuid) -> [Duration; 2] {
        let statements = self.log_in.clone();
        self.both(user.as_bytes()[0] as usize, &statements, user, None)
    }

    /// One commit on each of the tables, now this one first and now that one.
    fn both(
        &mut self,
        order: usize,
        statements: &[Statement; 2],
        user: Uuid,
        metadata: Option<Value>,
    ) -> [Duration; 2] {
        let mut took = [Duration::ZERO; 2];
        for table in if order.is_multiple_of(2) { [0, 1] } else { [1, 0] } {
            let started = Instant::now();
            let done = match &metadata {
                Some(metadata) => self.client.execute(&statements[table], &[&user, metadata]),
                None => self.client.execute(&statements[table], &[&user]),
            };
            took[table] = started.elapsed();
            assert_eq!(done.expect("the commit"), 1);
            if self.worker && table == 0 {
                self.fixture.settle(&mut self.admin, user);
            }
        }
        took
    }
}

/// Many sign-ups in one statement, an import say.
fn bulk(fixture: &Fixture, report: &mut Report) {
    let mut client = fixture.auth_server();
    let mut pairs = Pairs::default();
    for _ in 0..BULKS {
        let mut insert = |table: &str| {
            let sql = format!(
                "INSERT INTO {table} (id, email, raw_user_meta_data)
                 SELECT id, id || '@example.com', jsonb_build_object('full_name', 'User ' || id)
                 FROM (SELECT gen_random_uuid() AS id FROM generate_series(1, {BULK})) AS new"
            );
            let started = Instant::now();
            client.batch_execute(&sql).expect("the import");
            started.elapsed()
        };
        let without = insert("auth.users_twin");
        pairs.push(insert("auth.users"), without);
    }
    let what = format!("{BULK} rows in one statement, for each row");
    report.difference(&what, &pairs, BULK);
}
