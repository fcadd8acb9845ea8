//! `auth.users` that cannot be read: nobody gets a token, banned or not; deletions still count; and
//! `health()` names the table, its owner and the fix.

use scenarios::{eventually, Stack};
use uuid::Uuid;

/// A role that may have the table, and may do nothing else.
fn other_owner(stack: &Stack) -> String {
    let role = format!("owner_{}", stack.db.name());
    stack.execute(&format!("CREATE ROLE {role}"));
    role
}

/// What makes it unreadable, and what takes that back; `$owner` is a role without rights.
const WAYS: [(&str, &str); 8] = [
    // The schema is not open to it.
    ("ALTER TABLE auth.users OWNER TO $owner", "GRANT USAGE ON SCHEMA auth TO $owner"),
    ("ALTER TABLE auth.users OWNER TO $owner", "ALTER TABLE auth.users OWNER TO supabase_auth_admin"),
    (
        "REVOKE SELECT ON auth.users FROM supabase_auth_admin",
        "GRANT SELECT ON auth.users TO supabase_auth_admin",
    ),
    (
        "REVOKE SELECT ON auth.users FROM supabase_auth_admin;
         GRANT SELECT (id, email, banned_until) ON auth.users TO supabase_auth_admin",
        "GRANT SELECT ON auth.users TO supabase_auth_admin",
    ),
    (
        "ALTER TABLE auth.users RENAME TO people; CREATE VIEW auth.users AS TABLE auth.people",
        "DROP VIEW auth.users; ALTER TABLE auth.people RENAME TO users",
    ),
    ("ALTER SCHEMA auth RENAME TO gotrue", "ALTER SCHEMA gotrue RENAME TO auth"),
    (
        "ALTER TABLE auth.users RENAME COLUMN id TO uid",
        "ALTER TABLE auth.users RENAME COLUMN uid TO id",
    ),
    (
        "ALTER TABLE auth.users RENAME banned_until TO b; ALTER TABLE auth.users ADD banned_until text;
         UPDATE auth.users SET banned_until = 'for ever' WHERE true",
        "ALTER TABLE auth.users DROP banned_until; ALTER TABLE auth.users RENAME b TO banned_until",
    ),
];

const READABLE: &str = "SELECT concat_ws(' | ', ok, detail, hint) FROM cometchat.health()
                        WHERE check_name = 'auth.users access'";

#[test]
fn a_user_that_cannot_be_looked_up_gets_no_token_and_health_says_why() {
    for (broken, mended) in WAYS {
        let (stack, ada) = Stack::with_ada();
        let banned = stack.sign_up("Bob Marley");
        stack.session(banned).ensure(None, None, None).token();
        let owner = other_owner(&stack);
        stack.execute(&format!(
            "UPDATE auth.users SET banned_until = 'infinity' WHERE id = '{banned}';
             UPDATE cometchat.control SET expects_auth_users = true WHERE true"
        ));
        let new = stack.sign_up("Cleo");
        let mut before = stack.session(banned);
        stack.execute(&broken.replace("$owner", &owner));
        stack.asked();

        // Also a session that has read it before.
        assert_eq!(before.ensure(None, None, None).code(), "DATABASE", "{broken}");
        for user in [ada, banned, new] {
            let answer = stack.session(user).ensure(None, None, None);
            assert_eq!(answer.code(), "DATABASE", "{broken}");
            assert!(answer.error().starts_with("Database error: "), "{broken}: {}", answer.error());
            assert!(!stack.session(user).refresh(None).success(), "{broken}");
        }
        assert_eq!(stack.asked(), scenarios::NOTHING, "{broken}");
        let said = stack.value(READABLE).unwrap_or_default();
        assert!(said.starts_with("f | auth.users"), "{broken}: {said}");
        if broken.contains("OWNER TO") {
            let fix = format!("GRANT USAGE ON SCHEMA auth TO {owner};");
            assert!(said.contains(&owner) && said.contains(&fix), "{said}");
        }
        if broken.contains("REVOKE") {
            let fix = "GRANT SELECT ON auth.users TO supabase_auth_admin;";
            assert!(said.contains(fix), "{said}");
        }

        stack.execute(&mended.replace("$owner", &owner));
        let said = stack.value(READABLE).unwrap_or_default();
        assert!(said.starts_with("t | "), "{mended}: {said}");
        assert_eq!(stack.session(banned).ensure(None, None, None).code(), "USER_DEACTIVATED");
        stack.session(ada).ensure(None, None, None).token();
        stack.session(new).ensure(None, None, None).token();
        stack.execute(&format!("DROP OWNED BY {owner} CASCADE; DROP ROLE {owner}"));
    }
}

#[test]
fn a_deletion_counts_though_the_owner_cannot_read_the_table() {
    let stack = Stack::syncing();
    let ada = stack.sign_up("Ada Lovelace");
    eventually("she is there", || stack.stored(ada).token.is_some());
    let owner = other_owner(&stack);
    stack.execute(&format!("ALTER TABLE auth.users OWNER TO {owner}"));
    stack.execute(&format!("DELETE FROM auth.users WHERE id = '{ada}'"));
    let log = format!("in database \"{}\": 42501", stack.db.name());
    eventually("the log says it", || stack.db.cluster().log().contains(&log));

    stack.execute(&format!("GRANT USAGE ON SCHEMA auth TO {owner}"));
    eventually("CometChat is told", || {
        stack.app().user(&ada.to_string()).is_none_or(|user| user.get("deactivatedAt").is_some())
    });
    assert_eq!(stack.db.cluster().log().matches(&log).count(), 1, "once");
    stack.execute(&format!("DROP OWNED BY {owner} CASCADE; DROP ROLE {owner}"));
}

#[test]
fn forced_row_security_and_a_new_owner_who_may_read_change_nothing() {
    let (stack, ada) = Stack::with_ada();
    let owner = other_owner(&stack);
    stack.execute(&format!(
        "GRANT USAGE ON SCHEMA auth TO {owner}; ALTER TABLE auth.users OWNER TO {owner};
         ALTER TABLE auth.users ENABLE ROW LEVEL SECURITY; ALTER TABLE auth.users FORCE ROW LEVEL SECURITY"
    ));
    stack.session(ada).ensure(None, None, None).token();
    let unwell = "SELECT string_agg(check_name, ',') FROM cometchat.health()
                  WHERE NOT ok AND check_name LIKE '%auth.users%'";
    assert_eq!(stack.value(unwell), None);
    // The owner goes, and another takes over.
    stack.execute(&format!(
        "REASSIGN OWNED BY {owner} TO supabase_auth_admin; DROP OWNED BY {owner}; DROP ROLE {owner}"
    ));
    stack.session(ada).ensure(None, None, None).token();
    assert_eq!(stack.value(unwell), None);
    let unknown = Uuid::new_v4();
    assert_eq!(stack.service().ensure(Some(unknown), None, None).code(), "INVALID_INPUT");
}
