//! The worker and its settings: what is wrong with them is said once and costs nothing, and what
//! changes while it starts is in force.

use scenarios::{eventually, Stack};
use uuid::Uuid;

/// How often the server's log has a line with this text, of this database.
fn logged(stack: &Stack, text: &str) -> usize {
    let database = format!("in database \"{}\"", stack.db.name());
    let log = stack.db.cluster().log();
    log.lines().filter(|line| line.contains(&database) && line.contains(text)).count()
}

/// Row versions of our state that were written since the database was made.
fn versions(stack: &Stack) -> i64 {
    let sql =
        "SELECT n_tup_upd FROM pg_stat_user_tables WHERE relid = 'cometchat.sync_state'::regclass";
    stack.value(sql).and_then(|n| n.parse().ok()).expect("a number")
}

#[track_caller]
fn all_arrive(stack: &Stack, users: &[Uuid]) {
    eventually("all arrive", || users.iter().all(|user| stack.stored(*user).token.is_some()));
}

/// With `name` set to `value` sending waits, which is said once and writes nothing.
#[track_caller]
fn waits_at_rest(name: &str, value: &str, why: &str) {
    let stack = Stack::syncing();
    stack.db.set(name, Some(value));
    let users: Vec<Uuid> = (0..5).map(|n| stack.sign_up(&format!("User {n}"))).collect();
    eventually("it says why", || logged(&stack, why) == 1);
    let before = versions(&stack);

    std::thread::sleep(std::time::Duration::from_secs(3));

    assert!(versions(&stack) - before <= 5, "{} row versions", versions(&stack) - before);
    assert_eq!(logged(&stack, "sending waits"), 1);
    let claimed = "SELECT count(*) FROM cometchat.sync_state WHERE claim IS NOT NULL";
    assert_eq!(stack.value(claimed).as_deref(), Some("0"));

    stack.db.set(name, None);
    stack.execute("SELECT cometchat.wake()");
    all_arrive(&stack, &users);
}

#[test]
fn a_ca_file_without_certificates_is_said_once_and_costs_nothing() {
    let cluster = scenarios::Cluster::shared();
    let file = cluster.secret_file("no-certificates", "just a text\n");
    waits_at_rest("cometchat.ca_file", &file.to_string_lossy(), "ca_file is malformed");
}

#[test]
fn a_malformed_proxy_is_said_once_and_costs_nothing() {
    waits_at_rest("cometchat.proxy", "ftp://nowhere", "proxy is malformed");
}

#[test]
fn a_vault_that_cannot_be_read_is_said_once_and_is_not_asked_all_the_time() {
    let stack = Stack::syncing();
    stack.execute(
        "DROP SCHEMA vault CASCADE; CREATE SCHEMA vault; CREATE SEQUENCE vault.asked;
         CREATE VIEW vault.decrypted_secrets AS
           SELECT 'cometchat_api_key' AS name,
                  (1 / (nextval('vault.asked') * 0))::text AS decrypted_secret",
    );
    stack.db.set("cometchat.api_key_file", None);
    let ada = stack.sign_up("Ada Lovelace");
    eventually("it says so", || logged(&stack, "22012") == 1);

    std::thread::sleep(std::time::Duration::from_secs(5));

    let asked = stack.value("SELECT last_value FROM vault.asked").expect("a number");
    assert!(asked.parse::<i64>().expect("a number") < 15, "asked {asked} times");
    assert_eq!(logged(&stack, "22012"), 1);

    let key = stack.db.cluster().secret_file(
        &format!("mended-{}", stack.db.name()),
        format!("{}\n", simulator::DEV_API_KEY),
    );
    stack.db.set("cometchat.api_key_file", key.to_str());
    stack.execute("SELECT pg_reload_conf()");
    all_arrive(&stack, &[ada]);
}
