//! The worker's look once a minute finds work that nobody was woken for, and leaves alone what is
//! not ready yet.

use std::time::{Duration, Instant};

use scenarios::{eventually, within, Cluster, Database, Stack, APP};
use serde_json::json;
use simulator::{Simulator, DEV_API_KEY};
use uuid::Uuid;

const PRELOADED: &str = "shared_preload_libraries = 'cometchat_ext'";

/// The minute, and time to do the work on a busy machine.
const A_MINUTE: Duration = Duration::from_secs(90);

#[test]
fn prepared_and_restored_rows_are_found_within_a_minute() {
    let conf = [PRELOADED, "max_prepared_transactions = 5"];
    let stack = Stack::on(Database::like_supabase(Cluster::start(&conf)), Simulator::start());
    stack.execute("SELECT cometchat.enable_auth_trigger(), cometchat.resume()");
    let ada = stack.sign_up("Ada Lovelace");
    eventually("the worker is at work", || stack.stored(ada).token.is_some());
    let (prepared, restored) = (Uuid::new_v4(), Uuid::new_v4());

    // The session that commits it has not run the trigger.
    let mut session = stack.db.admin();
    let insert = "INSERT INTO auth.users (id, raw_user_meta_data) VALUES ($1, $2)";
    session.batch_execute("BEGIN").expect("begin");
    session.execute(insert, &[&prepared, &json!({"full_name": "Bob Marley"})]).expect(insert);
    session.batch_execute("PREPARE TRANSACTION 'bob'").expect("prepare");
    let mut other = stack.db.admin();
    other.batch_execute("COMMIT PREPARED 'bob'").expect("commit");
    // As pg_restore writes: without triggers, our state row by row.
    other.batch_execute("SET session_replication_role = replica").expect("no triggers");
    other.execute(insert, &[&restored, &json!({"full_name": "Carl Gauss"})]).expect(insert);
    let sql = "INSERT INTO cometchat.sync_state (user_id, wanted_revision, next_attempt_at)
               VALUES ($1, 1, now())";
    other.execute(sql, &[&restored]).expect(sql);
    let started = Instant::now();

    within(A_MINUTE, "both have arrived", || {
        [prepared, restored].iter().all(|user| stack.stored(*user).token.is_some())
    });

    println!("found after {:.1?}", started.elapsed());
    assert_eq!(stack.chat_user(prepared)["name"], "Bob Marley");
    assert_eq!(stack.chat_user(restored)["name"], "Carl Gauss");
}

#[test]
fn a_poll_during_a_restore_does_not_break_it() {
    // Configured for the whole server, as Supabase's is.
    let (chat, cluster) = (Simulator::start(), Cluster::start(&[PRELOADED]));
    let key = cluster.secret_file("key", DEV_API_KEY);
    let settings = [
        ("app_id", APP),
        ("region", "us"),
        ("api_key_file", key.to_str().expect("a path")),
        ("api_base_url", &chat.base_url()),
    ];
    let mut admin = cluster.admin("postgres");
    for (name, value) in settings {
        let sql = format!("ALTER SYSTEM SET cometchat.{name} = '{value}'");
        admin.batch_execute(&sql).expect(&sql);
    }
    admin.batch_execute("SELECT pg_reload_conf()").expect("reload");
    let stack = Stack::on(Database::like_supabase(cluster.again()), chat);
    stack.execute("SELECT cometchat.enable_auth_trigger(), cometchat.resume()");
    let ada = stack.sign_up("Ada Lovelace");
    eventually("she is synced", || stack.stored(ada).token.is_some());
    stack.execute("SELECT cometchat.pause()");
    let bob = stack.sign_up("Bob Marley");
    // A worker had him in flight when the dump was made.
    stack.execute("UPDATE cometchat.sync_state SET claim = 42 WHERE next_attempt_at IS NOT NULL");

    // The state comes before the mapping, and a minute may lie between the two.
    let (_, text) = stack.db.dump("full", &[]);
    // psql's two brackets around the whole, which is cut here.
    let text: String =
        text.lines().filter(|line| !line.contains("restrict ")).flat_map(|l| [l, "\n"]).collect();
    let between = text.find("COPY public.cometchat_users").expect("the mapping's data");
    let (first, second) = text.split_at(between);
    let first = cluster.secret_file("first.sql", first);
    let second = cluster.secret_file("second.sql", second);
    let restored = Database::plain(cluster.again());
    restored.restore(&first);
    let pending = format!(
        "SELECT count(*) FROM cometchat.sync_state
         WHERE user_id = '{bob}' AND next_attempt_at IS NOT NULL"
    );
    let (started, longest) = (Instant::now(), Duration::from_secs(70));
    within(A_MINUTE, "a look, or a minute", || {
        let waits = cluster.ask(restored.name(), &pending).as_deref() == Some("1");
        !waits || started.elapsed() > longest
    });
    restored.restore(&second);

    // Whoever comes next wakes the worker, once an operator has said that it may send.
    restored.admin().batch_execute("SELECT cometchat.resume()").expect("resume");
    let sign_up = "INSERT INTO auth.users (id) VALUES (gen_random_uuid())";
    restored.admin().batch_execute(sign_up).expect("a sign-up");
    let arrived = "SELECT count(cometchat_auth_token) FROM public.cometchat_users";
    eventually("all have arrived", || {
        cluster.ask(restored.name(), arrived).as_deref() == Some("3")
    });
    let token =
        format!("SELECT cometchat_auth_token FROM public.cometchat_users WHERE user_id = '{ada}'");
    assert_eq!(cluster.ask(restored.name(), &token), stack.stored(ada).token);
}
