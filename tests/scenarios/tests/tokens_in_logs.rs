//! With everything turned up that Postgres and its extensions can log, no token and no key is in the
//! log, in no spelling, nor in what pg_stat_statements and pg_stat_activity show.

use crate::secret_spellings;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use scenarios::environment::{has_extension, has_module};
use scenarios::{eventually, Cluster, Database, Session, Stack};
use secret_spellings::found;
use serde_json::json;
use simulator::{Simulator, DEV_API_KEY};
use uuid::Uuid;

const TALKATIVE: [&str; 23] = [
    "shared_preload_libraries = 'cometchat_ext, auto_explain, pg_stat_statements'",
    "log_statement = all",
    "log_min_duration_statement = 0",
    "log_min_messages = debug5",
    "log_error_verbosity = verbose",
    "log_parameter_max_length = -1",
    "log_parameter_max_length_on_error = -1",
    "log_duration = on",
    "debug_print_parse = on",
    "debug_print_rewritten = on",
    "debug_print_plan = on",
    "debug_pretty_print = off", // so that a number is not cut in two
    "auto_explain.log_min_duration = 0",
    "auto_explain.log_nested_statements = on",
    "auto_explain.log_analyze = on",
    "auto_explain.log_verbose = on",
    "auto_explain.log_triggers = on",
    "auto_explain.log_buffers = on",
    "auto_explain.log_settings = on",
    // Known from 16 on; before, it is a setting that nobody reads.
    "auto_explain.log_parameter_max_length = -1",
    "track_activity_query_size = 64kB",
    "pg_stat_statements.track = all",
    "pg_stat_statements.track_utility = on",
];

/// Beside the rest, where pgaudit is to be had. It logs no less for a superuser than for anybody else.
const AUDITED: [&str; 3] =
    ["pgaudit.log = all", "pgaudit.log_parameter = on", "pgaudit.log_catalog = on"];

/// The watch would fill the log with itself.
const HUSH: &str = "SET log_statement = none; SET log_min_duration_statement = -1;
                    SET log_duration = off; SET log_min_messages = fatal;
                    SET debug_print_parse = off; SET debug_print_rewritten = off;
                    SET debug_print_plan = off; SET auto_explain.log_min_duration = -1;
                    SET pg_stat_statements.track = none; SET pgaudit.log = none";

struct Talkative {
    stack: Stack,
    /// What every token of these users' begins with, and the tokens themselves, as they come and go.
    secrets: BTreeSet<String>,
}

impl Talkative {
    fn new() -> Talkative {
        let mut conf: Vec<&str> = TALKATIVE.to_vec();
        if has_extension("pgaudit") {
            conf[0] = "shared_preload_libraries = 'cometchat_ext, auto_explain, pg_stat_statements, pgaudit'";
            conf.extend(AUDITED);
        }
        let db = Database::like_supabase(Cluster::start(&conf));
        let secrets = BTreeSet::from([DEV_API_KEY.to_owned()]);
        Talkative { stack: Stack::on(db, Simulator::start()), secrets }
    }

    fn sign_up(&mut self, name: &str) -> Uuid {
        let user = self.stack.sign_up(name);
        self.secrets.insert(format!("{user}_"));
        user
    }

    /// Notes the tokens that there are now.
    fn note(&mut self) {
        let app = self.stack.app();
        let uids: Vec<_> = app.users().iter().map(|user| user["uid"].clone()).collect();
        for uid in uids.iter().filter_map(|uid| uid.as_str()) {
            self.secrets.extend(app.tokens(uid));
        }
    }

    /// Everything that a call can do to a user.
    fn calls(&mut self) {
        let ada = self.sign_up("Ada Lovelace");
        let mut session = self.stack.session(ada);
        for n in 0..7 {
            // Postgres plans a statement anew five times before it may keep a plan
            session.ensure(None, Some(&format!("Ada {n}")), None).token();
            session.refresh(None).token();
            self.note();
            assert!(session.revoke(None).success());
            session.ensure(None, None, None).token();
            self.note();
        }
        session.execute("BEGIN");
        session.refresh(None).token();
        self.note();
        session.execute("ROLLBACK");
        let bob = self.sign_up("Bob"); // CometChat has him already
        self.stack.app().add_user(json!({"uid": bob.to_string(), "name": "Bob"})).expect("a user");
        self.stack.session(bob).ensure(None, None, None).token();
        self.note();
    }

    /// A mapping that an operator has made, without a token and with one that works.
    fn a_mapping_by_hand(&mut self) {
        let eve = self.sign_up("Eve");
        self.secrets.insert("legacy-42_".into());
        self.stack.app().add_user(json!({"uid": "legacy-42", "name": "Eve"})).expect("a user");
        self.stack.map(eve, "legacy-42", None);
        let token = self.stack.session(eve).ensure(None, None, None).token();
        self.note();
        // Nothing of ours is known any more: as if the operator had inserted the token as well.
        self.stack.execute("DELETE FROM cometchat.sync_state WHERE cometchat_uid = 'legacy-42'");
        assert_eq!(self.stack.session(eve).ensure(None, None, None).token(), token);
        self.stack.session(eve).refresh(None).token();
        self.note();
    }

    /// The queue, by hand and by the worker; a ban, a deletion.
    fn the_queue(&mut self) {
        self.stack.unpause_all_but_the_worker();
        let mut admin = Session::of(self.stack.db.admin());
        for n in 0..7 {
            let user = self.sign_up(&format!("Queued {n}"));
            self.stack.enqueue(user, &json!({"role": "default"}));
            admin.execute("CALL cometchat.process_queue()");
            assert!(self.stack.stored(user).token.is_some());
        }
        self.stack.execute("SELECT cometchat.enable_auth_trigger(), cometchat.resume()");
        for n in 0..7 {
            let user = self.sign_up(&format!("Synced {n}"));
            self.stack.all_arrive(&[user]);
            self.note();
            self.stack.change(user, "raw_user_meta_data = '{\"name\": \"Another\"}'");
            self.stack.settled(user);
            match n % 2 {
                0 => self.stack.change(user, "banned_until = now() + interval '1 hour'"),
                _ => self.stack.execute(&format!("DELETE FROM auth.users WHERE id = '{user}'")),
            }
            eventually("deactivated", || self.stack.is_deactivated(user));
        }
    }

    /// Writes that fail while rows with tokens are at hand, in calls and in the worker.
    fn failing_writes(&mut self) {
        let (mallory, victor) = (self.sign_up("Mallory"), self.sign_up("Victor"));
        self.stack.all_arrive(&[mallory, victor]);
        let refuse = "CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
                      BEGIN RAISE EXCEPTION 'not this one'; END $$;
                      CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON public.cometchat_users
                        FOR EACH ROW EXECUTE FUNCTION public.refuse()";
        let check = "ALTER TABLE public.cometchat_users ADD CONSTRAINT odd
                     CHECK (cometchat_auth_token !~ '_') NOT VALID";
        let other = "CREATE UNIQUE INDEX odd ON public.cometchat_users ((true))";
        let undo = "DROP TRIGGER refuse ON public.cometchat_users; DROP FUNCTION public.refuse()";
        for (n, (obstacle, undo)) in [
            (refuse, undo),
            (check, "ALTER TABLE public.cometchat_users DROP CONSTRAINT odd"),
            (other, "DROP INDEX public.odd"),
        ]
        .into_iter()
        .enumerate()
        {
            if obstacle == other {
                self.stack.execute("DELETE FROM public.cometchat_users WHERE true");
                self.stack.session(mallory).ensure(None, None, None).token();
            }
            self.stack.execute(obstacle);
            let fails = [
                self.stack.session(victor).refresh(None),
                self.stack.session(victor).ensure(None, Some(&format!("V {n}")), None),
            ];
            let failed = fails.iter().filter(|answer| !answer.success()).count();
            assert!(failed > 0, "{obstacle}: {fails:?}");
            let new = self.sign_up(&format!("New {n}"));
            let failed =
                format!("SELECT count(*) FROM cometchat.failed_users WHERE user_id = '{new}'");
            eventually("failed", || self.stack.value(&failed).as_deref() == Some("1"));
            self.note();
            self.stack.execute(undo);
        }
    }
}

#[test]
fn no_token_and_no_key_is_logged_or_shown() {
    if !has_module("pg_stat_statements") {
        return;
    }
    let mut talkative = Talkative::new();
    let over = AtomicBool::new(false);
    let (host, name) = (talkative.stack.db.cluster().again(), talkative.stack.db.name().to_owned());
    let shown = thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let (mut client, mut seen) = (host.admin(&name), String::new());
            client.batch_execute(HUSH).expect(HUSH);
            while !over.load(Ordering::Relaxed) {
                let sql = "SELECT string_agg(query, ' ') FROM pg_stat_activity
                           WHERE pid <> pg_backend_pid()";
                seen.push_str(&client.query_one(sql, &[]).expect(sql).get::<_, String>(0));
                thread::sleep(Duration::from_millis(50));
            }
            seen
        });
        talkative.calls();
        talkative.a_mapping_by_hand();
        talkative.the_queue();
        talkative.failing_writes();
        over.store(true, Ordering::Relaxed);
        watch.join().expect("the thread")
    });
    let statements = "SELECT string_agg(s::text, ' ') FROM extensions.pg_stat_statements AS s";
    let statements = talkative.stack.value(statements).expect("statements");
    let log = talkative.stack.db.cluster().log();
    println!("{} bytes of log, {} secrets", log.len(), talkative.secrets.len());
    let signs = ["Query Text", "PLANNEDSTMT", "CommitTransaction", "cometchat_ensure_user"];
    let audited = has_extension("pgaudit").then_some("AUDIT: SESSION");
    for sign in signs.into_iter().chain(audited) {
        assert!(log.contains(sign), "it talks: {sign}");
    }
    for (place, text) in [("pg_stat_activity", &shown), ("pg_stat_statements", &statements)] {
        assert_eq!(found(&talkative.secrets, text), Vec::<String>::new(), "{place}");
    }
    let all = found(&talkative.secrets, &log);
    let some = all.iter().take(6).cloned().collect::<Vec<_>>().join("\n");
    assert!(all.is_empty(), "{} findings in the log:\n{some}", all.len());
}
