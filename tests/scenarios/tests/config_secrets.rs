//! Where the configuration comes from: files, Vault, settings; and who may see or change it.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use scenarios::{wait_until_aged, Cluster, Database, Session, Stack, NOTHING};
use simulator::{KeySeen, Simulator, DEV_API_KEY};
use uuid::Uuid;

const WRONG_KEY: &str = "0000000000000000000000000000000000000000";

#[test]
fn a_key_file_that_changes_is_read_again_by_the_next_request() {
    let stack = Stack::new();
    let ada = stack.sign_up("Ada Lovelace");
    let mut session = stack.session(ada);
    session.ensure(None, None, None).token();
    let show = "SHOW cometchat.api_key_file";
    let file: String = stack.db.admin().query_one(show, &[]).unwrap().get(0);

    fs::write(&file, WRONG_KEY).unwrap();
    assert_eq!(session.refresh(None).code(), "API_KEY_REJECTED");
    fs::write(&file, "").unwrap();
    assert_eq!(session.refresh(None).code(), "NOT_CONFIGURED");
    fs::write(&file, format!("{DEV_API_KEY}\r\n")).unwrap();
    assert!(session.refresh(None).success(), "a newline at the end is no part of the key");
}

#[test]
fn a_key_file_that_was_the_same_for_long_is_read_again_when_it_changes() {
    let stack = Stack::new();
    let ada = stack.sign_up("Ada Lovelace");
    let mut session = stack.session(ada);
    session.ensure(None, None, None).token();
    let cluster = stack.db.cluster();
    let name = format!("rotated-{}", stack.db.name());
    let file = cluster.secret_file(&name, DEV_API_KEY);
    stack.db.set("cometchat.api_key_file", file.to_str());
    let mut session = stack.session(ada);
    let well_known = |session: &mut Session| {
        wait_until_aged(&file);
        for _ in 0..2 {
            assert!(session.refresh(None).success());
        }
    };

    well_known(&mut session);
    fs::write(&file, WRONG_KEY).unwrap(); // of the same length
    assert_eq!(session.refresh(None).code(), "API_KEY_REJECTED");
    fs::write(&file, DEV_API_KEY).unwrap();

    well_known(&mut session);
    let next = cluster.secret_file(&format!("{name}.new"), WRONG_KEY);
    wait_until_aged(&next);
    fs::rename(&next, &file).unwrap();
    assert_eq!(session.refresh(None).code(), "API_KEY_REJECTED");
    fs::write(&file, DEV_API_KEY).unwrap();

    well_known(&mut session);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let error = "CometChat is not properly configured: api_key_file has group or world access";
    assert_eq!(session.refresh(None).error(), error);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();

    well_known(&mut session);
    fs::remove_file(&file).unwrap();
    let error = "CometChat is not properly configured: api_key_file cannot be read";
    assert_eq!(session.refresh(None).error(), error);
}

#[test]
fn secrets_of_the_vault_serve_where_settings_are_empty() {
    let stack = Stack::new();
    let ada = stack.sign_up("Ada Lovelace");
    for setting in ["app_id", "region", "api_key_file"] {
        stack.db.set(&format!("cometchat.{setting}"), None);
    }
    assert_eq!(
        stack.session(ada).ensure(None, None, None).error(),
        "CometChat is not properly configured: app_id is missing"
    );
    let secret = |name: &str, value: &str| {
        stack.execute(&format!("SELECT vault.create_secret('{value}', 'cometchat_{name}')"));
    };
    secret("app_id", "vaulted");
    assert_eq!(
        stack.session(ada).ensure(None, None, None).error(),
        "CometChat is not properly configured: region is missing"
    );
    secret("region", "eu");
    assert_eq!(
        stack.session(ada).ensure(None, None, None).error(),
        "CometChat is not properly configured: api_key is missing"
    );
    secret("api_key", &format!("{DEV_API_KEY}\n"));

    let answer = stack.session(ada).ensure(None, None, None);

    assert_eq!(stack.chat.app("vaulted").tokens(&ada.to_string()), [answer.token()]);
    assert_eq!(stack.chat.requests()[0].api_key, KeySeen::FullAccess);
    stack.db.set("cometchat.app_id", Some("set"));
    stack.session(ada).ensure(None, None, None).token();
    assert!(stack.chat.app("set").user(&ada.to_string()).is_some(), "a setting comes first");
}

#[test]
fn a_malformed_secret_is_named_and_sends_nothing() {
    let stack = Stack::new();
    let ada = stack.sign_up("Ada Lovelace");
    stack.db.set("cometchat.api_key_file", None);
    stack.execute("SELECT vault.create_secret(E'two\nlines', 'cometchat_api_key')");

    let answer = stack.session(ada).ensure(None, None, None);

    assert_eq!(
        answer.error(),
        "CometChat is not properly configured: Vault secret cometchat_api_key is malformed"
    );
    assert_eq!(stack.asked(), NOTHING);
}

#[test]
fn a_vault_that_a_superuser_does_not_own_is_not_read() {
    let stack = Stack::plain();
    stack.db.set("cometchat.api_key_file", None);
    stack.execute(&format!(
        "CREATE SCHEMA vault AUTHORIZATION postgres; SET ROLE postgres;
         CREATE TABLE vault.seen (); GRANT ALL ON vault.seen TO PUBLIC;
         CREATE FUNCTION vault.spy() RETURNS text LANGUAGE plpgsql AS
           $$ BEGIN INSERT INTO vault.seen DEFAULT VALUES; RETURN '{DEV_API_KEY}'; END $$;
         CREATE VIEW vault.decrypted_secrets AS SELECT 'cometchat_api_key' AS name, vault.spy() AS decrypted_secret"
    ));

    let answer = Session::of(stack.db.admin()).ensure(Some(Uuid::new_v4()), None, None);

    assert_eq!(answer.error(), "CometChat is not properly configured: api_key is missing");
    assert_eq!(stack.value("SELECT count(*) FROM vault.seen").as_deref(), Some("0"));
}

#[test]
fn the_development_key_is_set_in_the_configuration_file_and_never_shown() {
    let line = format!("cometchat.api_key = '{DEV_API_KEY}'");
    let cluster = Cluster::start(&["shared_preload_libraries = 'cometchat_ext'", &line]);
    let stack = Stack::on(Database::like_supabase(cluster), Simulator::start());
    stack.db.set("cometchat.api_key_file", None);
    let ada = stack.sign_up("Ada Lovelace");

    assert!(stack.session(ada).ensure(None, None, None).success());

    let mut admin = Session::of(stack.db.admin());
    for sql in ["SHOW cometchat.api_key", "SELECT current_setting('cometchat.api_key')"] {
        let shown: String = admin.client.query_one(sql, &[]).unwrap().get(0);
        assert_eq!(shown, "set");
        assert_eq!(stack.session(ada).sqlstate(sql), "42501");
    }
    let all = "SELECT count(*) FROM pg_settings AS s WHERE s::text LIKE '%' || $1 || '%'";
    let leaks: i64 = admin.client.query_one(all, &[&DEV_API_KEY]).unwrap().get(0);
    assert_eq!(leaks, 0);
    assert_eq!(admin.sqlstate("SET cometchat.api_key = 'x'"), "55P02");
    assert_eq!(admin.sqlstate("ALTER SYSTEM SET cometchat.api_key = 'x'"), "55P02");
    let alter = format!("ALTER DATABASE {} SET cometchat.api_key = 'x'", stack.db.name());
    assert_eq!(admin.sqlstate(&alter), "55P02");
    assert_eq!(stack.db.cluster().log().matches(DEV_API_KEY).count(), 0);
}

#[test]
fn a_key_file_comes_before_the_development_setting() {
    let line = format!("cometchat.api_key = '{WRONG_KEY}'");
    let cluster = Cluster::start(&["shared_preload_libraries = 'cometchat_ext'", &line]);
    let stack = Stack::on(Database::like_supabase(cluster), Simulator::start());
    let ada = stack.sign_up("Ada Lovelace");

    assert!(stack.session(ada).ensure(None, None, None).success());
}

#[test]
fn without_preloading_no_client_changes_where_the_key_is_sent() {
    let stack = Stack::on(Database::like_supabase(Cluster::start(&[])), Simulator::start());
    let (ada, bob) = (stack.sign_up("Ada Lovelace"), stack.sign_up("Bob Marley"));
    // Before the library is loaded, its settings are anybody's words.
    let mut session = stack.session(ada);
    session.execute(
        "SET cometchat.api_base_url = 'http://127.0.0.1:1'; SET cometchat.app_id = 'evil'",
    );

    assert!(session.ensure(None, None, None).success());

    assert_eq!(stack.chat.take_requests()[0].app, scenarios::APP);
    assert!(stack.session(bob).ensure(None, None, None).success());
    assert!(stack.session(bob).refresh(None).success());
    assert!(stack.session(bob).revoke(None).success());
}
