//! Attacks on identity: who the caller is, and for whom it may ask.

use scenarios::{Session, Stack, NOTHING};
use uuid::Uuid;

/// Mallory, signed in, and Ada, whom CometChat knows; it was asked nothing since.
fn mallory_and_ada() -> (Stack, Uuid, Uuid) {
    let (stack, ada) = Stack::with_ada();
    let mallory = stack.sign_up("Mallory");
    (stack, mallory, ada)
}

/// A session of `authenticated` with these claims in the new and the old style.
fn claiming(stack: &Stack, claims: &str, old_style: &str) -> Session {
    let mut session = Session::claiming(stack.db.connect("authenticator"), claims);
    let sql = "SELECT set_config('request.jwt.claim.sub', $1, false)";
    session.client.execute(sql, &[&old_style]).expect(sql);
    session
}

#[test]
fn a_signed_in_user_tries_to_name_another() {
    let (stack, mallory, ada) = mallory_and_ada();
    let mut session = stack.session(mallory);

    assert_eq!(session.ensure(Some(ada), None, None).code(), "UNAUTHORIZED");
    assert_eq!(session.refresh(Some(ada)).code(), "UNAUTHORIZED");
    assert_eq!(session.revoke(Some(ada)).code(), "UNAUTHORIZED");

    assert_eq!(stack.asked(), NOTHING);
    assert!(stack.stored(ada).token.is_some(), "and nobody was logged out");
}

#[test]
fn a_signed_in_user_tries_to_find_out_who_exists() {
    let (stack, mallory, ada) = mallory_and_ada();
    let mut session = stack.session(mallory);

    let known = session.ensure(Some(ada), None, None);

    assert_eq!(known, session.ensure(Some(Uuid::new_v4()), None, None));
    assert_eq!(known, session.refresh(Some(ada)));
}

#[test]
fn a_client_tries_a_role_claim_of_service_role() {
    let (stack, mallory, ada) = mallory_and_ada();
    let claims = format!(
        r#"{{"sub": "{mallory}", "role": "service_role", "is_super_admin": true,
             "app_metadata": {{"role": "service_role"}}}}"#
    );
    let mut session = claiming(&stack, &claims, "");
    session.execute("SET request.jwt.claim.role = 'service_role'; SET app.role = 'service_role'");

    assert_eq!(session.ensure(Some(ada), None, None).code(), "UNAUTHORIZED");
}

#[test]
fn a_client_tries_two_styles_of_claims_that_disagree() {
    let (stack, mallory, ada) = mallory_and_ada();
    let claims = |user: Uuid| format!(r#"{{"sub": "{user}"}}"#);

    for named in [None, Some(ada), Some(mallory)] {
        for (new, old) in [(ada, mallory), (mallory, ada)] {
            let mut session = claiming(&stack, &claims(new), &old.to_string());
            assert_eq!(session.ensure(named, None, None).code(), "UNAUTHORIZED");
        }
    }
    assert_eq!(stack.asked(), NOTHING);
}

#[test]
fn a_client_tries_malformed_claims() {
    let (stack, _, ada) = mallory_and_ada();
    for claims in [
        String::new(),
        " ".into(),
        "null".into(),
        "true".into(),
        "1".into(),
        "{}".into(),
        "{".into(),
        format!("\"{ada}\""),
        format!("[\"{ada}\"]"),
        format!("[{{\"sub\": \"{ada}\"}}]"),
        format!("{{\"sub\": [\"{ada}\"]}}"),
        format!("{{\"sub\": {{\"sub\": \"{ada}\"}}}}"),
        format!("{{\"user\": {{\"sub\": \"{ada}\"}}}}"),
        format!("{{\"SUB\": \"{ada}\"}}"),
        format!("{{\"sub\": \"{{{ada}}}\"}}"),
        format!("{{\"sub\": \" {ada}\"}}"),
        format!("{{\"sub\": \"{ada}\\u0000\"}}"),
        format!("{{\"sub\": \"{ada}\\n\"}}"),
        format!("{{\"sub\": \"{}\"}}", ada.simple()),
        format!("{{\"sub\": \"urn:uuid:{ada}\"}}"),
        format!("{{\"sub\": \"{ada}\"}} trailing"),
        format!("{{'sub': '{ada}'}}"),
        "{\"sub\": 0}".into(),
        "{\"sub\": \"%\"}".into(),
        format!("{{\"sub\": \"{ada}' OR true --\"}}"),
    ] {
        let mut session = claiming(&stack, &claims, "");
        assert_eq!(session.ensure(None, None, None).code(), "UNAUTHORIZED", "{claims}");
        assert_eq!(session.revoke(Some(ada)).code(), "UNAUTHORIZED", "{claims}");
    }
    assert_eq!(stack.asked(), NOTHING);
}

#[test]
fn a_client_tries_broken_subs_in_the_old_style() {
    let (stack, _, ada) = mallory_and_ada();
    for sub in
        [format!("{{{ada}}}"), format!("{ada} "), "*".into(), "null".into(), "x".repeat(9999)]
    {
        let mut session = claiming(&stack, "", &sub);
        assert_eq!(session.ensure(None, None, None).code(), "UNAUTHORIZED", "{sub}");
    }
}

#[test]
fn the_policy_and_the_functions_read_a_duplicate_sub_alike() {
    let (stack, mallory, ada) = mallory_and_ada();
    let mut session = claiming(&stack, &format!(r#"{{"sub": "{mallory}", "sub": "{ada}"}}"#), "");

    let uid = session.ensure(None, None, None).uid().map(str::to_owned);

    let sql = "SELECT cometchat_uid FROM public.cometchat_users";
    let rows = session.client.query(sql, &[]).expect(sql);
    let seen: Vec<Option<String>> = rows.iter().map(|row| row.get(0)).collect();
    assert_eq!(seen, [uid]);
}

#[test]
fn an_upper_case_sub_is_the_same_user() {
    let (stack, ada) = Stack::with_ada();
    let claims = format!(r#"{{"sub": "{}"}}"#, ada.to_string().to_uppercase());
    let mut session = claiming(&stack, &claims, "");

    assert_eq!(session.ensure(None, None, None).uid(), Some(ada.to_string().as_str()));
    assert_eq!(stack.app().user_count(), 1);
}

#[test]
fn a_client_tries_huge_and_deeply_nested_claims() {
    let (stack, mallory, ada) = mallory_and_ada();
    let padding = "x".repeat(1 << 20);
    let claims = format!(r#"{{"padding": "{padding}", "sub": "{mallory}"}}"#);
    let mut session = claiming(&stack, &claims, "");
    assert_eq!(session.ensure(Some(ada), None, None).code(), "UNAUTHORIZED");
    assert!(session.ensure(None, None, None).success(), "long claims are claims");

    let tower = format!("{}{}", r#"{"a":"#.repeat(100_000), r#""b""#);
    let mut session = claiming(&stack, &tower, "");
    assert_eq!(session.ensure(None, None, None).code(), "UNAUTHORIZED");
}

#[test]
fn a_signed_in_user_tries_to_take_anothers_e_mail_address() {
    let (stack, mallory, _) = mallory_and_ada();

    stack.session(mallory).ensure(None, Some("Mallory"), Some("ada.lovelace@example.com")).token();

    let there = stack.chat_user(mallory).to_string();
    assert!(!there.contains("ada.lovelace"), "{there}");
    let stored = "SELECT string_agg(s::text, ' ') FROM cometchat.sync_state AS s WHERE user_id = ";
    let stored = stack.value(&format!("{stored}'{mallory}'")).unwrap_or_default();
    assert!(!stored.contains("ada.lovelace"), "{stored}");
}

#[test]
fn an_anonymous_client_tries_every_function() {
    let (stack, ada) = Stack::with_ada();
    let mut client = stack.db.connect("authenticator");
    client.batch_execute("SET ROLE anon").expect("set role");
    let mut session = Session::of(client);
    session.execute(&format!("SET request.jwt.claims = '{{\"sub\": \"{ada}\"}}'"));

    for call in ["ensure_user()", "refresh_token()", "revoke_tokens()"] {
        assert_eq!(session.sqlstate(&format!("SELECT public.cometchat_{call}")), "42501");
    }
}
