//! Through PgBouncer in transaction mode: whoever comes next in a server's session finds nothing of
//! whoever was there before.

use std::fs;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Command;
use std::thread;

use postgres::{Client, Config, NoTls, SimpleQueryMessage};
use scenarios::{eventually, Answer, Stack};
use uuid::Uuid;

/// A pool of two server sessions for each role.
struct Pool {
    dir: PathBuf,
    database: String,
}

impl Pool {
    /// `None`, and why, where there is no PgBouncer.
    fn start(stack: &Stack) -> Option<Pool> {
        if Command::new("pgbouncer").arg("--version").output().is_err() {
            println!("skipped: pgbouncer is not installed");
            return None;
        }
        let server = stack.db.cluster().dir();
        let file = |name: &str, text: &str| stack.db.cluster().secret_file(name, text);
        let database = stack.db.name().to_owned();
        let dir = server.join(format!("pool-{database}"));
        let run = |script: &str| {
            let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
            let mut command = Command::new("bash");
            command.args(["-euc", script, root]).arg(&dir).stdout(std::process::Stdio::null());
            assert!(command.stderr(std::process::Stdio::null()).status().expect("bash").success());
        };
        run(r#"source "$0/tools/lib.sh"; as_pg mkdir "$1""#);
        let users = ["authenticator", "supabase_auth_admin", "postgres", "supabase_admin"];
        let users: String = users.iter().map(|user| format!("\"{user}\" \"\"\n")).collect();
        let users = file(&format!("pool-{database}/users"), &users);
        let (dir_name, users) = (dir.display(), users.display());
        let conf = format!(
            "[databases]\n* = host={}\n[pgbouncer]\nlisten_addr =\nunix_socket_dir = {dir_name}\n\
             auth_type = trust\nauth_file = {users}\npidfile = {dir_name}/pid\n\
             logfile = {dir_name}/log\npool_mode = transaction\ndefault_pool_size = 2\n",
            server.display()
        );
        file(&format!("pool-{database}/conf"), &conf);
        run(r#"source "$0/tools/lib.sh"; as_pg pgbouncer -q -d "$1/conf""#);
        let socket = dir.join(".s.PGSQL.6432");
        eventually("it listens", || UnixStream::connect(&socket).is_ok());
        Some(Pool { dir, database })
    }

    fn connect(&self, role: &str) -> Client {
        let mut config = Config::new();
        config.host_path(&self.dir).port(6432).user(role).dbname(&self.database);
        config.connect(NoTls).expect("connect to the pool")
    }

    /// A request of a signed-in user, as PostgREST makes it: one transaction, nothing prepared.
    fn request(&self, client: &mut Client, user: Uuid, call: &str) -> Answer {
        let answer = text(
            client,
            &format!(
                "BEGIN; SET LOCAL ROLE authenticated;
                 SELECT set_config('request.jwt.claims', '{{\"sub\": \"{user}\"}}', true);
                 SELECT public.cometchat_{call}(); COMMIT"
            ),
        );
        Answer(serde_json::from_str(&answer).expect("JSON"))
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        if let Ok(pid) = fs::read_to_string(self.dir.join("pid")) {
            let _ = Command::new("kill").arg(pid.trim()).status();
        }
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// The last value that statements return.
fn text(client: &mut Client, sql: &str) -> String {
    let messages = client.simple_query(sql).expect(sql);
    let values = messages.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    });
    values.last().unwrap_or_default()
}

#[test]
fn many_clients_share_two_sessions_and_each_gets_its_own_token() {
    let stack = Stack::syncing().with_long_timeouts();
    let Some(pool) = Pool::start(&stack) else { return };
    let users: Vec<Uuid> = (0..12).map(|_| Uuid::new_v4()).collect();
    thread::scope(|scope| {
        for user in &users {
            let pool = &pool;
            scope.spawn(move || {
                let sign_up = format!(
                    "INSERT INTO auth.users (id, raw_user_meta_data)
                     VALUES ('{user}', '{{\"full_name\": \"User {}\"}}')",
                    user.simple()
                );
                text(&mut pool.connect("supabase_auth_admin"), &sign_up);
                let mut client = pool.connect("authenticator");
                for _ in 0..5 {
                    let answer = pool.request(&mut client, *user, "ensure_user");
                    assert_eq!(answer.uid(), Some(&*user.to_string()), "{answer:?}");
                    assert!(answer.token().starts_with(&user.to_string()), "{answer:?}");
                }
            });
        }
    });
    stack.all_arrive(&users);
    let sessions = "SELECT count(*) FROM pg_stat_activity
                    WHERE datname = current_database() AND usename = 'authenticator'";
    assert!(stack.value(sessions).expect("a number").parse::<i32>().expect("a number") <= 2);
    assert_eq!(stack.app().user_count(), 12);
}

#[test]
fn refresh_revoke_and_a_new_extension_work_in_sessions_that_are_pooled() {
    let stack = Stack::new().with_long_timeouts();
    let Some(pool) = Pool::start(&stack) else { return };
    let mut client = pool.connect("authenticator");
    let (ada, bob) = (stack.sign_up("Ada Lovelace"), stack.sign_up("Bob Marley"));
    for _ in 0..2 {
        for user in [ada, bob] {
            let first = pool.request(&mut client, user, "ensure_user").token();
            let second = pool.request(&mut client, user, "refresh_token").token();
            assert_ne!(first, second);
            assert!(pool.request(&mut client, user, "revoke_tokens").success());
            assert_eq!(stack.stored(user).token, None);
            let third = pool.request(&mut client, user, "ensure_user").token();
            assert_eq!(stack.app().tokens(&user.to_string()), [third]);
        }
        // The sessions stay, with what they have prepared.
        stack.execute("DROP EXTENSION cometchat_ext CASCADE; CREATE EXTENSION cometchat_ext");
        stack.execute("SELECT cometchat.pause()");
    }
}

#[test]
fn a_call_leaves_no_setting_lock_or_role_in_a_pooled_session() {
    let stack = Stack::new().with_long_timeouts();
    let Some(pool) = Pool::start(&stack) else { return };
    let state = "SELECT concat_ws(' ', current_user, pg_backend_pid(), current_setting('search_path'),
                   current_setting('lock_timeout'), NULLIF(current_setting('request.jwt.claims', true), ''),
                   (SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'advisory'),
                   (SELECT count(*) FROM pg_prepared_statements), (SELECT count(*) FROM pg_cursors),
                   (SELECT string_agg(name || setting, ',') FROM pg_settings WHERE source = 'session'))";
    let mut client = pool.connect("authenticator");
    text(&mut client, "SELECT 1");
    let before = text(&mut client, state);
    let ada = stack.sign_up("Ada Lovelace");
    for call in ["ensure_user", "refresh_token", "revoke_tokens"] {
        assert!(pool.request(&mut client, ada, call).success());
        assert_eq!(text(&mut client, state), before, "after {call}");
    }
    // Cancelled in the middle, by an operator: PgBouncer 1.18 may die of a client's own cancel.
    stack.chat.set_fault(simulator::Fault::new(simulator::FaultKind::HangBeforeHeader));
    let cancel = "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity
                  WHERE datname = current_database() AND usename = 'authenticator' AND state = 'active'";
    thread::scope(|scope| {
        let hanging = scope.spawn(|| {
            let request = format!(
                "BEGIN; SET LOCAL ROLE authenticated;
                 SELECT set_config('request.jwt.claims', '{{\"sub\": \"{ada}\"}}', true);
                 SELECT public.cometchat_refresh_token(); COMMIT"
            );
            let error = client.simple_query(&request).expect_err("a cancel");
            assert_eq!(error.code().expect("the server's").code(), "57014");
            client.batch_execute("ROLLBACK").expect("rollback");
        });
        eventually("a request hangs", || stack.chat.counters().in_flight == 1);
        assert_eq!(stack.value(cancel).as_deref(), Some("1"));
        hanging.join().expect("the thread");
    });
    stack.chat.clear_faults();
    assert_eq!(text(&mut client, state), before, "after a cancelled call");
    assert!(pool.request(&mut client, ada, "refresh_token").success());
}
