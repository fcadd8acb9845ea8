//! The edition for supabase.com: who may do what, and that the key goes to CometChat and nowhere else.

use std::collections::BTreeMap;

use scenarios::edition::is_available;
use scenarios::{eventually, Session, Stack};
use serde_json::json;
use simulator::{Fault, FaultKind, DEV_API_KEY};

/// Every right that a role other than the owner has, by role.
const RIGHTS: &str = "
    SELECT r.rolname, string_agg(o.name || ' ' || lower(o.may), '; ' ORDER BY o.name, o.may)
    FROM pg_roles AS r, (
      SELECT p.oid::regprocedure::text AS name, 'EXECUTE' AS may, 'f' AS kind, p.oid FROM pg_proc AS p
      WHERE p.pronamespace = 'cometchat'::regnamespace
         OR p.pronamespace = 'public'::regnamespace AND p.proname LIKE 'cometchat%'
      UNION ALL
      SELECT c.oid::regclass::text, t.may, 't', c.oid
      FROM pg_class AS c, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'TRIGGER']) AS t(may)
      WHERE c.relkind IN ('r', 'v') AND (c.relnamespace = 'cometchat'::regnamespace
                                         OR c.oid = 'public.cometchat_users'::regclass)) AS o
    WHERE r.rolname = ANY ($1) AND CASE o.kind WHEN 'f' THEN has_function_privilege(r.oid, o.oid, o.may)
                                               ELSE has_table_privilege(r.oid, o.oid, o.may) END
    GROUP BY r.rolname";

fn rights(stack: &Stack, role: &str) -> Vec<String> {
    let rows = stack.db.admin().query(RIGHTS, &[&vec![role]]).expect(RIGHTS);
    let all = rows.first().map_or_else(String::new, |row| row.get::<_, String>(1));
    all.split("; ").filter(|right| !right.is_empty()).map(str::to_owned).collect()
}

#[test]
fn clients_may_do_no_more_than_with_the_extension() {
    if !is_available() {
        return;
    }
    let (native, hosted) = (Stack::native(), Stack::hosted());
    for role in ["anon", "authenticated"] {
        assert_eq!(rights(&hosted, role), rights(&native, role), "{role}");
    }
    assert_eq!(rights(&hosted, "anon"), Vec::<String>::new());
    // What service_role may do is the same, but for tables that only one of them has.
    let only = |all: Vec<String>| -> Vec<String> {
        all.into_iter().filter(|right| !right.contains("cometchat.statement_")).collect()
    };
    assert_eq!(only(rights(&hosted, "service_role")), only(rights(&native, "service_role")));
    let public = "SELECT count(*) FROM cometchat.privileges_now() WHERE grantee = 'PUBLIC'";
    assert_eq!(hosted.value(public).as_deref(), Some("0"), "nothing for everybody");
}

#[test]
fn no_client_reads_the_key_or_the_settings() {
    if !is_available() {
        return;
    }
    let stack = Stack::hosted();
    let ada = stack.sign_up("Ada Lovelace");
    for role in ["anon", "authenticated", "supabase_auth_admin"] {
        for sql in [
            "SELECT * FROM cometchat.settings",
            "INSERT INTO cometchat.settings VALUES ('api_base_url', 'https://x.cometchat.io')",
            "SELECT * FROM vault.decrypted_secrets",
            "SELECT cometchat.api_key()",
            "SELECT cometchat.vault_secret('api_key')",
            "SELECT cometchat.request('GET', '/users', NULL, now() + interval '1 s')",
            "SELECT * FROM cometchat.claimed_work",
            "CALL cometchat.process_queue()",
            "SELECT cometchat.enqueue(gen_random_uuid())",
        ] {
            let mut client = stack.db.admin();
            client.batch_execute(&format!("SET ROLE {role}")).expect("set role");
            let error = client.batch_execute(sql).expect_err(sql);
            assert_eq!(error.code().map(|c| c.code()), Some("42501"), "{role}: {sql}: {error}");
        }
    }
    let error = stack
        .db
        .connect("authenticator")
        .batch_execute("SET ROLE anon; SELECT cometchat_ensure_user()");
    assert!(error.is_err(), "anon may not call");
    // No answer, no view and no row of health() has it.
    stack.session(ada).ensure(None, None, None).token();
    let shown = stack.value(
        "concat((SELECT jsonb_agg(h) FROM cometchat.health() AS h), cometchat.configuration(), cometchat.worker_status(),
         (SELECT jsonb_agg(s) FROM cometchat.sync_state AS s), (SELECT jsonb_agg(s) FROM cometchat.settings AS s))",
    );
    assert!(!shown.expect("a text").contains(DEV_API_KEY));
    assert!(!stack.db.cluster().log().contains(DEV_API_KEY));
}

/// Settings of a session are anybody's: none of ours, and none of pgsql-http's, counts.
#[test]
fn nothing_trusts_a_sessions_settings_or_search_path() {
    if !is_available() {
        return;
    }
    let (stack, elsewhere) = (Stack::hosted(), simulator::Simulator::start());
    let ada = stack.sign_up("Ada Lovelace");
    // (The extension's own settings of where the key goes are a superuser's where its library is loaded.)
    stack.execute(&format!(
        "ALTER DATABASE {0} SET cometchat.api_base_url = '{1}'; ALTER DATABASE {0} SET cometchat.app_id = 'other'",
        stack.db.name(),
        elsewhere.base_url()
    ));
    let mut session = stack.session(ada);
    session.execute(
        "SET cometchat.request_timeout = '1ms'; SET http.timeout_msec = 1; SET http.keepalive = on ",
    );
    session.execute(
        "CREATE TEMP TABLE settings (name text, value text); CREATE TEMP TABLE sending (only_row boolean);
         CREATE FUNCTION pg_temp.lower(text) RETURNS text LANGUAGE sql AS $$ SELECT 'x' $$;
         CREATE FUNCTION pg_temp.http_set_curlopt(text, text) RETURNS boolean LANGUAGE sql AS $$ SELECT true $$;
         CREATE DOMAIN pg_temp.jsonb AS pg_catalog.jsonb CHECK (false);
         SET search_path = pg_temp, public, pg_catalog",
    );
    assert!(session.ensure(None, None, None).success());
    assert_eq!(stack.asked(), ["create_user"]);
    assert!(elsewhere.requests().is_empty());
    let settings =
        "SELECT current_setting('http.timeout_msec') || current_setting('http.keepalive')";
    let left: String = session.client.query_one(settings, &[]).expect(settings).get(0);
    assert_eq!(left, "1mson", "and they are as the caller set them");
}

/// A pooled session's curl options: a proxy would see the key, and an unverified certificate is anybody's.
#[test]
fn curls_options_of_a_pooled_session_do_not_count_and_are_given_back() {
    if !is_available() {
        return;
    }
    let (stack, proxy) = (Stack::hosted(), simulator::Simulator::start());
    let ada = stack.sign_up("Ada Lovelace");
    let options = "SELECT jsonb_object_agg(curlopt, value) FROM extensions.http_list_curlopt()";
    let mut session = stack.session(ada);
    for (option, value) in [
        ("CURLOPT_PROXY", proxy.origin().as_str()),
        ("CURLOPT_PRE_PROXY", "socks5://127.0.0.1:9"),
        ("CURLOPT_SSL_VERIFYPEER", "0"),
        ("CURLOPT_SSL_VERIFYHOST", "0"),
        ("CURLOPT_CAINFO", "/nowhere"),
        ("CURLOPT_TIMEOUT_MS", "1"),
        ("CURLOPT_USERAGENT", "mine"),
    ] {
        let set = "SELECT extensions.http_set_curlopt($1, $2)";
        session.client.execute(set, &[&option, &value]).expect(option);
    }
    let before: serde_json::Value = session.client.query_one(options, &[]).expect(options).get(0);
    assert!(session.ensure(None, None, None).success());
    assert!(proxy.requests().is_empty(), "the caller's proxy saw nothing");
    assert_eq!(stack.asked(), ["create_user"]);
    let after: serde_json::Value = session.client.query_one(options, &[]).expect(options).get(0);
    assert_eq!(after, before, "they are the caller's again");
    // Also where the request fails, and where the statement is cancelled.
    stack.chat.set_fault(Fault::new(FaultKind::HangBeforeHeader));
    session.execute("SET statement_timeout = '1s'");
    assert!(!session.refresh(None).success());
    let after: serde_json::Value = session.client.query_one(options, &[]).expect(options).get(0);
    assert_eq!(after, before, "after a timeout");
    session.execute("SET statement_timeout = 0");
    stack.asked();
    let cancel = session.client.cancel_token();
    std::thread::scope(|scope| {
        let call = scope.spawn(|| session.try_ensure(None, Some("Countess"), None).is_err());
        eventually("the request is there", || !stack.chat.requests().is_empty());
        cancel.cancel_query(postgres::NoTls).expect("cancel");
        assert!(call.join().expect("the thread"), "it is cancelled");
    });
    let after: serde_json::Value = session.client.query_one(options, &[]).expect(options).get(0);
    assert_eq!(after, before, "after a cancel");
}

/// TLS is verified whatever the session said: the simulator's own authority is unknown to the server.
#[test]
fn an_unverified_certificate_gets_no_key() {
    if !is_available() {
        return;
    }
    let chat = simulator::Simulator::builder().https().start().expect("a simulator");
    let stack = Stack::hosted();
    let ada = stack.sign_up("Ada Lovelace");
    stack.execute(
        "CREATE OR REPLACE FUNCTION cometchat.is_allowed_base_url(url text) RETURNS boolean LANGUAGE sql AS 'SELECT true'",
    );
    stack.db.set("cometchat.api_base_url", Some(&chat.base_url()));
    let mut session = stack.session(ada);
    session.execute(
        "SELECT extensions.http_set_curlopt('CURLOPT_SSL_VERIFYPEER', '0'),
                            extensions.http_set_curlopt('CURLOPT_SSL_VERIFYHOST', '0')",
    );
    let answer = session.ensure(None, None, None);
    assert_eq!((answer.code(), answer.error()), ("NETWORK", "CometChat could not be reached: tls"));
    assert!(chat.requests().is_empty());
}

#[test]
fn only_cometchats_own_hosts_are_allowed() {
    if !is_available() {
        return;
    }
    let stack = Stack::hosted();
    scenarios::edition::Edition::run_file_alone(&stack.db);
    let allowed = |url: &str| {
        let sql = "SELECT cometchat.is_allowed_base_url($1)";
        stack.db.admin().query_one(sql, &[&url]).expect(sql).get::<_, bool>(0)
    };
    for url in [
        "https://app1.api-us.cometchat.io/v3",
        "https://api-eu.cometchat.io/v3/",
        "https://a_b.api-in.cometchat.io",
    ] {
        assert!(allowed(url), "{url}");
    }
    for url in [
        "http://app1.api-us.cometchat.io/v3",
        "https://cometchat.io.evil.example/v3",
        "https://evil.example/cometchat.io",
        "https://evilcometchat.io/v3",
        "https://cometchat.io@evil.example/",
        "https://evil.example#.cometchat.io",
        "https://evil.example?.cometchat.io",
        "https://app1.api-us.cometchat.io:8443/v3",
        "http://127.0.0.1/v3",
        "https://app1.api-us.cometchat.io/../x",
        "https://app1.api-us.cometchat.io/v3\n",
        "file:///etc/passwd",
        "",
    ] {
        assert!(!allowed(url), "{url}");
    }
    // And a refused one is an answer, not a request.
    stack.db.set("cometchat.api_base_url", Some(&stack.chat.base_url()));
    let ada = stack.sign_up("Ada Lovelace");
    let answer = stack.session(ada).ensure(None, None, None);
    assert_eq!(answer.code(), "NOT_CONFIGURED");
    assert!(stack.asked().is_empty());
}

/// pgsql-http follows redirects: what is found there is not CometChat's answer.
#[test]
fn an_answer_from_behind_a_redirect_is_not_believed() {
    if !is_available() {
        return;
    }
    let (stack, elsewhere) = (Stack::hosted(), simulator::Simulator::start());
    let ada = stack.sign_up("Ada Lovelace");
    elsewhere.add_user(json!({ "uid": ada.to_string(), "name": "Mallory" })).expect("a user");
    let location = format!("{}/users/{ada}", elsewhere.base_url());
    stack.chat.set_fault(Fault::new(FaultKind::Redirect { status: 302, location }));
    let answer = stack.session(ada).ensure(None, None, None);
    assert_eq!(answer.error(), "CometChat answered with an error: HTTP 302, redirect");
    assert_eq!(stack.stored(ada).token, None);
}

/// Under DEBUG2 pgsql-http prints the headers: nothing is sent then.
#[test]
fn nothing_is_sent_while_the_log_would_show_the_key() {
    if !is_available() {
        return;
    }
    let stack = Stack::hosted();
    let ada = stack.sign_up("Ada Lovelace");
    stack.execute(&format!("ALTER DATABASE {} SET log_min_messages = debug2", stack.db.name()));
    let answer = stack.session(ada).ensure(None, None, None);
    assert_eq!(answer.code(), "NOT_CONFIGURED");
    stack.execute(&format!("ALTER DATABASE {} RESET log_min_messages", stack.db.name()));
    let mut session = stack.session(ada);
    session.execute("SET client_min_messages = debug5");
    session.ensure(None, None, None).token();
    assert!(!stack.db.cluster().log().contains(DEV_API_KEY));
}

/// Roles as of SET ROLE; a superuser's ANALYZE that runs somebody's index expression asks for nobody.
#[test]
fn trust_is_the_role_in_force_and_never_a_restricted_operations() {
    if !is_available() {
        return;
    }
    let stack = Stack::hosted();
    let ada = stack.sign_up("Ada Lovelace");
    stack.execute(&format!(
        "CREATE ROLE {0}_mallory LOGIN; GRANT authenticated TO {0}_mallory; GRANT CREATE, USAGE ON SCHEMA public TO {0}_mallory;",
        stack.db.name()
    ));
    let mallory = format!("{}_mallory", stack.db.name());
    let mut session = Session::of(stack.db.connect(&mallory));
    session.execute(&format!(
        "CREATE FUNCTION public.trap(x int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$
         BEGIN PERFORM public.cometchat_ensure_user('{ada}'); RETURN x; END $$;
         CREATE TABLE public.bait (x int); INSERT INTO public.bait SELECT generate_series(1, 10);"
    ));
    session.execute("CREATE INDEX ON public.bait (public.trap(x))");
    stack.execute("ANALYZE public.bait");
    // Nor where a pooled session has a cursor of the name that tells.
    let hold = "DECLARE cometchat_probe CURSOR WITH HOLD FOR SELECT";
    stack.execute(&format!("{hold}; ANALYZE public.bait"));
    assert!(stack.asked().is_empty(), "nobody was asked for");
    assert_eq!(stack.stored(ada).token, None);
    // SET SESSION AUTHORIZATION and SET ROLE count as Postgres checks them; a setting of that name does not.
    let answer = session.ensure(Some(ada), None, None);
    assert_eq!(answer.code(), "UNAUTHORIZED");
    stack.execute(&format!("DROP OWNED BY {mallory}; DROP ROLE {mallory}"));
    let mut pooled = stack.session(ada);
    pooled.execute(hold);
    assert!(pooled.ensure(None, None, None).success());
}

#[test]
fn claims_are_read_as_the_extension_reads_them() {
    if !is_available() {
        return;
    }
    let (native, hosted) = (Stack::native(), Stack::hosted());
    let claims = [
        r#"{"sub": "00000000-0000-4000-8000-00000000aaa1"}"#,
        r#"{"sub": ""}"#,
        r#"{"sub": 7}"#,
        "{}",
        "",
        "[]",
        "x",
        r#"{"sub": "00000000-0000-4000-8000-00000000AAA1"}"#,
        r#"{"sub": " 00000000-0000-4000-8000-00000000aaa1"}"#,
        r#"{"sub": "{00000000-0000-4000-8000-00000000aaa1}"}"#,
        r#"{"sub": "00000000000040008000000000000aaa"}"#,
        r#"{"sub": "00000000-0000-4000-8000-00000000aaa1", "role": "service_role"}"#,
    ];
    let mut seen = BTreeMap::new();
    for twin in [&native, &hosted] {
        twin.execute("INSERT INTO auth.users (id) VALUES ('00000000-0000-4000-8000-00000000aaa1')");
        for (n, claims) in claims.iter().enumerate() {
            for old in
                ["", "00000000-0000-4000-8000-00000000aaa1", "00000000-0000-4000-8000-00000000aaa2"]
            {
                let mut session = Session::claiming(twin.db.connect("authenticator"), claims);
                session.execute(&format!("SET request.jwt.claim.sub = '{old}'"));
                let answer = session.ensure(None, None, None).0;
                let code = answer["errorCode"].as_str().unwrap_or("success").to_owned();
                seen.entry((n, old)).or_insert_with(Vec::new).push(code);
            }
        }
    }
    for ((n, old), codes) in seen {
        assert_eq!(codes[0], codes[1], "{} and {old}", claims[n]);
    }
}
