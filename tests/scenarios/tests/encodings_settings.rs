//! Databases that are not UTF-8: settings, secrets of Vault's, and the database's own name.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::process::Command;

use scenarios::{
    eventually, in_each_encoding, Answer, Cluster, Database, Encoding, Session, Stack,
};
use serde_json::json;
use simulator::{Fault, Simulator, DEV_API_KEY};

in_each_encoding! {
    a_setting_that_is_not_ascii_is_understood,
    a_setting_that_cannot_be_meant_is_an_answer,
    a_secret_of_vaults_that_cannot_be_meant_is_an_answer,
}

/// Sets something of ours for the session: its name, and the bytes of its value.
fn set(session: &mut Session, name: &str, value: &[u8]) {
    let sql = "SELECT set_config('cometchat.' || $1,
                                 convert_from($2::bytea, getdatabaseencoding()), false) IS NULL";
    session.client.execute(sql, &[&name, &value]).expect(sql);
}

fn a_setting_that_is_not_ascii_is_understood(encoding: Encoding) {
    let stack = Stack::in_encoding(encoding);
    let (bytes, says) = encoding.known()[0]; // all of it can be converted
    let ada = stack.sign_up_with("ada@example.com", json!({ says: "Ada" }));

    let mut session = Session::of(stack.db.admin());
    set(&mut session, "display_name_fields", &[b"x, ", bytes].concat());
    session.ensure(Some(ada), None, None).token();
    assert_eq!(stack.chat_user(ada)["name"], "Ada");

    stack.db.set("cometchat.display_name_fields", Some(says));
    stack.execute("SELECT cometchat.enable_auth_trigger(), cometchat.resume()");
    let bob = stack.sign_up_with("bob@example.com", json!({ says: "Bob" }));
    eventually("the worker brings him", || stack.stored(bob).token.is_some());
    assert_eq!(stack.chat_user(bob)["name"], "Bob");
}

#[track_caller]
fn assert_not_configured(answer: Result<Answer, postgres::Error>, case: &[u8]) {
    let case = case.escape_ascii();
    let answer = answer.unwrap_or_else(|error| panic!("{case}: {error:?}"));
    assert_eq!(answer.code(), "NOT_CONFIGURED", "{case}");
}

fn a_setting_that_cannot_be_meant_is_an_answer(encoding: Encoding) {
    let stack = Stack::in_encoding(encoding);
    let ada = stack.sign_up("Ada Lovelace");
    for name in ["app_id", "region", "api_base_url", "proxy", "ca_file", "api_key_file"] {
        for (bytes, _) in encoding.known() {
            let mut session = Session::of(stack.db.admin());
            set(&mut session, name, bytes);
            assert_not_configured(session.try_ensure(Some(ada), None, None), bytes);
        }
    }
    assert!(stack.asked().is_empty());
}

fn a_secret_of_vaults_that_cannot_be_meant_is_an_answer(encoding: Encoding) {
    let stack = Stack::in_encoding(encoding);
    let ada = stack.sign_up("Ada Lovelace");
    stack.db.set("cometchat.api_key_file", None);
    let mut admin = stack.db.admin();
    for (bytes, _) in encoding.known() {
        let sql = "SELECT vault.create_secret(
                     convert_from($1::bytea, getdatabaseencoding()), 'cometchat_api_key')";
        admin.execute(sql, &[&bytes]).expect(sql);
        let mut session = stack.session(ada);
        assert_not_configured(session.try_ensure(None, None, None), bytes);
        admin.batch_execute("DELETE FROM vault.secrets WHERE true").expect("delete");
    }
    assert!(stack.asked().is_empty());
}

#[test]
fn a_database_with_a_plain_name_is_named_in_the_log() {
    assert_is_named_in_the_log("cafe");
}

#[test]
fn a_database_whose_name_ends_in_a_byte_that_begins_a_character_is_served_and_named() {
    assert_is_named_in_the_log("caf\u{E9}");
}

/// In LATIN1, whose characters are the first of Unicode's.
#[track_caller]
fn assert_is_named_in_the_log(name: &str) {
    // Its neighbour: what its settings are made from, in the same encoding.
    let neighbour = Database::in_encoding(Cluster::shared(), Encoding::Latin1);
    let chat = Simulator::start();
    chat.set_fault(Fault::status(401, "AUTH_ERR_APIKEY_NOT_FOUND"));
    let name = format!("{}{name}", neighbour.name());
    let key = neighbour.cluster().secret_file(&format!("key-{}", neighbour.name()), DEV_API_KEY);
    let _passing = Passing(&name, &neighbour);
    let mut admin = neighbour.admin();
    for sql in [
        format!("CREATE DATABASE \"{name}\" TEMPLATE like_supabase_latin1"),
        format!("ALTER DATABASE \"{name}\" SET cometchat.app_id = 'app1'"),
        format!("ALTER DATABASE \"{name}\" SET cometchat.region = 'us'"),
        format!("ALTER DATABASE \"{name}\" SET cometchat.api_base_url = '{}'", chat.base_url()),
        format!("ALTER DATABASE \"{name}\" SET cometchat.api_key_file = '{}'", key.display()),
    ] {
        admin.batch_execute(&sql).expect(&sql);
    }

    // No client that speaks UTF-8 can connect to it.
    let bytes: Vec<u8> = name.chars().map(|c| c as u8).collect();
    let mut psql = neighbour.cluster().program("psql");
    psql.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-U", "supabase_admin", "-h"]);
    psql.arg(neighbour.cluster().dir()).arg("-d").arg(OsStr::from_bytes(&bytes)).arg("-c");
    psql.arg("CREATE EXTENSION cometchat_ext");
    psql.args(["-c", "SELECT cometchat.enable_auth_trigger()"]);
    psql.args(["-c", "INSERT INTO auth.users (id) VALUES (gen_random_uuid())"]);
    done(&mut psql);
    eventually("the worker is at work", || chat.counters().requests > 0);
    let log = || std::fs::read(neighbour.cluster().dir().join("server.log")).expect("the log");
    // The library speaks UTF-8 to the log, as it does everywhere.
    let line =
        [b"sending is paused in database \"", name.as_bytes(), b"\": API_KEY_REJECTED (AUTH_ERR_"]
            .concat();
    let is_there = || log().windows(line.len()).any(|window| window == line);
    eventually("the worker says so, with the name", is_there);
}

/// A database that goes with the test: its name, and a neighbour that can spell it.
struct Passing<'a>(&'a str, &'a Database);

impl Drop for Passing<'_> {
    fn drop(&mut self) {
        let drop = format!("DROP DATABASE IF EXISTS \"{}\" WITH (FORCE)", self.0);
        let _ = self.1.admin().batch_execute(&drop);
    }
}

fn done(command: &mut Command) {
    let output = command.output().expect("start a program");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
