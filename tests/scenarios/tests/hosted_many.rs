//! The edition for supabase.com with many users: what a statement reads while there are no statistics.

use postgres::Client;
use scenarios::edition::is_available;
use scenarios::{eventually, Stack};
use uuid::Uuid;

fn with_few() -> Stack {
    let stack = Stack::hosted().syncing_by_hand();
    stack.execute("ALTER TABLE cometchat.sync_state SET (autovacuum_enabled = off)");
    stack
}

const MANY: &str =
    "INSERT INTO cometchat.sync_state (user_id) SELECT gen_random_uuid() FROM generate_series(1, 30000)";

/// With many users whom nobody has counted.
fn with_many() -> Stack {
    let stack = with_few();
    stack.execute(MANY);
    stack
}

/// How often a login reads the whole table.
fn whole_reads_of_a_login(session: &mut Client, user: Uuid) -> i64 {
    let scans = "SELECT seq_scan FROM pg_stat_xact_user_tables WHERE relid = 'cometchat.sync_state'::regclass";
    let mut login = session.transaction().expect("begin");
    let before: i64 = login.query_one(scans, &[]).expect(scans).get(0);
    login.execute("SELECT public.cometchat_ensure_user($1)", &[&user]).expect("a login");
    let after: i64 = login.query_one(scans, &[]).expect(scans).get(0);
    after - before
}

/// A run takes several statements for each user: none may read the rows of all users.
#[test]
fn a_run_reads_no_whole_table_where_there_are_no_statistics() {
    if !is_available() {
        return;
    }
    let stack = with_many();
    let users = stack.sign_ups(3);
    let scans = |kind: &str| {
        let sql = format!("(SELECT {kind} FROM pg_stat_user_tables WHERE relid = 'cometchat.sync_state'::regclass)");
        stack.value(&sql).and_then(|count| count.parse::<i64>().ok()).unwrap_or_default()
    };
    eventually("all is counted so far", || scans("n_tup_ins") >= 30003);
    let (whole, by_index) = (scans("seq_scan"), scans("idx_scan"));
    let mut owner = stack.db.connect("postgres");
    owner.batch_execute("CALL cometchat.process_queue()").expect("process_queue");
    drop(owner);
    // A session counts what it did when it ends.
    eventually("the run is counted", || scans("idx_scan") > by_index);
    assert_eq!(scans("seq_scan"), whole);
    assert!(users.iter().all(|user| stack.stored(*user).token.is_some()));
}

/// What a session has planned for the comparison it does for a login too.
#[test]
fn a_session_that_has_compared_reads_no_whole_table_afterwards() {
    if !is_available() {
        return;
    }
    let stack = with_many();
    let (ada, bob) = (stack.sign_up("Ada Lovelace"), stack.sign_up("Bob"));
    assert!(stack.session(ada).ensure(None, None, None).success());
    let mut owner = stack.db.connect("postgres");
    owner.batch_execute("SELECT count(*) FROM cometchat.diff_remote_users()").expect("compare");
    assert_eq!(whole_reads_of_a_login(&mut owner, bob), 0);
}

/// A pooled session is there when the first user comes, and when 30,000 are imported.
#[test]
fn a_session_that_began_with_few_users_reads_no_whole_table_when_there_are_many() {
    if !is_available() {
        return;
    }
    let stack = with_few();
    let (ada, bob) = (stack.sign_up("Ada Lovelace"), stack.sign_up("Bob"));
    let mut owner = stack.db.connect("postgres");
    whole_reads_of_a_login(&mut owner, ada);
    stack.execute(MANY);
    assert_eq!(whole_reads_of_a_login(&mut owner, bob), 0);
}
