//! The library goes while it is in use (an upgrade that went wrong): sign-ups commit and are noted, and
//! once it is back they arrive.
//!
//! (A library that was never there: sign_up_never_fails.rs.)

use std::fs;
use std::path::PathBuf;

use postgres::Client;
use scenarios::{eventually, Cluster, Database, PgCopy, Stack};
use simulator::Simulator;
use uuid::Uuid;

const PRELOADED: [&str; 1] = ["shared_preload_libraries = 'cometchat_ext'"];
const NOTED: &str = "SELECT count(DISTINCT user_id) FROM cometchat.trigger_misses";
const FAILURES: &str =
    "SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM cometchat.trigger_failures";

/// A server with programs of its own, and somebody who has arrived.
fn on_a_copy(conf: &[&str]) -> (PgCopy, Stack) {
    let copy = PgCopy::copy();
    let cluster = Cluster::start(conf);
    cluster.restart_from(&copy);
    let stack = Stack::on(Database::like_supabase(cluster), Simulator::start());
    stack.execute("SELECT cometchat.enable_auth_trigger(), cometchat.resume()");
    (copy, stack)
}

/// Takes the library away, and gives it back when asked.
struct Gone {
    library: PathBuf,
    aside: PathBuf,
}

impl Gone {
    fn from(copy: &PgCopy) -> Gone {
        let library = copy.library();
        let aside = library.with_extension("aside");
        fs::rename(&library, &aside).expect("take it away");
        Gone { library, aside }
    }

    fn give_back(self) {
        fs::rename(self.aside, self.library).expect("give it back");
    }
}

/// A sign-up, an edit, a login and a deletion by the Auth server in a session that starts now; whom the
/// sign-up was of.
#[track_caller]
fn life_goes_on(stack: &Stack) -> Uuid {
    let mut auth_server: Client = stack.db.connect("supabase_auth_admin");
    let (stays, goes) = (Uuid::new_v4(), Uuid::new_v4());
    for id in [stays, goes] {
        let sql = "INSERT INTO auth.users (id) VALUES ($1)";
        auth_server.execute(sql, &[&id]).expect("a sign-up");
    }
    let sql = "UPDATE auth.users SET raw_user_meta_data = '{\"name\": \"Bob\"}' WHERE id = $1";
    auth_server.execute(sql, &[&stays]).expect("an edit");
    let sql = "UPDATE auth.users SET last_sign_in_at = now() WHERE id = $1";
    auth_server.execute(sql, &[&stays]).expect("a login");
    auth_server.execute("DELETE FROM auth.users WHERE id = $1", &[&goes]).expect("a deletion");
    stays
}

/// Two sign-ups, an edit, a login and a deletion were counted, and both users noted: without the library
/// the trigger can neither take on the rights to queue them nor tell a login from an edit.
#[track_caller]
fn all_were_noted(stack: &Stack) {
    assert_eq!(stack.value(FAILURES).as_deref(), Some("5"));
    assert_eq!(stack.value(NOTED).as_deref(), Some("2"));
}

#[test]
fn a_sign_up_commits_with_the_preloaded_library_gone_and_arrives_when_it_is_back() {
    let (copy, stack) = on_a_copy(&PRELOADED);
    let ada = stack.sign_up("Ada Lovelace");
    eventually("she arrives", || stack.stored(ada).token.is_some());
    let gone = Gone::from(&copy);
    // The worker that runs has its library; one that would have to start has none.
    let end = "SELECT count(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity
               WHERE backend_type = 'cometchat worker'";
    assert_eq!(stack.value(end).as_deref(), Some("1"));
    stack.asked();

    let bob = life_goes_on(&stack);

    all_were_noted(&stack);
    let call = format!("SELECT public.cometchat_ensure_user('{bob}')");
    let error = stack.db.admin().query_one(&call, &[]).expect_err("there is no library");
    assert_eq!(error.code().map(|c| c.code()), Some("58P01"), "{error}");

    gone.give_back();
    let carl = stack.sign_up("Carl Gauss");
    for user in [bob, carl] {
        eventually("all have arrived", || stack.stored(user).token.is_some());
    }
    assert_eq!(stack.chat_user(bob)["name"], "Bob");
}

#[test]
fn a_sign_up_commits_with_the_library_gone_where_nothing_is_preloaded() {
    let (copy, stack) = on_a_copy(&[]);
    let gone = Gone::from(&copy);

    let bob = life_goes_on(&stack);

    all_were_noted(&stack);
    gone.give_back();
    let mut admin = stack.db.admin();
    admin.batch_execute("CALL cometchat.process_queue()").expect("process_queue");
    assert!(stack.stored(bob).token.is_some());
}

#[test]
fn a_replaced_library_takes_effect_at_the_restart() {
    let (copy, stack) = on_a_copy(&PRELOADED);
    let fresh = copy.library().with_extension("fresh");
    fs::copy(copy.library(), &fresh).expect("another library");
    fs::rename(&fresh, copy.library()).expect("replace it");

    let bob = life_goes_on(&stack);
    eventually("he arrives", || stack.stored(bob).token.is_some());

    stack.db.cluster().restart_from(&copy);
    let carl = stack.sign_up("Carl Gauss");
    eventually("he arrives after the restart", || stack.stored(carl).token.is_some());
}
