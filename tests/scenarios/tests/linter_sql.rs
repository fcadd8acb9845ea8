//! A linter for the SQL that Rust runs, one file a query, and for what several queries have to say alike.

use std::collections::BTreeSet;

use scenarios::{Cluster, Database, NOTHING};

use crate::linter_sources::{files, installed_files};

fn queries() -> Vec<(String, String)> {
    let queries = files("src/store/sql", ".sql");
    assert!(queries.len() > 40);
    queries
}

/// A text's lines without their comments, joined by single spaces.
fn statement(text: &str) -> String {
    let code = text.lines().map(|line| line.split_once("--").map_or(line, |(code, _)| code));
    let words: Vec<&str> = code.flat_map(str::split_whitespace).collect();
    words.join(" ").replace("pg_catalog.", "")
}

/// Why a query is not written as the others are, if so.
fn offence(text: &str) -> Option<String> {
    if !text.starts_with("-- ") {
        return Some("does not say first what it does".to_owned());
    }
    if !text.is_ascii() {
        return Some("is not ASCII".to_owned());
    }
    let code = statement(text);
    for (number, after) in code.split('$').skip(1).enumerate() {
        let number = (number + 1).to_string();
        let named = after
            .strip_prefix(&number)
            .is_some_and(|rest| rest.strip_prefix(')').unwrap_or(rest).starts_with(" AS "));
        if !named && !after.starts_with('\'') {
            return Some(format!("does not name input {number}, or not once and in order"));
        }
    }
    None
}

#[test]
fn every_query_says_what_it_does_and_names_its_inputs_once() {
    for (path, text) in queries() {
        assert_eq!(offence(&text), None, "{path}");
    }

    let well =
        "-- Reads.\nWITH input AS (SELECT $1 AS a, unnest($2) AS b) SELECT i.a FROM input AS i";
    assert_eq!(offence(well), None);
    for offender in [
        "SELECT 1",
        "-- Liest f\u{fc}r Ada.\nSELECT 1",
        "-- Reads.\nSELECT s.a FROM s WHERE s.a = $1",
        "-- Reads.\nSELECT $2 AS a, $1 AS b",
        "-- Reads.\nSELECT $1 AS a, $1 AS b",
    ] {
        assert!(offence(offender).is_some(), "{offender}");
    }
}

#[test]
fn no_sql_stands_in_rust_and_every_query_is_run() {
    let sources = files("src", ".rs");
    for (path, text) in sources.iter().filter(|(path, _)| !path.ends_with("/tests.rs")) {
        let code: String =
            text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        for verb in
            ["SELECT ", "INSERT INTO ", "UPDATE ", "DELETE FROM ", "ALTER ", "DROP ", "GRANT "]
        {
            assert!(!code.contains(&format!("\"{verb}")), "{path} has SQL: {verb}");
        }
    }
    for (path, _) in queries() {
        let included = format!("{}\"", path.strip_prefix("src/store/").expect("a query's path"));
        assert!(sources.iter().any(|(_, text)| text.contains(&included)), "{path} is not run");
    }
}

/// The columns that a statement sets to null, and those that it counts in `num_nonnulls`.
fn wiped(statement: &str) -> (BTreeSet<&str>, BTreeSet<&str>) {
    let (_, rest) =
        statement.split_once("UPDATE cometchat.sync_state AS s SET ").expect("an update");
    let rest = rest.split_once(';').map_or(rest, |(rest, _)| rest);
    let assigned = rest.split([',', ' ']).collect::<Vec<_>>();
    let set = assigned.windows(3).filter(|w| w[1] == "=" && w[2] == "NULL").map(|w| w[0]).collect();
    let (_, counted) = rest.split_once("num_nonnulls(").expect("a count");
    let (counted, _) = counted.split_once(')').expect("its end");
    (set, counted.split(", ").map(|column| column.trim_start_matches("s.")).collect())
}

/// The trigger's function says it itself: it must not need the library.
#[test]
fn the_trigger_and_the_worker_wipe_the_same_of_a_deleted_user() {
    let query = statement(include_str!("../../../src/store/sql/wipe.sql"));
    let script = statement(include_str!("../../../sql/auth_trigger.sql"));
    let (_, function) =
        script.split_once("FUNCTION cometchat.on_auth_user_after_delete()").expect("it");
    let (set, counted) = wiped(&query);

    assert_eq!(set.len(), 6, "{set:?}");
    assert_eq!(set, counted);
    assert_eq!(wiped(function), (set, counted));
}

/// What goes with a new revision: the user is due, has all attempts left, is not failed any more, and waits
/// behind people or is one of them.
const WITH_IT: [&str; 4] = ["next_attempt_at = ", "attempts = 0", "failed_at = NULL", "backlog = "];

/// Where a user's attempts go on: nothing has changed about them, or the call was one.
const ATTEMPTS_GO_ON: [&str; 2] = ["sql/doubt.sql", "sql/queue_after_failure.sql"];

#[test]
fn a_new_revision_makes_the_user_due_wherever_it_is_written() {
    let mut found = 0;
    for (path, text) in queries().into_iter().chain(installed_files()) {
        let code = statement(&text);
        let parts: Vec<&str> = code.split("wanted_revision = s.wanted_revision + 1").collect();
        for around in parts.windows(2) {
            let before = around[0].rsplit_once(" SET ").expect("an update").1;
            let after = around[1].split_once(';').map_or(around[1], |(after, _)| after);
            let clause = format!("{before} {after}");
            for part in WITH_IT {
                let excused = part == "attempts = 0"
                    && ATTEMPTS_GO_ON.iter().any(|file| path.ends_with(file));
                assert!(excused || clause.contains(part), "{path}: {part}: {clause}");
            }
            found += 1;
        }
    }
    assert_eq!(found, 11, "as many as there are: mark_due() serves the others");
}

/// Reads every function and procedure of the extension anew, under the session's settings.
const READ_ANEW: &str = "DO $$ DECLARE made text; BEGIN
    FOR made IN
      SELECT pg_get_functiondef(p.oid)
      FROM pg_depend AS d JOIN pg_proc AS p ON p.oid = d.objid JOIN pg_language AS l ON l.oid = p.prolang
      WHERE d.classid = 'pg_proc'::regclass AND d.deptype = 'e' AND l.lanname IN ('sql', 'plpgsql')
        AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'cometchat_ext')
    LOOP EXECUTE made; END LOOP; END $$";

/// Where `standard_conforming_strings` is off, a backslash in a plain literal means something else: such
/// a literal begins with `E`. The server warns of each that does not.
#[test]
fn no_literal_reads_otherwise_where_backslashes_escape() {
    let db = Database::like_supabase(Cluster::shared());
    let (mut client, notices) = db.connect_keeping_notices("supabase_admin");
    client
        .batch_execute(
            "SET standard_conforming_strings = off; SET escape_string_warning = on;
             SET client_min_messages = warning; CREATE EXTENSION cometchat_ext",
        )
        .expect("the extension");
    client.batch_execute(READ_ANEW).expect("its functions");
    assert_eq!(notices.list(), NOTHING);
    for (path, text) in queries() {
        client.batch_execute(&format!("DO $do$ BEGIN RETURN; {text}; END $do$")).expect(&path);
        assert_eq!(notices.list(), NOTHING, "{path}");
    }

    client
        .batch_execute(
            "CREATE OR REPLACE FUNCTION cometchat.allowance(announced jsonb) RETURNS text LANGUAGE sql
             AS $f$ SELECT '\\d' $f$",
        )
        .expect("one of its functions");
    assert!(!notices.list().is_empty(), "an offender is seen");
}
