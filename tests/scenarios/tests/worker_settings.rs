//! The worker and its settings: what is wrong with them is said once and costs nothing, and what
//! changes while it starts is in force.

use scenarios::{eventually, Stack};
use uuid::Uuid;

/// Row versions of our state that were written since the database was made.
fn versions(stack: &Stack) -> i64 {
    let sql =
        "SELECT n_tup_upd FROM pg_stat_user_tables WHERE relid = 'cometchat.sync_state'::regclass";
    stack.value(sql).and_then(|n| n.parse().ok()).expect("a number")
}

/// With `name` set to `value` nothing is sent, which is said once and writes nothing.
#[track_caller]
fn waits_at_rest(name: &str, value: &str, why: &str) {
    let stack = Stack::syncing();
    stack.db.set(name, Some(value));
    let users: Vec<Uuid> = (0..5).map(|n| stack.sign_up(&format!("User {n}"))).collect();
    eventually("it says why", || !stack.logged(why).is_empty());
    let before = versions(&stack);

    std::thread::sleep(std::time::Duration::from_secs(3));

    assert!(versions(&stack) - before <= 5, "{} row versions", versions(&stack) - before);
    // Once for each process of the worker, which a change of settings replaces.
    assert!(stack.logged("cannot send").len() <= 2, "{:#?}", stack.logged("cannot send"));
    let claimed = "SELECT count(*) FROM cometchat.sync_state WHERE claim IS NOT NULL";
    assert_eq!(stack.value(claimed).as_deref(), Some("0"));

    stack.db.set(name, None);
    stack.execute("SELECT cometchat.wake()");
    stack.all_arrive(&users);
}

#[test]
fn a_ca_file_without_certificates_is_logged_once_and_loses_nothing() {
    let cluster = scenarios::Cluster::shared();
    let file = cluster.secret_file("no-certificates", "just a text\n");
    waits_at_rest("cometchat.ca_file", &file.to_string_lossy(), "ca_file is malformed");
}

#[test]
fn a_malformed_proxy_is_logged_once_and_loses_nothing() {
    waits_at_rest("cometchat.proxy", "ftp://nowhere", "proxy is malformed");
}

#[test]
fn an_unreadable_vault_is_logged_once_and_rarely_read() {
    let stack = Stack::syncing();
    stack.execute(
        "DROP SCHEMA vault CASCADE; CREATE SCHEMA vault; CREATE SEQUENCE vault.asked;
         CREATE VIEW vault.decrypted_secrets AS
           SELECT 'cometchat_api_key' AS name,
                  (1 / (nextval('vault.asked') * 0))::text AS decrypted_secret",
    );
    stack.db.set("cometchat.api_key_file", None);
    let ada = stack.sign_up("Ada Lovelace");
    eventually("it says so", || stack.logged("22012").len() == 1);

    std::thread::sleep(std::time::Duration::from_secs(5));

    let asked = stack.value("SELECT last_value FROM vault.asked").expect("a number");
    assert!(asked.parse::<i64>().expect("a number") < 15, "asked {asked} times");
    assert_eq!(stack.logged("22012").len(), 1);

    let key = stack.db.cluster().secret_file(
        &format!("mended-{}", stack.db.name()),
        format!("{}\n", simulator::DEV_API_KEY),
    );
    stack.db.set("cometchat.api_key_file", key.to_str());
    stack.execute("SELECT pg_reload_conf()");
    stack.all_arrive(&[ada]);
}

/// `change` is made between the moment at which a new worker connects, when Postgres gives it the
/// database's settings, and the one at which it looks at them itself: its first transaction fails
/// for a lock, and the next one comes a second later.
fn while_the_worker_starts(stack: &Stack, change: &str) {
    let workers = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
                   AND backend_type = 'cometchat worker'";
    // Both connected before: a session that starts may have to read that catalog, too.
    let (mut locker, mut session) = (stack.db.admin(), stack.db.admin());
    locker.batch_execute("BEGIN; LOCK TABLE pg_catalog.pg_extension").expect("lock");
    session.batch_execute("SELECT cometchat.resume()").expect("resume");
    let waits = format!("{workers} AND wait_event_type = 'Lock'");
    let waiting = format!("SELECT ({waits}) = 1");
    eventually("the worker waits", || session.query_one(&waiting, &[]).expect(&waiting).get(0));

    let change = format!("ALTER DATABASE {} {change}", stack.db.name());
    session.batch_execute(&change).expect(&change);
    let gave_up = format!("SELECT ({waits}) = 0 AND ({workers}) = 1");
    eventually("it will try again", || session.query_one(&gave_up, &[]).expect(&gave_up).get(0));
    locker.batch_execute("COMMIT").expect("unlock");
}

fn insert_anonymous(stack: &Stack) -> Uuid {
    let id = Uuid::new_v4();
    stack.execute(&format!("INSERT INTO auth.users (id, is_anonymous) VALUES ('{id}', true)"));
    id
}

#[test]
fn a_setting_made_while_the_worker_starts_is_in_force() {
    let stack = Stack::alone();
    stack.execute("SELECT cometchat.enable_auth_trigger()");

    while_the_worker_starts(&stack, "SET cometchat.sync_anonymous = on");

    let user = insert_anonymous(&stack);
    stack.all_arrive(&[user]);
}

#[test]
fn a_setting_reset_while_the_worker_starts_is_not_in_force() {
    let stack = Stack::alone();
    stack.execute("SELECT cometchat.enable_auth_trigger()");
    stack.db.set("cometchat.sync_anonymous", Some("on"));

    while_the_worker_starts(&stack, "RESET cometchat.sync_anonymous");

    let user = insert_anonymous(&stack);
    let ada = stack.sign_up("Ada Lovelace");
    stack.all_arrive(&[ada]);
    assert_eq!(stack.stored(user).token, None);
}

#[test]
fn a_setting_of_the_workers_role_still_outranks_the_databases() {
    // The worker is the bootstrap superuser.
    let stack = Stack::alone();
    stack.execute(&format!(
        "SELECT cometchat.enable_auth_trigger();
         ALTER ROLE supabase_admin IN DATABASE {} SET cometchat.sync_anonymous = on",
        stack.db.name()
    ));

    while_the_worker_starts(&stack, "SET cometchat.sync_anonymous = off");

    let user = insert_anonymous(&stack);
    stack.all_arrive(&[user]);
}
