//! The edition for supabase.com: what others change around it, roles, extensions, the Vault, settings.

use scenarios::edition::{is_available, Edition};
use scenarios::{Cluster, Stack, NOTHING};
use serde_json::json;

/// What a row of `health()` says, and the command that mends it.
fn ill(stack: &Stack, check: &str) -> (String, String) {
    let sql = "SELECT detail, COALESCE(hint, '') FROM cometchat.health() WHERE check_name = $1";
    let row = stack.db.connect("postgres").query_one(sql, &[&check]).expect(sql);
    (row.get(0), row.get(1))
}

/// Row security of auth.users hides everybody from a role that is subject to it: nobody may count as deleted.
#[test]
fn a_role_that_sees_no_user_deactivates_nobody() {
    if !is_available() {
        return;
    }
    // A role of the whole cluster is changed.
    let stack = Stack::hosted_in(Cluster::start(&[])).syncing_by_hand();
    let ada = stack.sign_up("Ada Lovelace");
    assert_eq!(stack.run_queue(), None);
    stack.asked();
    stack.execute("ALTER ROLE postgres NOBYPASSRLS");
    stack.change(ada, "raw_user_meta_data = '{\"full_name\": \"Countess\"}'");
    let bob = stack.sign_up("Bob");
    let why = stack.run_queue().expect("an error");
    assert!(why.contains("row-level security"), "{why}");
    assert_eq!(stack.asked(), NOTHING);
    assert_eq!(stack.session(bob).ensure(None, None, None).code(), "DATABASE");
    assert!(ill(&stack, "auth.users access").0.contains("row-level security"));
    let refused = stack.db.connect("postgres").batch_execute(Edition::file());
    let refused = refused.expect_err("the file is refused");
    let message = refused.as_db_error().expect("an error of the server's").message();
    assert_eq!(message, "row security hides auth.users from the role postgres");

    stack.execute("ALTER ROLE postgres BYPASSRLS");
    assert_eq!(stack.run_queue(), None);
    assert_eq!(stack.chat_user(ada)["name"], "Countess");
    assert!(stack.stored(bob).token.is_some());
}

/// FOR KEY SHARE takes UPDATE.
#[test]
fn a_role_that_only_reads_auth_users_syncs() {
    if !is_available() {
        return;
    }
    let stack = Stack::hosted().syncing_by_hand();
    stack.execute("REVOKE INSERT, UPDATE, DELETE ON auth.users FROM postgres");
    let ada = stack.sign_up("Ada Lovelace");
    assert_eq!(stack.run_queue(), None);
    assert!(stack.stored(ada).token.is_some());
    assert_eq!(stack.value("(SELECT count(*) FROM cometchat.failed_users)").as_deref(), Some("0"));
    let bob = stack.sign_up("Bob");
    stack.execute(&format!("DELETE FROM auth.users WHERE id = '{bob}'"));
    assert_eq!(stack.run_queue(), None);
}

#[test]
fn http_may_be_dropped_and_come_back_elsewhere() {
    if !is_available() {
        return;
    }
    let stack = Stack::hosted().syncing_by_hand();
    stack.execute("DROP EXTENSION http CASCADE");
    let ada = stack.sign_up("Ada Lovelace");
    let why = "CometChat is not properly configured: extension http is missing";
    assert_eq!(stack.run_queue().as_deref(), Some(why));
    let answer = stack.session(ada).ensure(None, None, None);
    assert_eq!((answer.code(), answer.error()), ("NOT_CONFIGURED", why));
    let (detail, hint) = ill(&stack, "configuration");
    assert_eq!(detail, why);
    assert_eq!(hint, "CREATE EXTENSION http WITH SCHEMA extensions;");
    stack.execute("CREATE EXTENSION http WITH SCHEMA public");
    assert_eq!(stack.run_queue(), None);
    assert!(stack.stored(ada).token.is_some());
}

/// In public, say, of a project that was PostgreSQL 14 once: what fits better is taken, with our rights.
#[test]
fn others_functions_beside_http_are_not_called() {
    if !is_available() {
        return;
    }
    let stack = Stack::hosted().syncing_by_hand();
    let ada = stack.sign_up("Ada Lovelace");
    let trap = "'BEGIN INSERT INTO public.loot VALUES (current_user); RETURN $1; END'";
    let traps: String = [
        "http_set_curlopt(text, text) RETURNS text",
        "text_to_bytea(varchar) RETURNS varchar",
        "lower(varchar) RETURNS varchar",
        "unnest(text[]) RETURNS text[]",
        "has(jsonb, jsonb) RETURNS jsonb",
        "times(numeric, integer) RETURNS numeric",
    ]
    .map(|f| format!("CREATE FUNCTION extensions.{f} LANGUAGE plpgsql AS {trap};"))
    .concat();
    stack.execute(&format!(
        "GRANT CREATE ON SCHEMA extensions TO PUBLIC;
         CREATE TABLE public.loot (who text); GRANT INSERT ON public.loot TO PUBLIC;
         SET ROLE authenticated; {traps}
         CREATE OPERATOR extensions.->> (LEFTARG = jsonb, RIGHTARG = jsonb, FUNCTION = extensions.has);
         CREATE OPERATOR extensions.* (LEFTARG = numeric, RIGHTARG = integer, FUNCTION = extensions.times)"
    ));
    assert!(stack.session(ada).ensure(None, None, None).success());
    assert_eq!(stack.run_queue(), None);
    assert_eq!(stack.value("(SELECT string_agg(who, ' ') FROM public.loot)"), None);
}

/// In another project the Vault's key is another one.
#[test]
fn a_secret_that_cannot_be_decrypted_is_an_answer() {
    if !is_available() {
        return;
    }
    let stack = Stack::hosted().syncing_by_hand();
    let (ada, bob) = (stack.sign_up("Ada Lovelace"), stack.sign_up("Bob"));
    let token = stack.session(ada).ensure(None, None, None).token();
    let view =
        "CREATE OR REPLACE VIEW vault.decrypted_secrets AS SELECT id, name, description, secret,
      :secret AS decrypted_secret, key_id, nonce, created_at, updated_at FROM vault.secrets";
    stack.execute(&format!(
        "CREATE FUNCTION vault.decrypt(text) RETURNS text LANGUAGE plpgsql AS
           'BEGIN RAISE data_exception USING MESSAGE = ''invalid ciphertext''; END'; {}",
        view.replace(":secret", "vault.decrypt(secret)")
    ));
    let why =
        "CometChat is not properly configured: the Vault cannot be read, SQLSTATE 22000".to_owned();
    let answer = stack.session(bob).ensure(None, None, None);
    assert_eq!((answer.code(), answer.error()), ("NOT_CONFIGURED", &*why));
    assert_eq!(stack.session(ada).ensure(None, None, None).token(), token, "what is stored");
    assert!(stack.session(ada).refresh(None).error().contains("Vault"));
    assert_eq!(ill(&stack, "configuration").0, why);
    assert_eq!(stack.run_queue(), Some(why));
    stack.execute(&view.replace(":secret", "secret"));
    assert_eq!(stack.run_queue(), None);
    assert!(stack.stored(bob).token.is_some());
}

/// Grants of the Vault are the platform's, and a dump of another project has none.
#[test]
fn a_vault_that_may_not_be_read_is_an_answer_and_named_with_the_grants() {
    if !is_available() {
        return;
    }
    let stack = Stack::hosted().syncing_by_hand();
    let ada = stack.sign_up("Ada Lovelace");
    let view = "CREATE OR REPLACE VIEW vault.decrypted_secrets AS SELECT id, name, description, secret,
      vault.decrypt(secret) AS decrypted_secret, key_id, nonce, created_at, updated_at FROM vault.secrets";
    stack.execute(&format!(
        "CREATE FUNCTION vault.decrypt(text) RETURNS text LANGUAGE plpgsql AS 'BEGIN RETURN $1; END';
         REVOKE ALL ON FUNCTION vault.decrypt FROM PUBLIC; {view}"
    ));
    let why =
        "CometChat is not properly configured: the Vault cannot be read, SQLSTATE 42501".to_owned();
    let answer = stack.session(ada).ensure(None, None, None);
    assert_eq!((answer.code(), answer.error()), ("NOT_CONFIGURED", &*why));
    assert_eq!(stack.run_queue(), Some(why.clone()));
    let (detail, hint) = ill(&stack, "configuration");
    assert_eq!(detail, why);
    stack.execute(&hint);
    assert_eq!(stack.run_queue(), None);
    assert!(stack.stored(ada).token.is_some());

    let hint = || ill(&stack, "configuration").1;
    stack.execute(
        "UPDATE vault.secrets SET secret = secret || ' ' WHERE name = 'cometchat_api_key'",
    );
    assert!(hint().contains("vault.update_secret("), "{}", hint());
    stack.execute("DROP VIEW vault.decrypted_secrets");
    assert!(hint().starts_with("CREATE EXTENSION supabase_vault"), "{}", hint());
}

/// Literals in functions are read as the session says.
#[test]
fn how_literals_and_names_are_written_is_no_matter() {
    if !is_available() {
        return;
    }
    let stack = Stack::hosted().syncing_by_hand();
    for (name, value) in [("standard_conforming_strings", "off"), ("quote_all_identifiers", "on")] {
        stack.execute(&format!("ALTER DATABASE {} SET {name} = {value}", stack.db.name()));
    }
    let avatar = "https://example.com/a.png?x=1";
    let metadata = json!({ "full_name": "Ada \u{200b} + [x]", "avatar_url": avatar });
    let ada = stack.sign_up_with("ada@example.com", metadata);
    stack.change(ada, "phone = '4915112345678'");
    assert_eq!(stack.run_queue(), None);
    assert_eq!(stack.chat_user(ada)["name"], "Ada + [x]");
    assert_eq!(stack.chat_user(ada)["avatar"], avatar);
    let answer = stack.session(ada).ensure(None, Some("call 4915112345678"), None);
    assert!(answer.success());
    assert_eq!(stack.chat_user(ada)["name"], "Ada + [x]", "a number is no name");
    let allowed = "cometchat.is_allowed_base_url('https://x.cometchat-io/v3')";
    assert_eq!(stack.value(allowed).as_deref(), Some("false"));
    assert_eq!(ill(&stack, "grants").0, "as the extension came");
    Edition::run_file(&stack.db);
}

/// In a server into which a dump is restored a role's number is another role's: health() would give it to that one.
#[test]
fn privileges_are_remembered_by_the_names_of_roles() {
    if !is_available() {
        return;
    }
    let stack = Stack::hosted();
    let unknown = "(SELECT count(*) FROM cometchat.shipped_privileges AS p WHERE p.grantee::text <> 'PUBLIC'
                      AND NOT EXISTS (SELECT FROM pg_roles AS r WHERE r.rolname = p.grantee::text))";
    assert_eq!(stack.value(unknown).as_deref(), Some("0"));
    stack.execute(
        "REVOKE EXECUTE ON FUNCTION cometchat.backfill() FROM service_role;
                   GRANT SELECT ON cometchat.sync_state TO authenticated, PUBLIC",
    );
    let (detail, hint) = ill(&stack, "grants");
    for part in [
        "service_role lacks EXECUTE on cometchat.backfill()",
        "authenticated has SELECT on cometchat.sync_state",
        "PUBLIC has SELECT on cometchat.sync_state",
    ] {
        assert!(detail.contains(part), "{detail}");
    }
    stack.execute(&hint);
    assert_eq!(ill(&stack, "grants").0, "as the extension came");
}
