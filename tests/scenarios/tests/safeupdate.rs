//! Supabase's sessions preload pg-safeupdate; so do the sessions of every test here.

use scenarios::Stack;

#[test]
fn the_sessions_of_these_tests_refuse_update_and_delete_without_where() {
    let stack = Stack::new();
    let mut admin = stack.db.admin();
    for (sql, command) in [
        ("UPDATE auth.users SET phone = phone", "UPDATE"),
        ("DELETE FROM auth.users", "DELETE"),
        ("WITH gone AS (DELETE FROM auth.users RETURNING id) SELECT FROM gone", "DELETE"),
        ("DO 'BEGIN UPDATE auth.users SET phone = phone; END'", "UPDATE"),
    ] {
        let error = admin.batch_execute(sql).expect_err("run tools/safeupdate.sh");
        let message = error.as_db_error().expect("an answer").message().to_owned();
        assert_eq!(message, format!("{command} requires a WHERE clause"), "{sql}");
    }
    admin.batch_execute("DELETE FROM auth.users WHERE true").expect("that is how it is done");
}
