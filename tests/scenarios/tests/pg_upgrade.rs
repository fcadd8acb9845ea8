//! `pg_upgrade` to the version under test, with data, trigger and preload: all is there, nothing is sent until
//! `resume()`, which `health()` asks for, and then those who waited are sent and nobody else.
//!
//! From PostgreSQL 15, which `make test` has installed before, and to 18 from 16; where it is not, this says so and
//! does nothing. (Debian's 15.20 and 17 note `pg_attver` with each column, which its 18.6 refuses, whatever the table.)

use scenarios::health::{fails, run_hint};
use scenarios::{eventually, is_installed, major, Cluster, Database, Stack, NOTHING};
use simulator::Simulator;

use crate::dump_restore::{all_is_back, kept, unwell, value, Before};

#[test]
fn everything_comes_along_and_sending_goes_on_with_resume() {
    let new = major();
    let old = if new == "18" { "16" } else { "15" };
    if new == old || !is_installed(old) {
        eprintln!("not tried: PostgreSQL {old} with the extension in it is not here (make build PG={old})");
        return;
    }
    let preloaded = ["shared_preload_libraries = 'cometchat_ext'"];
    let old = Cluster::start_of(old, &preloaded);
    let stack = Stack::on(Database::like_supabase(old), Simulator::start()).sync();
    let before = Before::on(stack);
    // Not paused by an operator, but nothing is sent any more: what waits, waits for the new server.
    before.stack.execute(
        "UPDATE cometchat.control SET paused = false WHERE true;
                          DELETE FROM cometchat.pauses WHERE true",
    );
    let expected = kept(&before.stack.db);
    let old = before.stack.db.cluster();
    old.pg_ctl(&["-m", "fast", "stop"]);
    before.stack.asked();

    let upgraded = Cluster::start_empty(&new, &preloaded);
    upgraded.pg_ctl(&["-m", "fast", "stop"]);
    upgraded.upgrade_from(old);
    upgraded.pg_ctl(&["start"]);
    let db = before.stack.db.in_cluster(&upgraded);

    let server = value(&db, "SELECT current_setting('server_version_num')::integer / 10000");
    assert_eq!(server, Some(new));
    all_is_back(&db, &expected);
    let reason = "SELECT paused_reason FROM cometchat.progress";
    assert_eq!(value(&db, reason).as_deref(), Some("COPY"));
    let asks = "SELECT cometchat.resume();";
    let said = fails(&db, "after pg_upgrade", "sending");
    assert!(said.hint.starts_with(asks), "{said:?}");
    before.stack.chat.clear_requests(); // health() asks
    assert_eq!(before.stack.asked(), NOTHING);

    run_hint(&db, &said.hint);

    before.only_the_pending_are_sent(&db);
    eventually("nothing is left to be mended", || unwell(&db).is_empty());
    let sign_up = "INSERT INTO auth.users (id) VALUES (gen_random_uuid())";
    db.connect("supabase_auth_admin").batch_execute(sign_up).expect(sign_up);
    let synced = "SELECT count(cometchat_auth_token) FROM public.cometchat_users";
    eventually("a sign-up arrives", || value(&db, synced).as_deref() == Some("50"));
    let away = "DROP EXTENSION cometchat_ext";
    db.admin().batch_execute(away).expect("the triggers depend on it as before");
}
