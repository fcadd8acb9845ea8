//! An `auth.users` of whoever it may be: it is read with its owner's rights, and what cannot be read
//! lets nobody in.

use scenarios::{eventually, Cluster, Database, RightsTrap, Session, Stack, NOTHING};
use simulator::Simulator;
use uuid::Uuid;

const USERS: &str = "CREATE SCHEMA auth; CREATE TABLE auth.users (id uuid PRIMARY KEY, email text,
                     raw_user_meta_data jsonb, banned_until timestamptz, deleted_at timestamptz)";

/// A role of the test's own that logs in, and may do what its attributes say.
fn role(db: &Database, attributes: &str) -> String {
    let name = format!("owner_{}", db.name());
    let sql = format!("CREATE ROLE {name} LOGIN {attributes}");
    db.admin().batch_execute(&sql).expect(&sql);
    name
}

/// A database that belongs to an ordinary role, as does the `auth.users` in it.
fn of_an_ordinary_role() -> (Stack, String) {
    let db = Database::plain(Cluster::shared());
    let owner = role(&db, "");
    let sql = format!("ALTER DATABASE {} OWNER TO {owner}", db.name());
    db.admin().batch_execute(&sql).expect(&sql);
    db.connect(&owner).batch_execute(USERS).expect(USERS);
    (Stack::on(db, Simulator::start()), owner)
}

fn sign_up(stack: &Stack, owner: &str) -> Uuid {
    let id = Uuid::new_v4();
    let sql = format!("INSERT INTO auth.users (id, email) VALUES ('{id}', 'ada@example.com')");
    Session::of(stack.db.connect(owner)).execute(&sql);
    id
}

fn ban(stack: &Stack, owner: &str, user: Uuid) {
    let sql = format!("UPDATE auth.users SET banned_until = 'infinity' WHERE id = '{user}'");
    Session::of(stack.db.connect(owner)).execute(&sql);
}

#[test]
fn an_owner_of_a_database_takes_the_auth_servers_name() {
    // The name is taken in the shared cluster.
    let db = Database::plain(Cluster::start(&[]));
    let attacker = role(&db, "CREATEROLE");
    let sql = format!(
        "ALTER ROLE supabase_auth_admin RENAME TO another; ALTER DATABASE {} OWNER TO {attacker}",
        db.name()
    );
    db.admin().batch_execute(&sql).expect(&sql);
    let sql = format!(
        "CREATE ROLE supabase_auth_admin LOGIN;
         GRANT CREATE ON DATABASE {} TO supabase_auth_admin",
        db.name()
    );
    db.connect(&attacker).batch_execute(&sql).expect(&sql);
    let trap = RightsTrap::of(&db, "supabase_auth_admin");
    trap.plant(&db, USERS);
    trap.plant(&db, "CREATE INDEX ON auth.users ((trap.spring('an index')))");
    let stack = Stack::on(db, Simulator::start());

    let ada = sign_up(&stack, "supabase_auth_admin");
    let answer = stack.session(ada).ensure(None, None, None);
    stack.execute("SELECT cometchat.enable_auth_trigger()");
    stack.execute("SELECT cometchat.backfill()");

    trap.caught_nobody_but(&stack.db, &[]);
    answer.token();
}

#[test]
fn an_auth_users_of_an_ordinary_role_decides_existence_and_bans() {
    let (stack, owner) = of_an_ordinary_role();
    let ada = sign_up(&stack, &owner);
    let (nobody, mut admin) = (Uuid::new_v4(), Session::of(stack.db.admin()));

    stack.session(ada).ensure(None, None, None).token();
    assert_eq!(stack.chat_user(ada)["metadata"]["@private"]["email"], "ada@example.com");
    assert_eq!(stack.session(nobody).ensure(None, None, None).code(), "INVALID_INPUT");
    assert_eq!(admin.ensure(Some(nobody), None, None).code(), "INVALID_INPUT");
    ban(&stack, &owner, ada);
    assert_eq!(stack.session(ada).ensure(None, None, None).code(), "USER_DEACTIVATED");
    assert_eq!(stack.session(ada).refresh(None).code(), "USER_DEACTIVATED");
    assert_eq!(admin.ensure(Some(ada), None, None).code(), "USER_DEACTIVATED");
}

#[test]
fn a_table_of_an_ordinary_role_is_synced_by_the_worker() {
    let (stack, owner) = of_an_ordinary_role();
    let before = sign_up(&stack, &owner);
    stack.execute("SELECT cometchat.enable_auth_trigger(), cometchat.resume()");
    assert_eq!(stack.value("SELECT cometchat.backfill()").as_deref(), Some("1"));
    eventually("who was there is synced", || stack.stored(before).token.is_some());

    let ada = sign_up(&stack, &owner);
    eventually("who signs up is synced", || stack.stored(ada).token.is_some());
    ban(&stack, &owner, ada);
    eventually("the ban is synced", || stack.stored(ada).deactivated);
    let delete = format!("DELETE FROM auth.users WHERE id = '{before}'");
    Session::of(stack.db.connect(&owner)).execute(&delete);
    eventually("the deletion is synced", || stack.stored(before).deactivated);

    let failing = "SELECT string_agg(check_name, ', ') FROM cometchat.health() WHERE NOT ok";
    assert_eq!(stack.value(failing), None);
}

#[test]
fn after_a_change_of_owner_bans_and_deletions_still_count() {
    let stack = Stack::syncing();
    let other = role(&stack.db, "");
    let (ada, bob) = (stack.sign_up("Ada Lovelace"), stack.sign_up("Bob"));
    for user in [ada, bob] {
        eventually("synced", || stack.stored(user).token.is_some());
    }

    stack.execute(&format!(
        "GRANT USAGE ON SCHEMA auth TO {other}; ALTER TABLE auth.users OWNER TO {other}"
    ));
    ban(&stack, &other, ada);
    let delete = format!("DELETE FROM auth.users WHERE id = '{bob}'");
    Session::of(stack.db.connect(&other)).execute(&delete);

    assert_eq!(stack.session(ada).ensure(None, None, None).code(), "USER_DEACTIVATED");
    assert_eq!(stack.service().ensure(Some(ada), None, None).code(), "USER_DEACTIVATED");
    assert_eq!(stack.service().ensure(Some(bob), None, None).code(), "INVALID_INPUT");
    eventually("the ban is synced", || stack.stored(ada).deactivated);
    eventually("the deletion is synced", || stack.stored(bob).deactivated);
    assert!(sign_up_is_synced(&stack, &other));
}

fn sign_up_is_synced(stack: &Stack, owner: &str) -> bool {
    let cleo = sign_up(stack, owner);
    eventually("a later sign-up is synced", || stack.stored(cleo).token.is_some());
    true
}

#[test]
fn an_owner_without_rights_on_its_own_table_admits_no_user() {
    let (stack, owner) = of_an_ordinary_role();
    let ada = sign_up(&stack, &owner);
    stack.session(ada).ensure(None, None, None).token();
    for sql in [
        format!("REVOKE ALL ON auth.users FROM {owner}"),
        format!("GRANT ALL ON auth.users TO {owner}; ALTER SCHEMA auth OWNER TO supabase_admin; REVOKE ALL ON SCHEMA auth FROM {owner}"),
    ] {
        stack.execute(&sql);
        closed(&stack, ada, &sql);
    }
}

#[test]
fn an_object_in_the_tables_place_admits_no_user() {
    let swaps = [
        "CREATE VIEW auth.users AS SELECT id, NULL::timestamptz AS banned_until FROM auth.real",
        "CREATE MATERIALIZED VIEW auth.users AS SELECT id FROM auth.real",
        "CREATE FOREIGN TABLE auth.users (id uuid) SERVER elsewhere",
        "CREATE SEQUENCE auth.users",
        "CREATE TYPE auth.users AS (id uuid)",
        "CREATE TABLE auth.users (uid uuid)",
        "SELECT 'nothing does'",
        "ALTER SCHEMA auth RENAME TO gone",
    ];
    for swap in swaps {
        let stack = Stack::syncing();
        let ada = stack.sign_up("Ada Lovelace");
        eventually("she is synced", || stack.stored(ada).token.is_some());
        stack.change(ada, "banned_until = 'infinity'");
        eventually("the ban is synced", || stack.stored(ada).deactivated);
        let bob = stack.sign_up("Bob");
        eventually("he is synced", || stack.stored(bob).token.is_some());
        stack.asked();

        stack.execute(&format!(
            "CREATE FOREIGN DATA WRAPPER nothing; CREATE SERVER elsewhere FOREIGN DATA WRAPPER nothing;
             ALTER TABLE auth.users RENAME TO real; {swap}"
        ));

        closed(&stack, ada, swap);
        closed(&stack, bob, swap);
        let failing = "SELECT count(*) > 0 FROM cometchat.health() WHERE NOT ok";
        assert_eq!(stack.value(failing).as_deref(), Some("true"), "said nowhere: {swap}");
    }
}

/// Neither the person nor somebody trusted gets a token, stored or new, and nothing is sent.
#[track_caller]
fn closed(stack: &Stack, user: Uuid, why: &str) {
    stack.asked();
    for mut session in [stack.session(user), Session::of(stack.db.admin())] {
        let answer = session.ensure(Some(user), None, None);
        assert!(answer.0.get("authToken").is_none(), "{why}: {answer:?}");
        assert_eq!(answer.code(), "DATABASE", "{why}");
        assert_eq!(session.refresh(Some(user)).code(), "DATABASE", "{why}");
    }
    assert_eq!(stack.asked(), NOTHING, "{why}");
}

// Its indexes would be planned with the superuser's rights.
#[test]
fn a_superusers_table_with_a_partition_of_another_role_is_not_read() {
    let db = Database::plain(Cluster::shared());
    let trap = RightsTrap::of(&db, "postgres");
    let ada = Uuid::new_v4();
    let sql = format!(
        "CREATE SCHEMA auth; GRANT USAGE, CREATE ON SCHEMA auth TO postgres;
         CREATE TABLE auth.users (id uuid PRIMARY KEY, email text) PARTITION BY HASH (id);
         CREATE TABLE auth.part PARTITION OF auth.users FOR VALUES WITH (MODULUS 1, REMAINDER 0);
         INSERT INTO auth.users VALUES ('{ada}', 'ada@example.com');
         ALTER TABLE auth.part OWNER TO postgres"
    );
    db.admin().batch_execute(&sql).expect(&sql);
    trap.plant(&db, "CREATE INDEX ON auth.part ((trap.spring('an index of a partition')))");
    let stack = Stack::on(db, Simulator::start());

    let mut admin = Session::of(stack.db.admin());
    assert_eq!(admin.ensure(Some(ada), None, None).code(), "DATABASE");
    assert_eq!(admin.sqlstate("SELECT cometchat.backfill()"), "42501");
    trap.caught_at_most(&stack.db, &[]);
}
