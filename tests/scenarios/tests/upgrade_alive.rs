//! A living database is upgraded: people sign up, edit and log in while library and SQL are replaced, one after
//! the other. Nobody is lost, and what waited, failed or was overridden is as before.
//!
//! In a checkout without the commit of a release its library cannot be built, and this says so and does nothing.

use scenarios::catalog::{catalog, differences};
use scenarios::load::Load;
use scenarios::{eventually, Cluster, Database, PgCopy, Release, Stack, NOTHING};
use serde_json::json;
use simulator::{Fault, FaultKind, Simulator};
use uuid::Uuid;

const UPDATE: &str = "ALTER EXTENSION cometchat_ext UPDATE";
const PRELOADED: [&str; 1] = ["shared_preload_libraries = 'cometchat_ext'"];
const PRESENT: &str = env!("CARGO_PKG_VERSION");

/// A server with the package of a release in it.
fn server(release: &Release, conf: &[&str]) -> Option<(PgCopy, Cluster)> {
    let Some(library) = release.library() else {
        eprintln!("not tried: the library of {} cannot be built here", release.version());
        return None;
    };
    let copy = PgCopy::copy();
    copy.install_release(release, &library);
    let cluster = Cluster::start(conf);
    cluster.restart_from(&copy);
    Some((copy, cluster))
}

/// One of each kind.
struct People {
    overridden: Uuid,
    banned: Uuid,
    failed: Uuid,
    mapped: Uuid,
    claimed: Uuid,
    pending: Uuid,
}

impl People {
    fn fill(stack: &Stack) -> People {
        let [overridden, banned] = ["Ada Lovelace", "Bob Marley"].map(|name| stack.sign_up(name));
        [overridden, banned].iter().for_each(|user| stack.settled(*user));
        stack.enqueue(overridden, &json!({"name": "The Countess"}));
        stack.change(banned, "banned_until = 'infinity'");
        let [failed, claimed, pending] = [(); 3].map(|()| Uuid::new_v4());
        let uid = |user: Uuid| user.to_string();
        stack.chat.set_fault(Fault::status(400, "ERR_BAD_REQUEST").uid(&uid(failed)));
        stack.chat.set_fault(Fault::status(500, "ERR_INTERNAL").uid(&uid(pending)));
        stack.execute("SELECT cometchat.pause()");
        eventually("the worker has left", || stack.worker().is_none());
        let mapped = stack.sign_up("Ann Droid");
        stack.app().add_user(json!({"uid": "ann", "name": "Ann"})).expect("a user in CometChat");
        stack.map(mapped, "ann", None);
        stack.execute("SELECT cometchat.resume()");
        for user in [overridden, banned, mapped] {
            stack.settled(user);
        }
        stack.chat.set_fault(Fault::new(FaultKind::HangBeforeHeader).uid(&uid(claimed)));
        for user in [failed, claimed, pending] {
            let sql = "INSERT INTO auth.users (id) VALUES ($1)";
            stack.db.connect("supabase_auth_admin").execute(sql, &[&user]).expect(sql);
        }
        let people = People { overridden, banned, failed, mapped, claimed, pending };
        eventually("each is in its state", || {
            let state = |user: Uuid, condition: &str| {
                let sql = format!(
                    "SELECT count(*) FROM cometchat.sync_state WHERE user_id = '{user}' AND {condition}"
                );
                stack.value(&sql).as_deref() == Some("1")
            };
            state(failed, "failed_at IS NOT NULL")
                && state(claimed, "claim IS NOT NULL")
                && state(pending, "next_attempt_at > now() AND attempts > 0")
        });
        people
    }

    #[track_caller]
    fn are_as_they_should_be(&self, stack: &Stack) {
        stack.all_arrive(&[self.claimed, self.pending, self.mapped, self.overridden]);
        assert_eq!(stack.chat_user(self.overridden)["name"], "The Countess");
        assert!(stack.is_deactivated(self.banned));
        assert_eq!(stack.stored(self.mapped).uid.as_deref(), Some("ann"));
        let failed =
            "SELECT string_agg(user_id || ' ' || error_code, ',') FROM cometchat.failed_users";
        assert_eq!(stack.value(failed), Some(format!("{} ERR_BAD_REQUEST", self.failed)));
    }
}

/// A second database of the server, paused, with somebody who waits.
fn paused(cluster: &Cluster) -> (Stack, Uuid) {
    let stack = Stack::on(Database::like_supabase(cluster.again()), Simulator::start());
    stack.execute("SELECT cometchat.enable_auth_trigger()");
    let waits = stack.sign_up("Carl Gauss");
    (stack, waits)
}

fn version(stack: &Stack) -> String {
    let sql = "SELECT extversion FROM pg_extension WHERE extname = 'cometchat_ext'";
    stack.value(sql).expect("a version")
}

/// The worker idles, says once why, and `health()` names the same cure; calls and sign-ups go on.
#[track_caller]
fn idles_and_says(stack: &Stack, people: &People, cure: &str, hint: &str) {
    let ada = stack.sign_up(&format!("Idle {}", Uuid::new_v4().simple()));
    eventually("it says so", || stack.logged(cure).len() == 1);
    stack.execute("SELECT pg_reload_conf(), cometchat.wake()");
    let hints = "SELECT string_agg(hint, ' | ') FROM cometchat.health() WHERE NOT ok AND check_name = 'versions'";
    let hints = stack.value(hints).unwrap_or_default();
    assert!(hints.contains(hint), "{hints}");
    assert!(stack.stored(ada).token.is_none(), "the worker sent something");
    // Sessions work, with and without a request.
    stack.session(people.overridden).ensure(None, None, None).token();
    stack.session(ada).ensure(None, None, None).token();
    assert_eq!(stack.logged(cure).len(), 1);
}

#[test]
fn nobody_is_lost_while_library_and_sql_are_replaced() {
    for release in Release::all() {
        let Some((copy, cluster)) = server(&release, &PRELOADED) else { continue };
        let (other, waits) = paused(&cluster);
        let stack = Stack::on(Database::like_supabase(cluster.again()), Simulator::start());
        stack.execute("SELECT cometchat.enable_auth_trigger(), cometchat.resume()");
        assert_eq!(version(&stack), release.version());
        let people = People::fill(&stack);
        let load = Load::start(&stack, 2, 300, 15);

        // The package comes while the server runs, which keeps its library: the update is refused.
        copy.install_present();
        let error = stack.db.admin().batch_execute(UPDATE).expect_err("the old library is loaded");
        let error = error.as_db_error().expect("an error of the server's");
        assert_eq!(error.code().code(), "55000");
        assert!(error.hint().is_some_and(|hint| hint.contains("Restart the server")), "{error:?}");
        stack.all_arrive(&[stack.sign_up("Dora Maar")]);

        // Old SQL, new library.
        cluster.restart_from(&copy);
        idles_and_says(&stack, &people, &format!("run {UPDATE}"), UPDATE);
        stack.execute(UPDATE);
        assert_eq!(version(&stack), PRESENT);
        stack.execute("SELECT cometchat.wake()");
        stack.chat.clear_faults();
        stack.all_arrive(&[stack.sign_up("Eve Curie")]);

        // New SQL, old library: the package was put back.
        copy.install_release(&release, &release.library().expect("it was built"));
        cluster.restart_from(&copy);
        let cure = format!("install cometchat_ext {PRESENT} if it is not, and restart the server");
        idles_and_says(&stack, &people, &cure, "restart the server");
        copy.install_present();
        cluster.restart_from(&copy);

        let everybody: Vec<Uuid> = load.finish().users.into_keys().collect();
        stack.all_arrive(&everybody);
        people.are_as_they_should_be(&stack);
        // Paused all the time.
        assert_eq!(other.asked(), NOTHING);
        other.execute(UPDATE);
        assert_eq!(other.value("SELECT paused FROM cometchat.control").as_deref(), Some("true"));
        other.execute("SELECT cometchat.resume()");
        other.all_arrive(&[waits]);

        let fresh = Database::like_supabase(cluster.again());
        let create = "CREATE EXTENSION cometchat_ext; SELECT cometchat.enable_auth_trigger()";
        fresh.admin().batch_execute(create).expect(create);
        let found = differences(&catalog(&stack.db), &catalog(&fresh));
        assert!(found.is_empty(), "{}", found.join("\n"));
    }
}

#[test]
fn without_preloading_the_next_session_has_the_new_library_and_works() {
    for release in Release::all() {
        let Some((copy, cluster)) = server(&release, &[]) else { continue };
        let stack = Stack::on(Database::like_supabase(cluster), Simulator::start());
        stack.execute("SELECT cometchat.enable_auth_trigger(), cometchat.resume()");
        let ada = stack.sign_up("Ada Lovelace");
        let mut old = stack.db.admin();
        old.batch_execute("CALL cometchat.process_queue()").expect("process_queue");
        stack.all_arrive(&[ada]);

        copy.install_present();
        let error = old.batch_execute(UPDATE).expect_err("this session has the old library");
        assert_eq!(error.code().map(|code| code.code()), Some("55000"), "{error:?}");
        // Old SQL, new library: it idles, and says why; whoever calls is served.
        let bob = stack.sign_up("Bob Marley");
        let refused = stack.db.admin().batch_execute("CALL cometchat.process_queue()");
        let refused = refused.expect_err("two versions");
        let refused = refused.as_db_error().expect("an error of the server's");
        assert!(refused.message().contains(UPDATE), "{refused}");
        stack.session(ada).ensure(None, None, None).token();
        stack.execute(UPDATE);
        stack.execute("CALL cometchat.process_queue()");
        stack.all_arrive(&[bob]);
        // New SQL, old library.
        let carl = stack.sign_up("Carl Gauss");
        old.batch_execute("CALL cometchat.process_queue()").expect("process_queue");
        stack.all_arrive(&[carl]);
        assert_eq!(version(&stack), PRESENT);
    }
}
