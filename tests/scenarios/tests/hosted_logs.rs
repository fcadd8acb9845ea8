//! The edition for supabase.com: whatever an operator there may turn up, no token and no key is in the log.

use std::collections::BTreeSet;

use scenarios::edition::is_available;
use scenarios::environment::has_extension;
use scenarios::{Cluster, Stack};
use simulator::DEV_API_KEY;

use crate::secret_spellings::found;

const TALKATIVE: [&str; 17] = [
    "shared_preload_libraries = 'cometchat_ext, auto_explain, pg_stat_statements'",
    "log_statement = all",
    "log_min_duration_statement = 0",
    "log_error_verbosity = verbose",
    "log_parameter_max_length = -1",
    "log_parameter_max_length_on_error = -1",
    "debug_print_parse = on",
    "debug_print_rewritten = on",
    "debug_print_plan = on",
    "debug_pretty_print = off",
    "auto_explain.log_min_duration = 0",
    "auto_explain.log_nested_statements = on",
    "auto_explain.log_analyze = on",
    "auto_explain.log_verbose = on",
    "auto_explain.log_triggers = on",
    "auto_explain.log_parameter_max_length = -1",
    "pg_stat_statements.track = all",
];

#[test]
fn no_token_and_no_key_is_logged() {
    if !is_available() {
        return;
    }
    let stack = Stack::hosted_in(Cluster::start(&TALKATIVE));
    stack.edition().stop_cron();
    let before = stack.db.cluster().log().len(); // vault.create_secret() has the key as a parameter
    let mut secrets = BTreeSet::from([DEV_API_KEY.to_owned()]);
    stack.execute("SELECT cometchat.enable_auth_trigger(), cometchat.resume()");
    let mut cron = stack.db.connect("postgres");
    let mut run = || cron.batch_execute("CALL cometchat.process_queue()").expect("a run");
    let called = stack.sign_up("Called");
    secrets.insert(format!("{called}_"));
    let mut session = stack.session(called);
    for n in 0..7 {
        // Postgres plans a statement anew five times before it may keep a plan
        let queued = stack.sign_up(&format!("Queued {n}"));
        secrets.insert(format!("{queued}_"));
        run();
        session.ensure(None, Some(&format!("Ada {n}")), None).token();
        session.refresh(None).token();
        assert!(session.revoke(None).success());
        session.ensure(None, None, None).token();
        stack.change(queued, "banned_until = now() + interval '1 hour'");
        run();
    }
    let log = stack.db.cluster().log().split_off(before);
    for sign in ["Query Text", "PLANNEDSTMT", "cometchat_ensure_user"] {
        assert!(log.contains(sign), "it talks: {sign}");
    }
    let statements = "SELECT string_agg(s::text, ' ') FROM extensions.pg_stat_statements AS s";
    let statements = stack.value(statements).expect("statements");
    assert_eq!(found(&secrets, &statements), Vec::<String>::new(), "pg_stat_statements");
    let all = found(&secrets, &log);
    let some = all.iter().take(6).cloned().collect::<Vec<_>>().join("\n");
    assert!(all.is_empty(), "{} findings in the log:\n{some}", all.len());
}

/// pgaudit copies the parameters of what PL/pgSQL runs, and nobody but a superuser may tell it not to. So nothing is
/// sent, and no stored token is written again.
#[test]
fn nothing_is_sent_while_pgaudit_logs_parameters() {
    if !is_available() || !has_extension("pgaudit") {
        return;
    }
    let stack = Stack::hosted_in(Cluster::start(&[
        "shared_preload_libraries = 'cometchat_ext, pgaudit'",
        "pgaudit.log = all",
    ]));
    stack.edition().stop_cron();
    stack.execute("SELECT cometchat.enable_auth_trigger(), cometchat.resume()");
    let (ada, bob, new) = (stack.sign_up("Ada"), stack.sign_up("Bob"), stack.sign_up("New"));
    let mut secrets = BTreeSet::from([DEV_API_KEY.to_owned()]);
    for user in [ada, bob] {
        secrets.insert(stack.session(user).ensure(None, None, None).token());
    }
    secrets.insert(format!("{new}_"));
    stack.asked();
    let before = stack.db.cluster().log().len();
    let name = stack.db.name();
    stack.execute(&format!("ALTER DATABASE {name} SET pgaudit.log_parameter = on"));
    // One whose profile changed, in a call and in the queue; one whose mapping was made by hand.
    for user in [ada, bob] {
        stack.change(user, "raw_user_meta_data = '{\"name\": \"Another\"}'");
    }
    stack.execute(&format!("DELETE FROM cometchat.sync_state WHERE user_id = '{bob}'"));
    let mut session = stack.session(ada);
    session.ensure(None, None, None).token();
    assert_eq!(session.refresh(None).code(), "NOT_CONFIGURED");
    stack.session(bob).ensure(None, None, None);
    let answer = stack.session(new).ensure(None, None, None);
    assert_eq!(answer.code(), "NOT_CONFIGURED");
    assert!(answer.error().contains("pgaudit.log_parameter"), "{answer:?}");
    let ran = stack.db.connect("postgres").batch_execute("CALL cometchat.process_queue()");
    let control = stack.value(
        "SELECT to_jsonb(c) || to_jsonb(s) FROM cometchat.control AS c, cometchat.sending AS s",
    );
    assert!(ran.is_err(), "the run says why: {control:?}");
    assert_eq!(stack.asked(), Vec::<String>::new());
    let row = scenarios::health::check(&stack.db, "key in the log");
    assert!(!row.ok && row.detail.contains("pgaudit.log_parameter"), "{row:?}");
    stack.execute(&row.hint);
    stack.session(new).ensure(None, None, None).token();
    let log = stack.db.cluster().log().split_off(before);
    assert!(log.contains("AUDIT: SESSION"), "it is audited");
    assert_eq!(found(&secrets, &log), Vec::<String>::new());
}

/// Where pgaudit is not loaded, its settings are anybody's, who could keep others out with one.
#[test]
fn a_setting_of_that_name_is_no_pgaudit() {
    if !is_available() {
        return;
    }
    let stack = Stack::hosted();
    let ada = stack.sign_up("Ada Lovelace");
    let mut session = stack.session(ada);
    session.execute("SET pgaudit.log_parameter = on");
    session.ensure(None, None, None).token();
}
