//! health() on what runs beside the worker: who ends it again and again, and a job of pg_cron that fails.

use std::time::Duration;

use scenarios::health::{check, fails, is_mended_by_its_hint, run_hint, unwell};
use scenarios::{eventually, within, Cluster, Database, Stack};
use simulator::Simulator;

const END_THE_WORKER: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE backend_type = 'cometchat worker' AND datname = current_database()";

#[test]
fn a_session_that_ends_the_worker_again_and_again_is_named_and_ended_by_the_hint() {
    let stack = Stack::alone().sync();
    let mut terminator = stack.db.admin();
    for _ in 0..3 {
        within(Duration::from_secs(60), "there is a worker", || stack.worker().is_some());
        let before = stack.worker();
        terminator.batch_execute(END_THE_WORKER).expect("end it");
        eventually("it is gone", || stack.worker() != before);
    }
    let said = fails(&stack.db, "ended three times", "worker restarts");
    assert!(said.detail.contains("ended by others 3 times"), "{said:?}");
    run_hint(&stack.db, &said.hint);
    assert!(terminator.batch_execute("SELECT 1").is_err(), "it goes on: {said:?}");
    within(Duration::from_secs(60), "all is well", || unwell(&stack.db).is_empty());
}

#[test]
fn an_extension_that_goes_or_a_setting_that_changes_is_no_end_by_others() {
    let stack = Stack::alone().sync();
    eventually("there is a worker", || stack.worker().is_some());
    for attempts in ["3", "4", "5", "6"] {
        let before = stack.worker();
        stack.db.set("cometchat.max_attempts", Some(attempts));
        stack.sign_up(&format!("Ada the {attempts}th"));
        within(Duration::from_secs(60), "it has started anew, or has the setting", || {
            stack.worker().is_some() && (stack.worker() != before || unwell(&stack.db).is_empty())
        });
    }
    assert!(check(&stack.db, "worker restarts").ok, "{:?}", check(&stack.db, "worker restarts"));
}

/// pg_cron's tables and the function that the hint calls, as version 1.6 has them.
const CRON: &str = "
    CREATE SCHEMA cron;
    CREATE TABLE cron.job (jobid bigint PRIMARY KEY, schedule text, command text, nodename text,
      nodeport int, database text, username text, active boolean DEFAULT true, jobname text);
    CREATE TABLE cron.job_run_details (jobid bigint, runid bigint PRIMARY KEY, job_pid int, database text,
      username text, command text, status text, return_message text, start_time timestamptz,
      end_time timestamptz);
    CREATE FUNCTION cron.alter_job(job_id bigint, schedule text DEFAULT NULL, command text DEFAULT NULL,
      database text DEFAULT NULL, username text DEFAULT NULL, active boolean DEFAULT NULL) RETURNS void
    LANGUAGE sql AS $f$
      UPDATE cron.job SET command = COALESCE($3, command), database = COALESCE($4, database),
        username = COALESCE($5, username), active = COALESCE($6, active) WHERE jobid = $1
    $f$;
    CREATE FUNCTION cron.schedule(job_name text, schedule text, command text) RETURNS void
    LANGUAGE sql AS $f$
      INSERT INTO cron.job (jobid, jobname, schedule, command, username, database)
      VALUES (8, $1, $2, $3, current_user, current_database())
    $f$;";

/// Runs the job as pg_cron does, and writes down what came of it.
fn run_job(stack: &Stack, run: i64) {
    let mut session = stack.db.admin();
    let job = session
        .query_one("SELECT command, username, active FROM cron.job WHERE jobid = 7", &[])
        .expect("the job");
    let (command, role): (String, String) = (job.get(0), job.get(1));
    if !job.get::<_, bool>(2) {
        return;
    }
    let result = stack.db.connect(&role).batch_execute(&command);
    let (status, message) = match result {
        Ok(()) => ("succeeded", "CALL".to_owned()),
        Err(error) => {
            ("failed", format!("ERROR: {}", error.as_db_error().expect("an error").message()))
        }
    };
    let sql = "INSERT INTO cron.job_run_details (jobid, runid, command, status, return_message, start_time)
               VALUES (7, $1, $2, $3, $4, now())";
    session.execute(sql, &[&run, &command, &status, &message]).expect(sql);
}

#[test]
fn a_job_of_pg_cron_that_fails_is_named_and_mended_by_the_hint() {
    let cluster = Cluster::start(&[]);
    let stack = Stack::on(Database::like_supabase(cluster), Simulator::start()).sync();
    stack.execute(CRON);
    assert!(!check(&stack.db, "worker").ok, "nothing is preloaded");
    let call = "CALL cometchat.process_queue()";
    let name = stack.db.name();
    for (run, (command, role, database, active, words)) in (1..).zip([
        (
            "BEGIN; CALL cometchat.process_queue(); COMMIT",
            "supabase_admin",
            name,
            true,
            "cannot run inside a transaction block",
        ),
        (call, "supabase_auth_admin", name, true, "permission denied"),
        (call, "supabase_admin", name, false, "is not active"),
    ]) {
        let sql = "INSERT INTO cron.job (jobid, command, username, database, active)
                   VALUES (7, $1, $2, $3, $4) ON CONFLICT (jobid) DO UPDATE SET
                   command = $1, username = $2, database = $3, active = $4";
        stack.db.admin().execute(sql, &[&command, &role, &database, &active]).expect(sql);
        run_job(&stack, 2 * run);
        let said = fails(&stack.db, words, "process_queue()");
        assert!(said.detail.contains(words), "{said:?}");
        run_hint(&stack.db, &said.hint);
        run_job(&stack, 2 * run + 1);
        let row = check(&stack.db, "process_queue()");
        assert!(row.ok, "{words}: {row:?}");
        assert!(unwell(&stack.db).is_empty(), "{:#?}", unwell(&stack.db));
    }
}

#[test]
fn the_hint_is_one_that_its_reader_may_run() {
    let stack = Stack::new();
    stack.execute(CRON);
    stack.execute(
        "INSERT INTO cron.job (jobid, command, username, database, active)
         VALUES (7, 'CALL cometchat.process_queue()', 'postgres', current_database(), false);
         GRANT USAGE ON SCHEMA cron TO PUBLIC; GRANT SELECT ON ALL TABLES IN SCHEMA cron TO PUBLIC",
    );
    let hint_for = |role: &str| -> String {
        let sql = "SELECT hint FROM cometchat.health() WHERE check_name = 'process_queue()'";
        stack.db.connect(role).query_one(sql, &[]).expect(sql).get(0)
    };
    assert!(hint_for("supabase_admin").contains("username => 'supabase_admin', active => true"));
    let hint = hint_for("postgres");
    assert!(hint.contains("active => true") && !hint.contains("username"), "{hint}");
}

#[test]
fn another_databases_job_is_left_alone() {
    let cluster = Cluster::start(&[]);
    let stack = Stack::on(Database::like_supabase(cluster), Simulator::start()).sync();
    stack.execute(CRON);
    let job = "INSERT INTO cron.job (jobid, command, username, database)
               VALUES (7, 'CALL cometchat.process_queue()', 'supabase_admin', 'postgres')";
    stack.execute(job);
    let said = fails(&stack.db, "nobody sends here", "process_queue()");
    assert!(said.detail.ends_with("; job 7 of pg_cron runs in database postgres"), "{said:?}");
    run_hint(&stack.db, &said.hint);
    let jobs = "SELECT string_agg(jobid || ' ' || database, ', ' ORDER BY jobid) FROM cron.job";
    let both = format!("7 postgres, 8 {}", stack.db.name());
    assert_eq!(stack.value(jobs), Some(both));
    let row = check(&stack.db, "process_queue()");
    assert!(row.ok && row.detail.contains("job 8"), "{row:?}");

    // A worker does it here.
    let stack = Stack::syncing();
    stack.execute(CRON);
    stack.execute(job);
    eventually("there is a worker", || stack.worker().is_some());
    assert!(check(&stack.db, "process_queue()").ok, "{:?}", check(&stack.db, "process_queue()"));
}

#[test]
fn tables_named_like_pg_crons_that_are_no_superusers_are_not_read() {
    let stack = Stack::new();
    stack.execute(
        "CREATE SCHEMA cron AUTHORIZATION postgres; SET ROLE postgres;
         CREATE FUNCTION cron.boom() RETURNS text LANGUAGE plpgsql AS $f$
         BEGIN RAISE 'the owner''s code ran'; END $f$;
         CREATE VIEW cron.job AS SELECT 7::bigint AS jobid, cron.boom() AS command, 'x'::text AS database,
           true AS active;
         CREATE TABLE cron.job_run_details (jobid bigint, runid bigint, status text, return_message text,
           start_time timestamptz)",
    );
    let row = check(&stack.db, "process_queue()");
    assert!(row.ok && row.detail == "never called", "{row:?}");
}

#[test]
fn users_who_failed_and_a_trigger_that_failed_are_mended_by_the_hints() {
    let stack = Stack::syncing();
    stack.execute("SELECT nextval('cometchat.trigger_failures')");
    is_mended_by_its_hint(&stack.db, "counted", "trigger errors", "1 failures");
    let fault = stack.chat.set_fault(simulator::Fault::status(400, "ERR_BAD_REQUEST"));
    stack.sign_up("Ada Lovelace");
    let said = fails(&stack.db, "refused", "failed users");
    stack.chat.clear_fault(fault);
    run_hint(&stack.db, &said.hint);
    eventually("all is well", || unwell(&stack.db).is_empty());
    stack.execute("SELECT cometchat.pause()");
    is_mended_by_its_hint(&stack.db, "paused", "sending", "paused by an operator");
    stack.execute("ALTER TABLE cometchat_users DROP CONSTRAINT cometchat_users_user_id_fkey");
    is_mended_by_its_hint(&stack.db, "no foreign key", "foreign key", "none");
}

#[test]
fn a_role_with_attributes_is_mended_by_the_hint() {
    // Roles belong to the cluster.
    let cluster = Cluster::start(&["shared_preload_libraries = 'cometchat_ext'"]);
    let stack = Stack::on(Database::like_supabase(cluster), Simulator::start()).sync();
    let role = "ALTER ROLE cometchat_ext CREATEDB";
    stack.execute(role);
    is_mended_by_its_hint(&stack.db, role, "extension role", "attributes");
}
