//! A search of everything that the server writes: the key is nowhere, tokens are with their owners.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use scenarios::environment::has_module;
use scenarios::{eventually, Cluster, Database, Session, Stack};
use serde_json::json;
use simulator::{Fault, FaultKind, Simulator, DEV_API_KEY};
use uuid::Uuid;

const TALKATIVE: [&str; 9] = [
    "shared_preload_libraries = 'cometchat_ext, pg_stat_statements'",
    "log_min_messages = debug5",
    "log_statement = all",
    "log_min_duration_statement = 0",
    "log_error_verbosity = verbose",
    "log_parameter_max_length_on_error = -1",
    "debug_print_plan = on",
    "track_activity_query_size = 64kB",
    "pg_stat_statements.track = all",
];

fn talkative() -> Stack {
    Stack::on(Database::like_supabase(Cluster::start(&TALKATIVE)), Simulator::start())
}

/// Everything that can be done, and that can go wrong; the answers of those who are not the token's
/// owners, and what the server shows meanwhile.
fn everything(stack: &Stack) -> String {
    let mut seen = String::new();
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let (mut client, mut seen) = (stack.db.admin(), String::new());
            while !over.load(Ordering::Relaxed) {
                let sql = "SELECT string_agg(a::text, ' ') FROM pg_stat_activity AS a";
                seen.push_str(client.query_one(sql, &[]).expect(sql).get(0));
                thread::sleep(Duration::from_millis(5));
            }
            seen
        });
        seen = do_everything(stack);
        over.store(true, Ordering::Relaxed);
        let watched = watch.join().expect("the thread");
        assert!(watched.contains("cometchat_ensure_user"), "the watch saw the calls");
        seen.push_str(&watched);
    });
    seen
}

fn do_everything(stack: &Stack) -> String {
    let mut seen = String::new();
    let (ada, bob) = (stack.sign_up("Ada Lovelace"), stack.sign_up("Bob"));
    let mut open = Vec::new(); // pg_stat_activity shows the last call of each
    for user in [ada, bob] {
        let mut session = stack.session(user);
        session.ensure(None, Some("A name"), None).token();
        session.refresh(None).token();
        session.revoke(None);
        session.ensure(None, None, None).token();
        open.push(session);
    }
    seen.push_str(&stack.session(ada).ensure(Some(bob), None, None).0.to_string());
    let body = |message: &str| {
        json!({"error": {"code": "ERR_BAD_REQUEST", "message": message}}).to_string()
    };
    let token = stack.stored(ada).token.expect("a token");
    stack.unpause_all_but_the_worker();
    for fault in [
        Fault::raw(400, "application/json", &body(&format!("bad key {DEV_API_KEY} {token}"))),
        Fault::raw(403, "application/json", &body(DEV_API_KEY)),
        Fault::raw(500, "text/html", DEV_API_KEY),
        Fault::raw(200, "application/json", &format!("{{\"data\": \"{DEV_API_KEY}\"")),
        Fault::new(FaultKind::Redirect { status: 302, location: format!("http://{DEV_API_KEY}/") }),
        Fault::new(FaultKind::HangBeforeHeader),
    ] {
        stack.chat.set_fault(fault);
        stack.db.set("cometchat.request_timeout", Some("300ms"));
        seen.push_str(&stack.session(bob).refresh(None).0.to_string());
        stack.service().execute("SELECT cometchat.enqueue(gen_random_uuid())");
        let mut admin = Session::of(stack.db.admin());
        for sql in [
            "SELECT h::text FROM cometchat.health() AS h",
            "SELECT r::text FROM cometchat.reconcile() AS r",
            "CALL cometchat.process_queue()",
        ] {
            seen.push_str(&format!("{:?}", admin.client.simple_query(sql)));
        }
        stack.chat.clear_faults();
    }
    stack.db.set("cometchat.request_timeout", None);
    stack.execute("SELECT cometchat.enable_auth_trigger(), cometchat.resume()");
    stack.chat.set_fault(Fault::raw(
        400,
        "application/json",
        &body(&format!("{DEV_API_KEY} {token}")),
    ));
    let carol = stack.sign_up("Carol");
    let failed = format!("SELECT count(*) FROM cometchat.failed_users WHERE user_id = '{carol}'");
    eventually("the worker gives up", || stack.value(&failed).as_deref() == Some("1"));
    stack.chat.clear_faults();
    stack.execute("SELECT cometchat.retry_failed()");
    eventually("the worker has a token", || stack.stored(carol).token.is_some());
    stack.change(carol, "raw_user_meta_data = '{\"name\": \"Caroline\"}'");
    // Statements that fail while rows with tokens are at hand.
    stack.execute("ALTER TABLE public.cometchat_users ADD CONSTRAINT odd CHECK (updated_at < '2000-01-01') NOT VALID");
    seen.push_str(&stack.session(ada).refresh(None).0.to_string());
    stack.execute("ALTER TABLE public.cometchat_users DROP CONSTRAINT odd");
    seen.push_str(&stack.session(ada).refresh(Some(Uuid::new_v4())).0.to_string());
    stack
        .db
        .connect("supabase_auth_admin")
        .execute("DELETE FROM auth.users WHERE id = $1", &[&bob])
        .expect("delete");
    let statements = "SELECT string_agg(s::text, ' ') FROM extensions.pg_stat_statements AS s";
    seen.push_str(&stack.value(statements).expect("statements"));
    for view in [
        "cometchat.sync_state",
        "cometchat.progress",
        "cometchat.stats",
        "cometchat.failed_users",
        "pg_settings",
        "pg_db_role_setting",
    ] {
        seen.push_str(
            &stack
                .value(&format!("SELECT string_agg(v::text, ' ') FROM {view} AS v"))
                .unwrap_or_default(),
        );
    }
    seen
}

/// Every token that there ever was begins with its user's uid and an underscore.
fn tokens(stack: &Stack) -> Vec<String> {
    let sql = "SELECT u.cometchat_uid || '_' FROM public.cometchat_users AS u";
    let mut all: Vec<String> =
        stack.db.admin().query(sql, &[]).expect(sql).iter().map(|row| row.get(0)).collect();
    let uids: Vec<String> = stack
        .app()
        .users()
        .iter()
        .filter_map(|user| user["uid"].as_str().map(str::to_owned))
        .collect();
    all.extend(uids.iter().flat_map(|uid| stack.app().tokens(uid)));
    all
}

fn search(stack: &Stack) {
    let seen = everything(stack);
    let tokens = tokens(stack);
    assert!(tokens.len() >= 4, "{tokens:?}");
    let log = stack.db.cluster().log();
    assert!(log.contains("cometchat_ensure_user") && log.contains("CommitTransaction"), "it talks");
    for (place, text) in [("log", &log), ("views and answers", &seen)] {
        assert!(!text.contains(DEV_API_KEY), "the key is in the {place}");
        for token in &tokens {
            let at = text.find(token).map(|at| &text[at.saturating_sub(300)..at]);
            assert_eq!(at, None, "{token} is in the {place}");
        }
    }

    let mut dump = stack.db.cluster().program("pg_dump");
    // Vault keeps its secrets itself; the stand-in of the tests keeps them in plain.
    dump.args(["-U", "supabase_admin", "-d", stack.db.name(), "--exclude-schema=vault", "-h"]);
    let dump = dump.arg(stack.db.cluster().dir()).output().expect("pg_dump");
    assert!(dump.status.success(), "{}", String::from_utf8_lossy(&dump.stderr));
    let dump = String::from_utf8_lossy(&dump.stdout);
    assert!(!dump.contains(DEV_API_KEY), "the key is in the dump");
    let (before, rows) = dump.split_once("COPY public.cometchat_users").expect("the table's rows");
    let (rows, after) = rows.split_once("\\.\n").expect("the end of them");
    let mut found = 0;
    for token in &tokens {
        assert!(
            !before.contains(token) && !after.contains(token),
            "{token} is elsewhere in the dump"
        );
        found += usize::from(rows.contains(token));
    }
    assert!(found >= 2, "the table's dump has the tokens");
}

#[test]
fn with_the_key_in_a_file_it_is_nowhere_else() {
    if !has_module("pg_stat_statements") {
        return;
    }
    search(&talkative());
}

#[test]
fn with_the_key_in_vault_it_is_nowhere_else() {
    if !has_module("pg_stat_statements") {
        return;
    }
    let stack = talkative();
    stack.db.set("cometchat.api_key_file", None);
    // What the operator's own statement says is the operator's to hide.
    let hidden = "SET log_statement = none; SET log_min_duration_statement = -1;
                  SET log_min_messages = fatal; SET debug_print_plan = off";
    let mut admin = stack.db.admin();
    admin.batch_execute(hidden).expect(hidden);
    let sql = format!("SELECT vault.create_secret('{DEV_API_KEY}', 'cometchat_api_key')");
    admin.batch_execute(&sql).expect("a secret");
    drop(admin);
    fs::write(stack.db.cluster().dir().join("server.log"), "").expect("begin a new log");

    search(&stack);
}
