//! Attacks on stored tokens: reading and changing other people's rows.

use scenarios::{Session, Stack};
use uuid::Uuid;

/// Mallory and Ada, both of whom have tokens.
fn mallory_and_ada() -> (Stack, Uuid, Uuid) {
    let (stack, ada) = Stack::with_ada();
    let mallory = stack.sign_up("Mallory");
    stack.session(mallory).ensure(None, None, None).token();
    (stack, mallory, ada)
}

fn count(session: &mut Session, from: &str) -> i64 {
    let sql = format!("SELECT count(*) FROM {from}");
    session.client.query_one(&sql, &[]).expect(&sql).get(0)
}

#[test]
fn a_user_tries_to_read_anothers_row() {
    let (stack, mallory, ada) = mallory_and_ada();
    let mut session = stack.session(mallory);
    for query in [
        format!("public.cometchat_users WHERE user_id = '{ada}'"),
        format!("public.cometchat_users WHERE user_id <> '{mallory}'"),
        "public.cometchat_users WHERE user_id IS DISTINCT FROM (current_setting('request.jwt.claims')::jsonb ->> 'sub')::uuid".into(),
        "(SELECT * FROM public.cometchat_users TABLESAMPLE SYSTEM (100) OFFSET 1) AS t".into(),
        format!("public.cometchat_users AS a JOIN public.cometchat_users AS b ON a.id <> b.id OR b.user_id = '{ada}'"),
        "(SELECT cometchat_auth_token FROM ONLY public.cometchat_users ORDER BY id OFFSET 1) AS t".into(),
    ] {
        assert_eq!(count(&mut session, &query), 0, "{query}");
    }
    session.execute("SET row_security = off");
    let bypass = "SELECT * FROM public.cometchat_users";
    assert_eq!(session.sqlstate(bypass), "42501", "an error, not the rows");
}

#[test]
fn a_user_tries_a_cheap_leaky_function_under_row_security() {
    let (stack, mallory, ada) = mallory_and_ada();
    let mut session = stack.session(mallory);
    session.execute(
        "CREATE TEMP TABLE leaked (token text);
         CREATE FUNCTION pg_temp.leak(token text) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS
           $$ BEGIN INSERT INTO leaked VALUES (token); RETURN true; END $$;
         CREATE OPERATOR pg_temp.<~ (RIGHTARG = text, FUNCTION = pg_temp.leak);
         SELECT * FROM public.cometchat_users WHERE pg_temp.leak(cometchat_auth_token);
         SELECT * FROM public.cometchat_users WHERE OPERATOR(pg_temp.<~) cometchat_auth_token",
    );

    let token = stack.stored(ada).token.expect("a token");
    let sql = "SELECT DISTINCT token FROM leaked";
    let leaked: Vec<String> =
        session.client.query(sql, &[]).expect(sql).iter().map(|row| row.get(0)).collect();
    assert_eq!(leaked, [stack.stored(mallory).token.expect("a token")]);
    assert!(!leaked.contains(&token));
    // An error that would say the value of a row that is not to be seen.
    session.execute("SELECT 1 / (length(cometchat_auth_token) - 0) FROM public.cometchat_users");
    let cast = "SELECT cometchat_auth_token::int FROM public.cometchat_users";
    let error = session.client.batch_execute(cast).expect_err("no number").to_string();
    assert!(!error.contains(&token), "{error}");
}

#[test]
fn a_user_tries_the_planners_statistics() {
    let (stack, mallory, ada) = mallory_and_ada();
    stack.execute("ANALYZE public.cometchat_users");
    let mut session = stack.session(mallory);

    assert_eq!(count(&mut session, "pg_stats WHERE tablename = 'cometchat_users'"), 0);
    assert_eq!(session.sqlstate("SELECT * FROM pg_statistic"), "42501");
    let sql =
        format!("EXPLAIN ANALYZE SELECT * FROM public.cometchat_users WHERE user_id = '{ada}'");
    for row in session.client.query(&sql, &[]).expect(&sql) {
        let line: String = row.get(0);
        assert!(!line.contains(&stack.stored(ada).token.expect("a token")), "{line}");
    }
}

#[test]
fn a_client_tries_to_change_the_table() {
    let (stack, mallory, ada) = mallory_and_ada();
    for role in ["authenticated", "anon"] {
        let mut session = stack.session(mallory);
        session.execute(&format!("SET ROLE {role}"));
        for sql in [
            format!("INSERT INTO public.cometchat_users (user_id, cometchat_uid) VALUES ('{}', 'x')", Uuid::new_v4()),
            format!("INSERT INTO public.cometchat_users (user_id, cometchat_uid) VALUES ('{mallory}', '{ada}') ON CONFLICT (user_id) DO UPDATE SET cometchat_uid = '{ada}'"),
            format!("UPDATE public.cometchat_users SET cometchat_uid = '{ada}' WHERE user_id = '{mallory}'"),
            "UPDATE public.cometchat_users SET cometchat_auth_token = 'x' WHERE true".into(),
            "DELETE FROM public.cometchat_users WHERE true".into(),
            "TRUNCATE public.cometchat_users".into(),
            "COPY public.cometchat_users (user_id, cometchat_uid) FROM PROGRAM 'true'".into(),
            "BEGIN; LOCK TABLE public.cometchat_users IN EXCLUSIVE MODE".into(),
            "SELECT * FROM public.cometchat_users FOR UPDATE".into(),
            "SELECT nextval('public.cometchat_users_id_seq')".into(),
            "SELECT setval('public.cometchat_users_id_seq', 1)".into(),
        ] {
            assert_eq!(session.sqlstate(&sql), "42501", "{sql}");
            session.execute("ROLLBACK");
        }
    }
    assert_eq!(stack.stored(mallory).uid, Some(mallory.to_string()));
}

#[test]
fn an_anonymous_client_tries_to_read_the_table_with_a_users_claims() {
    let (stack, _, ada) = mallory_and_ada();
    let mut session = stack.session(ada);
    session.execute("SET ROLE anon");

    assert_eq!(session.sqlstate("SELECT * FROM public.cometchat_users"), "42501");
    // A DBA who opens the table to anon shows the row of the claims' user, and no other.
    stack.execute("GRANT SELECT ON public.cometchat_users TO anon");
    session.execute("SET request.jwt.claims = '{\"role\": \"anon\"}'");
    assert_eq!(count(&mut session, "public.cometchat_users"), 0);
}

#[test]
fn a_client_tries_to_read_what_is_for_operators() {
    let (stack, mallory, _) = mallory_and_ada();
    for opened in [false, true] {
        if opened {
            stack.execute("GRANT USAGE ON SCHEMA cometchat TO PUBLIC");
        }
        for role in ["authenticated", "anon"] {
            let mut session = stack.session(mallory);
            session.execute(&format!("SET ROLE {role}"));
            for name in
                ["sync_state", "control", "failed_users", "progress", "stats", "trigger_failures"]
            {
                assert_eq!(
                    session.sqlstate(&format!("SELECT * FROM cometchat.{name}")),
                    "42501",
                    "{name}"
                );
            }
        }
    }
}

#[test]
fn a_user_tries_broken_claims_on_the_policy() {
    let (stack, _, ada) = mallory_and_ada();
    for claims in [
        "{}",
        "[]",
        "null",
        "{\"sub\": null}",
        "{\"sub\": \"\"}",
        "{\"sub\": \"%\"}",
        "{\"sub\": 1}",
    ] {
        let mut session = Session::claiming(stack.db.connect("authenticator"), claims);
        assert_eq!(count(&mut session, "public.cometchat_users"), 0, "{claims}");
    }
    let mut session =
        Session::claiming(stack.db.connect("authenticator"), &format!("{{\"sub\": [\"{ada}\"]}}"));
    assert_eq!(count(&mut session, "public.cometchat_users"), 0);
}

#[test]
fn a_constraint_violation_shows_no_other_users_token() {
    let (stack, mallory, ada) = mallory_and_ada();
    let tokens = [stack.stored(ada).token.unwrap(), stack.stored(mallory).token.unwrap()];
    let mut session = stack.service();
    for sql in [
        format!(
            "INSERT INTO public.cometchat_users (user_id, cometchat_uid) VALUES ('{ada}', 'x')"
        ),
        format!(
            "UPDATE public.cometchat_users SET cometchat_uid = '{ada}' WHERE user_id = '{mallory}'"
        ),
        format!(
            "INSERT INTO public.cometchat_users (user_id, cometchat_uid) VALUES ('{}', '{ada}')",
            Uuid::new_v4()
        ),
        "INSERT INTO public.cometchat_users (cometchat_uid) VALUES ('x')".into(),
    ] {
        let error = session.client.batch_execute(&sql).expect_err(&sql);
        let error = format!("{:?}", error.as_db_error().expect("an error of the server's"));
        assert!(tokens.iter().all(|token| !error.contains(token)), "{error}");
    }
}
