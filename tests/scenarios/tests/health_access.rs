//! health() on grants, row security and the triggers: each thing that is broken is named, and mended by
//! the hint as it stands.

use scenarios::health::{check, health, is_mended_by_its_hint, unwell, well};
use scenarios::{eventually, Session, Stack};

/// Breaks it in a superuser's session, and has the hint mend it.
fn broken_and_mended(stack: &Stack, name: &str, breakages: &[(&str, &str)]) {
    for (breakage, words) in breakages {
        stack.execute(breakage);
        is_mended_by_its_hint(&stack.db, breakage, name, words);
        // A change of the database's settings has the worker start anew.
        eventually(&format!("after {breakage} all is well"), || unwell(&stack.db).is_empty());
    }
}

#[test]
fn grants_that_are_missing_or_too_many_are_named_and_mended() {
    let stack = well();
    broken_and_mended(
        &stack,
        "grants",
        &[
            (
                "REVOKE EXECUTE ON FUNCTION cometchat_ensure_user, cometchat_refresh_token,
                 cometchat_revoke_tokens FROM authenticated",
                "authenticated lacks EXECUTE on public.cometchat_ensure_user(uuid,text,text)",
            ),
            ("GRANT EXECUTE ON FUNCTION cometchat_ensure_user TO anon", "FROM anon"),
            ("GRANT EXECUTE ON FUNCTION cometchat_ensure_user TO PUBLIC", "FROM PUBLIC"),
            ("GRANT EXECUTE ON FUNCTION cometchat.enqueue TO authenticated", "cometchat.enqueue"),
            ("GRANT SELECT ON cometchat_users TO anon", "anon has SELECT"),
            ("GRANT SELECT (cometchat_auth_token) ON cometchat_users TO anon", "column"),
            ("GRANT ALL ON cometchat.sync_state TO authenticated", "cometchat.sync_state"),
            ("REVOKE SELECT ON cometchat_users FROM authenticated", "authenticated lacks SELECT"),
            ("REVOKE USAGE ON SCHEMA public FROM authenticated, PUBLIC", "schema public"),
            ("REVOKE USAGE ON SCHEMA cometchat FROM service_role", "service_role lacks USAGE"),
            ("REVOKE USAGE ON SCHEMA cometchat FROM cometchat_ext", "cometchat_ext lacks USAGE"),
            ("REVOKE ALL ON cometchat.sync_state FROM cometchat_ext", "cometchat_ext lacks INSERT"),
            ("REVOKE ALL ON cometchat_users FROM cometchat_ext", "cometchat_ext lacks"),
            (
                "REVOKE EXECUTE ON FUNCTION cometchat.worker_status, cometchat.health_queue
                 FROM cometchat_ext",
                "cometchat_ext lacks EXECUTE",
            ),
        ],
    );
}

#[test]
fn a_dba_may_grant_more_to_roles_of_their_own() {
    let stack = well();
    stack.execute(
        "CREATE ROLE support; GRANT USAGE ON SCHEMA cometchat TO support;
         GRANT EXECUTE ON FUNCTION cometchat.enqueue TO support",
    );
    let failing = unwell(&stack.db);
    stack.execute("DROP OWNED BY support; DROP ROLE support");
    assert!(failing.is_empty(), "{failing:#?}");
}

#[test]
fn row_security_that_shows_tokens_to_others_is_named_and_mended() {
    let stack = well();
    broken_and_mended(
        &stack,
        "row security",
        &[
            ("ALTER TABLE cometchat_users DISABLE ROW LEVEL SECURITY", "reads every token"),
            ("DROP POLICY cometchat_users_own_row ON cometchat_users", "cometchat_users_own_row"),
            ("DROP POLICY cometchat_users_service ON cometchat_users", "cometchat_users_service"),
            (
                "DROP POLICY cometchat_users_extension ON cometchat_users",
                "cometchat_users_extension",
            ),
            (
                "ALTER POLICY cometchat_users_own_row ON cometchat_users USING (true)",
                "cometchat_users_own_row",
            ),
            ("CREATE POLICY everybody ON cometchat_users USING (true)", "DROP POLICY everybody"),
        ],
    );
    // It does what it did: her own row, and no other.
    let ada = stack.sign_up("Ada King");
    stack.settled(ada);
    let mut session = Session::authenticated(stack.db.connect("authenticator"), ada);
    let rows = session.client.query("SELECT user_id FROM cometchat_users", &[]).expect("select");
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].get::<_, uuid::Uuid>(0), ada);
}

#[test]
fn anon_who_reads_tokens_without_row_security_is_named_twice() {
    let stack = well();
    stack.execute(
        "ALTER TABLE cometchat_users DISABLE ROW LEVEL SECURITY;
         GRANT SELECT ON cometchat_users TO anon",
    );
    is_mended_by_its_hint(&stack.db, "anon reads", "row security", "reads every token");
    is_mended_by_its_hint(&stack.db, "anon reads", "grants", "anon has SELECT");
    let mut anon = stack.db.connect("authenticator");
    anon.batch_execute("SET ROLE anon").expect("set role");
    assert!(anon.query("SELECT * FROM cometchat_users", &[]).is_err());
    assert!(unwell(&stack.db).is_empty());
}

#[test]
fn triggers_that_cannot_fire_are_named_and_mended() {
    let stack = well();
    let name = stack.db.name().to_owned();
    let replica = format!("ALTER DATABASE {name} SET session_replication_role = replica");
    broken_and_mended(
        &stack,
        "triggers",
        &[
            (
                "ALTER FUNCTION cometchat.on_auth_user_insert() SECURITY INVOKER",
                "does not run with its owner's rights",
            ),
            (
                "ALTER FUNCTION cometchat.on_auth_user_insert() OWNER TO supabase_auth_admin",
                "belongs to supabase_auth_admin",
            ),
            ("ALTER TABLE cometchat_users DISABLE TRIGGER cometchat_truncate", "disabled"),
            ("DROP TRIGGER cometchat_truncate ON cometchat_users", "missing"),
            (&replica, "session_replication_role"),
        ],
    );
    let bob = stack.sign_up("Bob Marley");
    stack.settled(bob);
}

#[test]
fn triggers_that_are_off_are_mended_with_what_was_missed() {
    let stack = well();
    for (off, name) in [
        ("DISABLE TRIGGER cometchat_insert", "Bob Marley"),
        ("ENABLE REPLICA TRIGGER cometchat_insert", "Carl Gauss"),
    ] {
        stack.execute(&format!("ALTER TABLE auth.users {off}"));
        let bob = stack.sign_up(name);
        is_mended_by_its_hint(&stack.db, off, "auth trigger", "cometchat_insert");
        stack.settled(bob);
        assert!(stack.stored(bob).token.is_some(), "who signed up meanwhile is found");
        assert!(unwell(&stack.db).is_empty(), "{:#?}", unwell(&stack.db));
    }
}

#[test]
fn who_signed_up_while_the_trigger_was_off_is_found_and_queued() {
    let stack = well();
    stack.execute("ALTER TABLE auth.users DISABLE TRIGGER cometchat_insert");
    let bob = stack.sign_up("Bob Marley");
    stack.execute("ALTER TABLE auth.users ENABLE TRIGGER cometchat_insert");
    is_mended_by_its_hint(&stack.db, "off for a while", "missed sign-ups", "1 of 2");
    stack.settled(bob);
    assert!(stack.stored(bob).token.is_some());
    assert!(health(&stack.db).len() > 20);
}

/// The later ones of many are queued page by page, for an hour perhaps.
#[test]
fn whom_a_backfill_has_yet_to_reach_nobody_has_missed() {
    let stack = Stack::new();
    stack.execute(
        "INSERT INTO auth.users (id) VALUES ('00000000-0000-4000-8000-000000000001'),
                                            ('f0000000-0000-4000-8000-000000000001');
         SELECT cometchat.enable_auth_trigger();
         INSERT INTO cometchat.running_backfill (after_user, remaining)
         VALUES ('80000000-0000-4000-8000-000000000000', 1)",
    );
    assert!(check(&stack.db, "missed sign-ups").detail.starts_with("1 of 2"));
    stack.execute("UPDATE cometchat.running_backfill SET after_user = '00000000-0000-4000-8000-000000000000' WHERE true");
    assert!(check(&stack.db, "missed sign-ups").ok);
}
