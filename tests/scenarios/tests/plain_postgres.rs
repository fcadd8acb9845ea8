//! Plain Postgres: without `auth.users`, and with one that has nothing but an id.

use postgres::Client;
use scenarios::{Session, Stack, Stored, NOTHING};
use serde_json::json;
use uuid::Uuid;

fn admin(stack: &Stack) -> Session {
    Session::of(stack.db.admin())
}

fn has_foreign_key(client: &mut Client) -> bool {
    let sql = "SELECT EXISTS (SELECT FROM pg_constraint
                WHERE conrelid = 'public.cometchat_users'::regclass AND contype = 'f')";
    client.query_one(sql, &[]).expect(sql).get(0)
}

#[test]
fn without_auth_users_every_uuid_is_a_user() {
    let stack = Stack::plain();
    let ada = Uuid::new_v4();
    let mut admin = admin(&stack);
    assert!(!has_foreign_key(&mut admin.client));

    let answer = admin.ensure(Some(ada), Some("Ada Lovelace"), Some("ada@example.com"));

    assert_eq!(stack.asked(), ["create_user"]);
    let there = stack.chat_user(ada);
    assert_eq!(there["name"], "Ada Lovelace");
    assert_eq!(there["metadata"], json!({"@private": {"email": "ada@example.com"}}));
    assert_eq!(admin.ensure(Some(ada), None, None), answer, "arguments are remembered");
    assert_eq!(stack.asked(), NOTHING);
    assert_ne!(admin.refresh(Some(ada)).token(), answer.token());
    assert!(admin.revoke(Some(ada)).success());
    assert_eq!(stack.app().tokens(&ada.to_string()), NOTHING);
}

#[test]
fn without_auth_users_arguments_and_overrides_are_the_whole_profile() {
    let stack = Stack::plain();
    let ada = Uuid::new_v4();
    let mut admin = admin(&stack);
    admin.execute(&format!(
        r#"SELECT cometchat.enqueue('{ada}', '{{"avatar": "https://a.example/1", "tags": ["vip"]}}')"#
    ));

    admin.ensure(Some(ada), None, None).token();
    let there = stack.chat_user(ada);
    assert_eq!(there["name"], format!("User {}", &ada.to_string()[..8]));
    assert_eq!(
        (&there["avatar"], &there["tags"]),
        (&json!("https://a.example/1"), &json!(["vip"]))
    );

    admin.ensure(Some(ada), Some("Ada"), None).token();
    admin.ensure(Some(ada), Some("Countess"), Some("ada@example.com")).token();
    let there = stack.chat_user(ada);
    assert_eq!(there["name"], "Countess");
    assert_eq!(there["metadata"]["@private"]["email"], "ada@example.com");
}

#[test]
fn claims_work_without_supabase_too() {
    let stack = Stack::plain();
    let (ada, bob) = (Uuid::new_v4(), Uuid::new_v4());
    let mut session = stack.session(ada);

    assert!(session.ensure(None, Some("Ada"), Some("victim@example.com")).success());
    assert_eq!(session.ensure(Some(bob), None, None).code(), "UNAUTHORIZED");
    assert_eq!(stack.chat_user(ada).get("metadata"), None, "a client's word for an e-mail");
    let rows = session.client.query("SELECT FROM public.cometchat_users", &[]).unwrap();
    assert_eq!(rows.len(), 1);
}

#[test]
fn an_auth_users_with_nothing_but_an_id_is_enough() {
    let stack = Stack::plain();
    let (ada, nobody) = (Uuid::new_v4(), Uuid::new_v4());
    stack.execute(&format!(
        "DROP EXTENSION cometchat_ext;
         CREATE SCHEMA auth; CREATE TABLE auth.users (id uuid PRIMARY KEY);
         INSERT INTO auth.users VALUES ('{ada}'); CREATE EXTENSION cometchat_ext"
    ));
    let mut admin = admin(&stack);
    assert!(has_foreign_key(&mut admin.client));

    assert!(admin.ensure(Some(ada), Some("Ada"), None).success());
    assert_eq!(admin.ensure(Some(nobody), Some("Nobody"), None).code(), "INVALID_INPUT");
    assert_eq!(stack.asked(), ["create_user"]);

    admin.execute("DELETE FROM auth.users WHERE true");
    assert_eq!(stack.stored(ada).uid, None, "the mapping goes with the user");
}

#[test]
fn each_column_of_auth_users_is_used_where_it_exists() {
    for (columns, values) in [
        ("email text", "'ada@example.com'"),
        ("raw_user_meta_data json", r#"'{"name": "Ada"}'"#),
        ("banned_until timestamptz", "NULL"),
        ("deleted_at timestamptz, email varchar(255)", "NULL, NULL"),
    ] {
        let stack = Stack::plain();
        let ada = Uuid::new_v4();
        stack.execute(&format!(
            "CREATE SCHEMA auth; CREATE TABLE auth.users (id uuid PRIMARY KEY, {columns});
             INSERT INTO auth.users VALUES ('{ada}', {values})"
        ));
        assert!(admin(&stack).ensure(Some(ada), None, None).success(), "{columns}");
    }
}

#[test]
fn an_auth_users_that_comes_or_goes_later_is_noticed() {
    let stack = Stack::plain();
    let ada = Uuid::new_v4();
    let mut admin = admin(&stack);
    let answer = admin.ensure(Some(ada), Some("Ada"), None);

    admin.execute("CREATE SCHEMA auth; CREATE TABLE auth.users (id uuid PRIMARY KEY)");
    assert_eq!(admin.ensure(Some(ada), None, None).code(), "INVALID_INPUT");
    admin.execute("DROP SCHEMA auth CASCADE");
    assert_eq!(admin.ensure(Some(ada), None, None), answer);
}

#[test]
fn an_auth_users_that_cannot_be_referenced_is_accepted() {
    let stack = Stack::plain();
    let ada = Uuid::new_v4();
    for (make, foreign_key) in [
        ("CREATE TABLE auth.users (id uuid)", false),
        ("CREATE VIEW auth.users AS SELECT gen_random_uuid() AS id", false),
        ("CREATE TABLE auth.users (id uuid UNIQUE)", true),
    ] {
        stack.execute(&format!(
            "DROP EXTENSION cometchat_ext; DROP SCHEMA IF EXISTS auth CASCADE; CREATE SCHEMA auth; {make};
             CREATE EXTENSION cometchat_ext"
        ));
        assert_eq!(has_foreign_key(&mut stack.db.admin()), foreign_key, "{make}");
        if !make.contains("VIEW") {
            stack.execute(&format!("INSERT INTO auth.users VALUES ('{ada}')"));
        }
        let answer = admin(&stack).ensure(Some(ada), None, None);
        if make.contains("VIEW") {
            // Who is banned cannot be known, so nobody gets in.
            assert_eq!(answer.code(), "DATABASE", "{make}");
        } else {
            assert!(answer.success(), "{make}");
        }
    }
}

#[test]
fn a_mapping_of_another_user_is_not_used_and_health_has_a_hint() {
    let stack = Stack::plain();
    let ada = Uuid::new_v4();
    admin(&stack).ensure(Some(ada), None, None).token();
    let failing = "SELECT string_agg(check_name || ': ' || detail, ', ') FROM cometchat.health() WHERE NOT ok";
    let hint = "SELECT hint FROM cometchat.health() WHERE check_name = 'table owner'";
    let row = |sql: &str| stack.value(&format!("({sql})"));

    stack.execute("ALTER TABLE public.cometchat_users OWNER TO postgres");
    assert_eq!(admin(&stack).ensure(Some(ada), None, None).code(), "DATABASE");
    let said = "table owner: public.cometchat_users belongs to postgres";
    assert_eq!(row(failing).as_deref(), Some(said));
    stack.execute(&row(hint).expect("a hint"));

    assert!(admin(&stack).ensure(Some(ada), None, None).success());
    assert_eq!(row(hint), None);
    stack.execute("ALTER TABLE public.cometchat_users RENAME TO others");
    assert_eq!(admin(&stack).ensure(Some(ada), None, None).code(), "DATABASE");
    assert_eq!(row(failing).as_deref(), Some("table owner: public.cometchat_users does not exist"));
}

#[test]
fn it_can_be_dropped_and_created_again_in_a_session_that_used_it() {
    let stack = Stack::plain();
    let ada = Uuid::new_v4();
    let mut admin = admin(&stack);
    admin.ensure(Some(ada), Some("Ada"), None).token();

    admin.execute("DROP EXTENSION cometchat_ext; CREATE EXTENSION cometchat_ext");

    assert_eq!(stack.stored(ada), Stored::default());
    assert!(admin.ensure(Some(ada), Some("Ada"), None).success());
    assert_eq!(stack.app().user_count(), 1);
}
