//! Crashes, restarts and promotions: whoever was queued arrives.

use postgres::{Config, NoTls};
use scenarios::{eventually, Cluster, Database, Stack};
use serde_json::json;
use simulator::{ListenerState, Simulator};

const PRELOADED: &str = "shared_preload_libraries = 'cometchat_ext'";

fn syncing_on(cluster: Cluster, chat: Simulator) -> Stack {
    let stack = Stack::on(Database::like_supabase(cluster), chat);
    stack.execute("SELECT cometchat.enable_auth_trigger(), cometchat.resume()");
    stack
}

/// One value, if the server is there to give it.
fn ask(cluster: &Cluster, database: &str, sql: &str) -> Option<String> {
    let mut config = Config::new();
    config.host_path(cluster.dir()).user("supabase_admin").dbname(database);
    let mut client = config.connect(NoTls).ok()?;
    client.query_one(&format!("SELECT ({sql})::text"), &[]).ok()?.get(0)
}

const SYNCED: &str = "SELECT count(cometchat_auth_token) FROM public.cometchat_users";
const WORKER: &str = "SELECT max(pid) FROM pg_stat_activity WHERE backend_type = 'cometchat worker'
                      AND datname = current_database()";

#[test]
fn a_worker_killed_repeatedly_loses_no_user_and_repeats_little() {
    let chat = Simulator::builder().latency_ms(20).start().expect("a simulator");
    let stack = syncing_on(Cluster::start(&[PRELOADED, "restart_after_crash = on"]), chat);
    let (cluster, database) = (stack.db.cluster(), stack.db.name());
    stack.execute(
        "INSERT INTO auth.users (id, raw_user_meta_data)
         SELECT gen_random_uuid(), jsonb_build_object('full_name', 'User ' || n)
         FROM generate_series(1, 1500) AS n",
    );
    let seed = std::env::var("COMETCHAT_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(5);
    let mut random = fastrand::Rng::with_seed(seed);
    println!("COMETCHAT_SEED={seed}");

    let mut kills = 0;
    for part in [0..400, 400..800, 800..1300] {
        let moment = random.usize(part);
        eventually("the moment to kill has come", || stack.app().user_count() >= moment);
        let mut pid = None;
        eventually("there is a worker", || {
            pid = ask(cluster, database, WORKER).and_then(|pid| pid.parse().ok());
            pid.is_some()
        });
        // The server restarts all its processes.
        assert!(cluster.kill_process(pid.expect("a pid")));
        kills += 1;
    }

    eventually("everybody has arrived", || {
        ask(cluster, database, SYNCED).as_deref() == Some("1500")
    });
    assert_eq!(kills, 3);
    let names = stack.db.admin().query("SELECT id::text, raw_user_meta_data FROM auth.users", &[]);
    for row in names.expect("the users") {
        let (id, metadata): (String, serde_json::Value) = (row.get(0), row.get(1));
        assert_eq!(stack.chat_user(id)["name"], metadata["full_name"]);
    }
    let counters = stack.chat.counters();
    let repeated = counters.answered("create_user", 400);
    println!("{kills} kills, {repeated} users sent twice, {} requests", counters.requests);
    assert!(repeated <= kills * 16, "{repeated} users were sent twice");
    assert_eq!(stack.app().user_count(), 1500);
}

#[test]
fn a_backlog_survives_a_restart_of_the_server_however_it_ends() {
    let stack = syncing_on(Cluster::start(&[PRELOADED]), Simulator::start());
    stack.chat.set_listener(ListenerState::Paused);
    let users: Vec<_> = (0..40).map(|n| stack.sign_up(&format!("User {n}"))).collect();

    for mode in ["fast", "immediate"] {
        stack.db.cluster().pg_ctl(&["-m", mode, "restart"]);
        let queued = "SELECT count(*) FROM cometchat.sync_state WHERE next_attempt_at IS NOT NULL";
        assert_eq!(stack.value(queued).as_deref(), Some("40"));
    }
    stack.chat.set_listener(ListenerState::Open);

    eventually("all have arrived", || users.iter().all(|u| stack.stored(*u).token.is_some()));
    assert_eq!(stack.app().user_count(), 40);
}

#[test]
fn a_standby_sends_nothing_and_goes_on_once_it_is_promoted() {
    let stack = syncing_on(Cluster::start(&[PRELOADED]), Simulator::start());
    let (primary, database) = (stack.db.cluster(), stack.db.name());
    let ada = stack.sign_up("Ada Lovelace");
    eventually("she arrives", || stack.stored(ada).token.is_some());
    let standby = primary.standby();
    stack.chat.set_listener(ListenerState::Closed);
    let bob = stack.sign_up("Bob Marley");
    let bobs = format!("SELECT count(*) FROM cometchat.sync_state WHERE user_id = '{bob}'");
    eventually("the standby has him", || ask(&standby, database, &bobs).as_deref() == Some("1"));
    primary.pg_ctl(&["-m", "immediate", "stop"]);
    stack.chat.set_listener(ListenerState::Open);
    stack.asked();

    let ours = "SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'cometchat%'";
    assert_eq!(ask(&standby, "postgres", ours).as_deref(), Some("0"));
    let call = format!("SELECT public.cometchat_ensure_user('{ada}') ->> 'success'");
    assert_eq!(ask(&standby, database, &call).as_deref(), Some("true"));
    let call = format!("SELECT public.cometchat_ensure_user('{bob}') ->> 'errorCode'");
    assert_eq!(ask(&standby, database, &call).as_deref(), Some("READ_ONLY"));
    assert!(stack.asked().is_empty());

    standby.pg_ctl(&["promote"]);

    eventually("he arrives", || ask(&standby, database, SYNCED).as_deref() == Some("2"));
    assert_eq!(stack.asked(), ["create_user"]);
    assert_eq!(stack.chat_user(bob)["name"], json!("Bob Marley"));
}
