//! The server's clock is set back or forth, as by an administrator, NTP at boot, or a machine that was moved: nobody
//! waits for the hours that went away.

use std::path::PathBuf;
use std::time::Duration;

use scenarios::environment::Environment;
use scenarios::{eventually, major, within, Cluster, Database, Stack};
use simulator::{Fault, FaultKind, HeaderStyle, Limits, Simulator};

/// Far less than any step of a test, and more than a busy machine needs.
const SOON: Duration = Duration::from_secs(60);

/// A stack whose server has a clock of its own. `None` where libfaketime is not installed.
struct Clock {
    stack: Stack,
    offset: PathBuf,
}

impl Clock {
    fn start() -> Option<Clock> {
        let clock = Clock::of(&["shared_preload_libraries = 'cometchat_ext'"])?;
        let reaches = clock.reaches_the_worker();
        assert!(reaches || major() != "17", "the worker's clock is not the server's");
        if !reaches {
            println!("skipped: libfaketime does not reach this PostgreSQL's background processes");
        }
        reaches.then_some(clock)
    }

    /// In PostgreSQL 15 libfaketime loses sight of its file in processes that are not for clients.
    fn reaches_the_worker(&self) -> bool {
        self.set(-1000);
        let ada = self.stack.sign_up("Ada Byron");
        within(SOON, "she is synced", || self.stack.stored(ada).token.is_some());
        let same = "SELECT created_at < clock_timestamp() + interval '500 s'
                    FROM public.cometchat_users";
        let reaches = self.stack.value(same).as_deref() == Some("true");
        self.set(0);
        reaches
    }

    fn of(conf: &[&str]) -> Option<Clock> {
        let library = std::env::var_os("COMETCHAT_FAKETIME").filter(|path| !path.is_empty());
        let Some(library) = library else {
            println!("skipped: COMETCHAT_FAKETIME names no library (tools/faketime.sh)");
            return None;
        };
        let cluster = Cluster::start(conf);
        let offset = cluster.dir().join("clock");
        std::fs::write(&offset, "+0").expect("write the clock's offset");
        let environment = Environment::default()
            .variable("LD_PRELOAD", &library.to_string_lossy())
            .variable("FAKETIME_TIMESTAMP_FILE", &offset.to_string_lossy())
            .variable("FAKETIME_NO_CACHE", "1")
            // What is measured goes on, as the kernel's own monotonic clock does.
            .variable("FAKETIME_DONT_FAKE_MONOTONIC", "1")
            .variable("NO_FAKE_STAT", "1");
        cluster.restart_in(&environment);
        let stack = Stack::on(Database::like_supabase(cluster), Simulator::start());
        stack.execute("SELECT cometchat.enable_auth_trigger(), cometchat.resume()");
        Some(Clock { stack, offset })
    }

    /// Sets the server's clock to the real time and so many seconds.
    fn set(&self, seconds: i32) {
        // Renamed into its place: the server reads it at any time.
        let new = self.offset.with_extension("new");
        std::fs::write(&new, format!("{seconds:+}")).expect("write");
        std::fs::rename(&new, &self.offset).expect("rename");
        let off = "SELECT abs(extract(epoch FROM clock_timestamp())::float8 - $1) < 100";
        let real = std::time::SystemTime::UNIX_EPOCH.elapsed().expect("after 1970").as_secs_f64();
        let wanted = real + f64::from(seconds);
        let is_set = self.stack.db.admin().query_one(off, &[&wanted]).expect(off);
        assert!(is_set.get::<_, bool>(0), "the clock is set");
    }
}

/// Sign-up, edit, login and a ban go through soon.
#[track_caller]
fn goes_on(stack: &Stack, when: &str) {
    let ada = stack.sign_up(when);
    within(SOON, &format!("{when}: a sign-up"), || stack.stored(ada).token.is_some());
    stack.session(ada).ensure(None, None, None).token();
    stack.change(ada, "raw_user_meta_data = '{\"full_name\": \"Ada King\"}'");
    within(SOON, &format!("{when}: an edit"), || stack.chat_user(ada)["name"] == "Ada King");
    assert!(stack.session(ada).revoke(None).success(), "{when}");
    stack.session(ada).ensure(None, None, None).token();
    stack.change(ada, "banned_until = 'infinity'");
    within(SOON, &format!("{when}: a ban"), || stack.is_deactivated(ada));
}

#[test]
fn after_each_step_everything_goes_on() {
    let Some(clock) = Clock::start() else { return };
    goes_on(&clock.stack, "Before");
    for seconds in [-3600, 7200, -86_400, 0] {
        clock.set(seconds);
        goes_on(&clock.stack, &format!("Clock at {seconds}"));
    }
}

#[test]
fn who_waits_for_another_attempt_waits_no_longer() {
    let Some(clock) = Clock::start() else { return };
    let stack = &clock.stack;
    stack.chat.set_fault(Fault::status(503, "ERR_INTERNAL"));
    let users = stack.sign_ups(5);
    let waiting = "SELECT count(*) FROM cometchat.sync_state WHERE attempts > 0 AND claim IS NULL";
    eventually("they wait", || stack.value(waiting).is_some_and(|n| n != "0"));

    clock.set(-3600);
    stack.chat.clear_faults();

    within(SOON * 2, "all arrive", || users.iter().all(|u| stack.stored(*u).token.is_some()));
}

/// Without a worker, a run knows when the last one was.
#[test]
fn process_queue_sees_it_by_its_last_run() {
    let Some(clock) = Clock::of(&[]) else { return };
    let stack = &clock.stack;
    let run = || stack.execute("CALL cometchat.process_queue()");
    stack.chat.set_fault(Fault::status(503, "ERR_INTERNAL"));
    let users = stack.sign_ups(5);
    run();

    clock.set(-3600);
    stack.chat.clear_faults();

    within(SOON, "all arrive", || {
        run();
        users.iter().all(|user| stack.stored(*user).token.is_some())
    });
}

#[test]
fn who_was_in_flight_is_not_taken_for_in_flight_for_an_hour() {
    let Some(clock) = Clock::start() else { return };
    let stack = &clock.stack;
    stack.db.set("cometchat.request_timeout", Some("5s"));
    let hang = Fault::new(FaultKind::HangBeforeHeader).times(1);
    stack.chat.set_fault(hang);
    let ada = stack.sign_up("Ada Lovelace");
    let in_flight = "SELECT count(*) FROM cometchat.sync_state WHERE claim IS NOT NULL";
    eventually("she is in flight", || stack.value(in_flight).as_deref() == Some("1"));

    clock.set(-3600);

    within(SOON * 2, "she arrives", || stack.stored(ada).token.is_some());
}

#[test]
fn a_limit_ends_as_it_would_have() {
    let Some(clock) = Clock::start() else { return };
    let stack = &clock.stack;
    stack.chat.set_limits(Limits {
        core: Some(20),
        window_ms: 5000,
        headers: HeaderStyle::Both,
        ..Limits::default()
    });
    stack.db.set("cometchat.rate_limit", Some("0"));
    let users = stack.sign_ups(60);
    let arrived = || users.iter().filter(|user| stack.stored(**user).token.is_some()).count();
    within(SOON, "the first window", || arrived() >= 10);

    clock.set(-3600);

    within(SOON * 2, "all arrive", || arrived() == users.len());
}
