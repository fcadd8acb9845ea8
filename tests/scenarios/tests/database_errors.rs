//! READ_ONLY and DATABASE: what cannot be written, and what is served all the same.

use scenarios::{in_three_tries, Stack, Stored, NOTHING};
use serde_json::json;
use uuid::Uuid;

/// Lets the final write fail in several ways, each undone by the second statement.
const FAILURES: [(&str, &str, &str); 3] = [
    (
        "P0001",
        "CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS
           $$ BEGIN RAISE EXCEPTION 'no: %', NEW; END $$;
         CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON public.cometchat_users
           FOR EACH ROW EXECUTE FUNCTION public.refuse()",
        "DROP FUNCTION public.refuse() CASCADE",
    ),
    (
        "23514", // its DETAIL is the row that failed, token included
        "ALTER TABLE public.cometchat_users ADD CONSTRAINT no CHECK (cometchat_uid = 'x') NOT VALID",
        "ALTER TABLE public.cometchat_users DROP CONSTRAINT no",
    ),
    (
        "42703",
        "ALTER TABLE cometchat.sync_state RENAME COLUMN email_argument_base TO basis_of_email",
        "ALTER TABLE cometchat.sync_state RENAME COLUMN basis_of_email TO email_argument_base",
    ),
];

#[test]
fn in_a_read_only_transaction_stored_answers_are_served_and_nothing_is_sent() {
    let stack = Stack::new();
    let (ada, bob) = (stack.sign_up("Ada Lovelace"), stack.sign_up("Bob Marley"));
    let stored = stack.session(ada).ensure(None, None, None);
    stack.asked();

    let mut session = stack.session(ada);
    session.execute("BEGIN READ ONLY");
    assert_eq!(session.ensure(None, None, None), stored);
    assert_eq!(session.ensure(None, Some("Another Name"), None), stored, "sent some other time");
    let read_only =
        json!({"success": false, "error": "The database is read-only", "errorCode": "READ_ONLY"});
    assert_eq!(session.refresh(None).0, read_only);
    assert_eq!(session.revoke(None).0, read_only);
    session.execute("COMMIT");
    let mut session = stack.session(bob);
    session.execute("SET default_transaction_read_only = on");
    assert_eq!(session.ensure(None, None, None).0, read_only);

    assert_eq!(stack.asked(), NOTHING);
    assert_eq!(stack.stored(ada).token, Some(stored.token()));
}

#[test]
fn a_failed_final_write_is_database_and_the_next_call_repairs_it() {
    let stack = Stack::new();
    for (sqlstate, make, undo) in &FAILURES[..2] {
        let ada = stack.sign_up(&format!("Ada {sqlstate}"));
        stack.execute(make);
        let answer = stack.session(ada).ensure(None, None, None);
        let error = format!("Database error: {sqlstate}");
        assert_eq!(answer.0, json!({"success": false, "error": error, "errorCode": "DATABASE"}));
        assert_eq!(stack.stored(ada), Stored::default(), "{sqlstate}");
        stack.execute(undo);
        stack.asked();

        let answer = stack.session(ada).ensure(None, None, None);

        assert_eq!(stack.asked(), ["create_user", "get_user", "create_token"]);
        assert_eq!(stack.stored(ada).token, Some(answer.token()));
    }
}

#[test]
fn a_failed_read_is_database_and_sends_nothing() {
    let stack = Stack::new();
    let ada = stack.sign_up("Ada Lovelace");
    let (sqlstate, make, undo) = FAILURES[2];
    stack.execute(make);

    let answer = stack.session(ada).ensure(None, None, None);

    assert_eq!(
        (answer.code(), answer.error()),
        ("DATABASE", &*format!("Database error: {sqlstate}"))
    );
    assert_eq!(stack.asked(), NOTHING);
    stack.execute(undo);
    assert!(stack.session(ada).ensure(None, None, None).success());
}

#[test]
fn a_uid_of_another_local_user_is_never_shared() {
    let stack = Stack::new();
    let (ada, bob) = (stack.sign_up("Ada Lovelace"), stack.sign_up("Bob Marley"));
    stack.map(bob, &ada.to_string(), None);

    let answer = stack.session(ada).ensure(None, None, None);

    assert_eq!((answer.code(), answer.error()), ("DATABASE", "Database error: 23505"));
    assert_eq!(stack.stored(ada), Stored::default());
}

#[test]
fn a_locked_row_is_awaited_within_the_timeout() {
    let stack = Stack::new();
    let ada = stack.sign_up("Ada Lovelace");
    stack.session(ada).ensure(None, None, None).token();
    stack.db.set("cometchat.request_timeout", Some("1500ms"));
    let mut other = stack.db.admin();
    other.batch_execute("BEGIN; SELECT FROM cometchat_users FOR UPDATE").unwrap();
    let answer = in_three_tries(|| match stack.session(ada).refresh(None) {
        answer if answer.code() == "TIMEOUT" => Err(answer), // had not even its token in time
        answer => Ok(answer),
    });
    assert_eq!((answer.code(), answer.error()), ("DATABASE", "Database error: 55P03"));

    other.batch_execute("ROLLBACK; BEGIN; LOCK TABLE auth.users").unwrap();
    assert_eq!(stack.session(ada).refresh(None).code(), "TIMEOUT");

    other.batch_execute("ROLLBACK").unwrap();
    stack.db.set("cometchat.request_timeout", None);
    assert!(stack.session(ada).refresh(None).success());
}

#[test]
fn neither_key_nor_token_nor_email_reaches_the_servers_log() {
    let stack = Stack::new();
    stack.db.set("log_min_messages", Some("debug1"));
    stack.db.set("log_error_verbosity", Some("verbose"));
    let mut users: Vec<Uuid> = Vec::new();
    for (sqlstate, make, undo) in FAILURES {
        let user = stack.sign_up(&format!("Secret {sqlstate}"));
        stack.execute(make);
        stack.session(user).ensure(None, None, None).code();
        stack.execute(undo);
        stack.session(user).ensure(None, None, None).token();
        stack.session(user).refresh(None).token();
        stack.session(user).revoke(None);
        users.push(user);
    }
    stack.app().delete(&users[0].to_string());
    stack.session(users[0]).refresh(None);

    let log = stack.db.cluster().log();

    let lines = |what: &str| {
        log.lines()
            .filter(|line| line.contains(&format!("@{} ", stack.db.name())) && line.contains(what))
            .count()
    };
    assert!(lines("cometchat: create_user 200 - ") >= 3, "one DEBUG1 line for each request");
    assert_eq!(lines("cometchat: create_token 404 ERR_UID_NOT_FOUND "), 1);
    assert_eq!(log.matches(simulator::DEV_API_KEY).count(), 0);
    assert_eq!(log.matches("secret.").count(), 0, "an e-mail");
    for user in users {
        assert_eq!(log.matches(&format!("{user}_")).count(), 0, "a token");
    }
}
