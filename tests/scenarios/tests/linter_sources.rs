//! A linter for the extension's own text: the scripts that Postgres runs, and with whose rights the SQL that
//! Rust runs is run. (How that SQL is written: `linter_sql.rs`.)

use std::fs;
use std::path::{Path, PathBuf};

use scenarios::Stack;

/// Which sources may run statements on what others own: each of these switches to the owner first.
const SWITCH_TO_THE_OWNER: [&str; 3] =
    ["src/store/auth_users/", "src/store/vault.rs", "src/store/attach.rs"];

/// The queries that Rust runs.
const QUERIES: &str = "src/store/sql";

/// Whether a text, without its comments, has a statement on what others own.
const TOUCHES: &str = r#"
SELECT regexp_replace($1::text, '(//|--)[^\n]*', '', 'g') ~*
  '\m(FROM|JOIN|INTO|UPDATE|TABLE|ON|REFERENCES|USING)\s+(ONLY\s+)?"?(auth"?\s*\.\s*"?users\M|vault"?\s*\.)'
"#;

/// What every script that Postgres runs for an extension starts with.
const PINNED: &str = "SET LOCAL search_path = pg_catalog, pg_temp;";

/// Whether a script's first statement pins the search path.
fn is_pinned(script: &str) -> bool {
    let mut rest = script.trim_start();
    loop {
        let after = if rest.starts_with("--") || rest.starts_with('\\') {
            rest.split_once('\n')
        } else if rest.starts_with("/*") {
            rest.split_once("*/")
        } else {
            return rest.starts_with(PINNED);
        };
        let Some((_, after)) = after else { return false };
        rest = after.trim_start();
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The files under a folder of the checkout, and what is in them; none where there is no such folder.
pub fn files(folder: &str, extension: &str) -> Vec<(String, String)> {
    let Ok(entries) = fs::read_dir(root().join(folder)) else { return Vec::new() };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.expect("an entry of the folder");
        let path = format!("{folder}/{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            found.extend(files(&path, extension));
        } else if path.ends_with(extension) {
            let content = fs::read_to_string(entry.path()).expect("a text file");
            found.push((path, content));
        }
    }
    found
}

#[test]
fn every_script_of_the_extension_pins_the_search_path_first() {
    let stack = Stack::new();
    let installed = "SELECT f, pg_read_file(c.setting || '/extension/' || f)
        FROM pg_config AS c, pg_ls_dir(c.setting || '/extension') AS f
        WHERE c.name = 'SHAREDIR' AND f ~ '^cometchat_ext--.*[.]sql$'";
    let rows = stack.db.admin().query(installed, &[]).expect(installed);
    assert!(!rows.is_empty());
    let installed = rows.iter().map(|row| (row.get(0), row.get(1)));
    for (name, script) in installed.chain(files("sql/upgrades", ".sql")) {
        assert!(is_pinned(&script), "{name}: {PINNED}");
    }

    assert!(is_pinned(&format!("/* a */ -- b\n\\echo c\n\n{PINNED} SELECT 1")));
    for offender in ["-- a", "/* a", "SELECT 1", "SET search_path = public;"] {
        assert!(!is_pinned(&format!("{offender} {PINNED}")), "{offender}");
    }
}

#[test]
fn statements_on_what_others_own_are_where_the_owner_is_switched_to() {
    let stack = Stack::new();
    let mut admin = stack.db.admin();
    let mut touches =
        |text: &str| -> bool { admin.query_one(TOUCHES, &[&text]).expect(TOUCHES).get(0) };
    let sources = files("src", ".rs");
    assert!(sources.len() > 50);
    // A test that runs inside the server is not in what is installed.
    for (path, text) in sources.iter().filter(|(path, _)| !path.ends_with("/tests.rs")) {
        assert!(!touches(text), "{path} touches auth.users or Vault");
    }
    let switches = |path: &str| SWITCH_TO_THE_OWNER.iter().any(|allowed| path.starts_with(allowed));
    let queries = files(QUERIES, ".sql");
    let touching: Vec<_> = queries.iter().filter(|(_, text)| touches(text)).collect();
    assert!(touching.len() > 5);
    for (path, _) in touching {
        let name = path.strip_prefix(QUERIES).expect("a query's path");
        let included = format!("sql{name}\"");
        for (source, _) in sources.iter().filter(|(_, text)| text.contains(&included)) {
            assert!(switches(source), "{source} runs {path} on auth.users or Vault");
        }
    }

    for offender in [
        "\"SELECT 1 FROM auth.users AS u\"",
        "\"SELECT q.id\n  LEFT JOIN  ONLY auth . users\"",
        "r#\"delete from \"auth\".\"users\"\"#",
        "\"DROP TRIGGER %I ON auth.users\"",
        "\"SELECT name FROM vault.decrypted_secrets\"",
    ] {
        assert!(touches(offender), "{offender}");
    }
    assert!(!touches("// reads FROM auth.users\nconst TABLE: &str = \"users\";"));
}

/// What only an extension with a library can say.
const NATIVE: &str = r#"
SELECT $1::text ~*
  '\m(LANGUAGE\s+c\M|pg_extension_config_dump|DEPENDS\s+ON\s+EXTENSION|OWNER\s+TO\s+cometchat_ext\s*;|CREATE\s+ROLE|TO\s+cometchat_ext\s*;)'
"#;

/// The statements alone: a hint may well tell an operator to alter an owner.
fn without_comments_and_strings(text: &str) -> String {
    let (mut code, mut rest) = (String::new(), text);
    // Whichever comes first: a string may have dashes in it, and a comment quotes.
    while let Some(at) = rest.find("--").into_iter().chain(rest.find('\'')).min() {
        code.push_str(&rest[..at]);
        let (open, close) = if rest[at..].starts_with('\'') { (1, "'") } else { (2, "\n") };
        code.push_str("''");
        let inside = &rest[at + open..];
        rest = inside.find(close).map_or("", |end| &inside[end + 1..]);
    }
    code + rest
}

/// The files that CREATE EXTENSION runs.
pub fn installed_files() -> Vec<(String, String)> {
    let other = [
        "sql/upgrades/",
        "sql/released/",
        "sql/statements/",
        "sql/hosted/",
        // the links to upgrade scripts
        "sql/cometchat_ext--",
    ];
    let run = |path: &str| !other.iter().any(|folder| path.starts_with(folder));
    files("sql", ".sql").into_iter().filter(|(path, _)| run(path)).collect()
}

#[test]
fn only_the_native_files_say_what_only_an_extension_can() {
    let stack = Stack::new();
    let mut admin = stack.db.admin();
    let mut is_native = |text: &str| -> bool {
        admin.query_one(NATIVE, &[&without_comments_and_strings(text)]).expect(NATIVE).get(0)
    };
    let (native, shared): (Vec<_>, Vec<_>) =
        installed_files().into_iter().partition(|(path, _)| path.starts_with("sql/native/"));
    assert!(native.len() > 3 && shared.len() > 10);
    for (path, text) in &shared {
        assert!(!is_native(text), "{path}: this belongs into sql/native");
    }
    for offender in [
        "CREATE FUNCTION x() RETURNS void LANGUAGE c AS 'x', 'y'",
        "SELECT pg_catalog.pg_extension_config_dump('x', '')",
        "ALTER TRIGGER x ON y DEPENDS ON EXTENSION cometchat_ext",
        "ALTER TABLE x OWNER TO cometchat_ext;",
        "GRANT SELECT ON x\n  TO cometchat_ext;",
    ] {
        assert!(is_native(offender), "{offender}");
    }
    assert!(!is_native("-- it's LANGUAGE c\nhint := 'ALTER TABLE x OWNER TO cometchat_ext;';"));
}

#[test]
fn every_sql_file_is_ascii_and_listed_where_it_is_run_and_where_it_is_described() {
    let list = fs::read_to_string(root().join("src/sql.rs")).expect("src/sql.rs");
    let readme = fs::read_to_string(root().join("sql/README.md")).expect("sql/README.md");
    for (path, text) in files("sql", ".sql") {
        assert!(text.is_ascii(), "{path}");
    }
    for (path, _) in installed_files() {
        assert!(list.contains(&format!("\"../{path}\"")), "src/sql.rs lacks {path}");
        let name = path.trim_start_matches("sql/");
        let folder =
            name.split_once('/').map_or(name.to_owned(), |(folder, _)| format!("{folder}/*.sql"));
        let described = [name, &folder].iter().any(|name| readme.contains(&format!("`{name}`")));
        assert!(described, "sql/README.md lacks {path}");
    }
}
