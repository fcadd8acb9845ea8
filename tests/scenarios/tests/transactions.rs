//! Transactions of the caller's: what a rollback leaves, and what isolation levels see.

use scenarios::{Stack, Stored, NOTHING};

#[test]
fn a_rolled_back_ensure_is_repaired_by_the_next_call() {
    let stack = Stack::new();
    let ada = stack.sign_up("Ada Lovelace");
    let mut session = stack.session(ada);
    session.execute("BEGIN");
    session.ensure(None, None, None).token();
    session.execute("ROLLBACK");
    assert_eq!(stack.stored(ada), Stored::default());
    assert_eq!(stack.asked(), ["create_user"]);

    let answer = session.ensure(None, None, None);

    assert_eq!(stack.asked(), ["create_user", "get_user", "create_token"]);
    assert_eq!(stack.stored(ada).token, Some(answer.token()));
    assert_eq!(stack.app().user_count(), 1);
}

#[test]
fn a_rolled_back_update_is_sent_again() {
    let stack = Stack::new();
    let ada = stack.sign_up("Ada Byron");
    let mut session = stack.session(ada);
    session.ensure(None, None, None).token();
    session.execute("BEGIN");
    session.ensure(None, Some("Ada Lovelace"), None).token();
    session.execute("ROLLBACK");
    stack.asked();

    // The argument went with the transaction: the metadata's name is wanted, and is not known to
    // have been replaced. The next argument puts it right.
    session.ensure(None, Some("Ada Lovelace"), None).token();

    assert_eq!(stack.asked(), ["update_user"]);
    assert_eq!(stack.chat_user(ada)["name"], "Ada Lovelace");
}

#[test]
fn a_rolled_back_refresh_leaves_the_older_token_which_still_works() {
    let stack = Stack::new();
    let ada = stack.sign_up("Ada Lovelace");
    let mut session = stack.session(ada);
    let first = session.ensure(None, None, None);
    session.execute("BEGIN");
    session.refresh(None).token();
    session.execute("ROLLBACK");

    assert_eq!(session.ensure(None, None, None), first);
    assert!(stack.app().tokens(&ada.to_string()).contains(&first.token()));
}

#[test]
fn two_users_fit_into_one_transaction() {
    let stack = Stack::new();
    let (ada, bob) = (stack.sign_up("Ada Lovelace"), stack.sign_up("Bob Marley"));
    let mut service = stack.service();
    service.execute("BEGIN");
    let first = service.ensure(Some(ada), None, None);
    let second = service.ensure(Some(bob), None, None);
    assert_eq!(service.ensure(Some(ada), None, None), first, "it sees its own writes");
    service.execute("COMMIT");

    assert_eq!(stack.asked(), ["create_user", "create_user"]);
    assert_eq!(stack.stored(ada).token, Some(first.token()));
    assert_eq!(stack.stored(bob).token, Some(second.token()));
}

#[test]
fn one_statement_ensures_many_users() {
    let stack = Stack::new();
    for n in 0..10 {
        stack.sign_up(&format!("User {n}"));
    }

    let sql = "SELECT count(*) FROM auth.users AS u
               WHERE (public.cometchat_ensure_user(u.id) ->> 'success')::boolean";

    assert_eq!(stack.value(&format!("({sql})")).as_deref(), Some("10"));
    assert_eq!(stack.app().user_count(), 10);
    assert_eq!(
        stack.value("SELECT count(cometchat_auth_token) FROM cometchat_users").as_deref(),
        Some("10")
    );
}

#[test]
fn a_savepoint_that_is_rolled_back_takes_what_was_stored_with_it() {
    let stack = Stack::new();
    let ada = stack.sign_up("Ada Lovelace");
    let mut session = stack.session(ada);
    session.execute("BEGIN; SAVEPOINT here");
    session.ensure(None, None, None).token();
    session.execute("ROLLBACK TO here");
    let answer = session.ensure(None, None, None);
    session.execute("COMMIT");

    assert_eq!(stack.asked(), ["create_user", "create_user", "get_user", "create_token"]);
    assert_eq!(stack.stored(ada).token, Some(answer.token()));
}

#[test]
fn an_exception_block_around_it_changes_nothing() {
    let stack = Stack::new();
    let ada = stack.sign_up("Ada Lovelace");

    stack.execute(&format!(
        "DO $$ BEGIN
           PERFORM public.cometchat_ensure_user('{ada}');
         EXCEPTION WHEN others THEN RAISE EXCEPTION 'it raised: %', SQLERRM;
         END $$"
    ));

    assert!(stack.stored(ada).token.is_some());
    assert_eq!(stack.asked(), ["create_user"]);
}

#[test]
fn a_failure_that_is_answered_does_not_abort_the_transaction() {
    let stack = Stack::new();
    let ada = stack.sign_up("Ada Lovelace");
    stack.execute(
        "CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS
           $$ BEGIN RAISE EXCEPTION 'no'; END $$;
         CREATE TRIGGER refuse BEFORE INSERT ON cometchat_users FOR EACH ROW EXECUTE FUNCTION refuse();
         CREATE TABLE public.orders (id integer); GRANT ALL ON public.orders TO authenticated",
    );
    let mut session = stack.session(ada);

    session.execute("BEGIN; INSERT INTO public.orders VALUES (1)");
    assert_eq!(session.ensure(None, None, None).code(), "DATABASE");
    session.execute("INSERT INTO public.orders VALUES (2); COMMIT");

    assert_eq!(stack.value("SELECT count(*) FROM public.orders").as_deref(), Some("2"));
}

#[test]
fn a_repeatable_read_session_sees_its_own_writes() {
    let stack = Stack::new();
    let ada = stack.sign_up("Ada Lovelace");
    for level in ["REPEATABLE READ", "SERIALIZABLE"] {
        let mut session = stack.session(ada);
        session.execute(&format!("BEGIN ISOLATION LEVEL {level}"));
        let first = session.ensure(None, None, None);
        let refreshed = session.refresh(None);
        assert_ne!(refreshed.token(), first.token());
        assert_eq!(session.ensure(None, None, None), refreshed);
        session.execute("COMMIT");
        assert_eq!(stack.stored(ada).token, Some(refreshed.token()), "{level}");
    }
    assert_eq!(stack.asked(), ["create_user", "create_token", "create_token"]);
}

#[test]
fn a_snapshot_older_than_anothers_ensure_sees_its_answer_but_may_not_write_over_it() {
    let stack = Stack::new();
    let ada = stack.sign_up("Ada Lovelace");
    for level in ["REPEATABLE READ", "SERIALIZABLE"] {
        stack.execute(
            "DELETE FROM cometchat_users WHERE true;
             DELETE FROM cometchat.sync_state WHERE true",
        );
        let mut early = stack.session(ada);
        early.execute(&format!("BEGIN ISOLATION LEVEL {level}; SELECT 1"));
        let answer = stack.session(ada).ensure(None, None, None);

        stack.asked();
        assert_eq!(early.ensure(None, None, None), answer, "{level}");
        assert_eq!(stack.asked(), NOTHING);
        let refresh = "SELECT public.cometchat_refresh_token()";
        assert_eq!(early.sqlstate(refresh), "40001", "{level}: a serialisation failure is raised");
        early.execute("ROLLBACK");
        stack.asked();
        assert_eq!(early.ensure(None, None, None), answer, "what the other stored is untouched");
        assert_eq!(stack.asked(), NOTHING);
    }
}
