//! What docs/ shows is what psql prints: each block of SQL is run and its output compared.
//!
//! With `BLESS=1` the outputs that differ are written into the documents; look at `git diff` then.

use scenarios::document::{comparable, Document, Output, Step};
use scenarios::{eventually, Cluster, Database, Stack};
use simulator::{ListenerState, Simulator, DEV_API_KEY};

/// How the documents name the database and the file of the key.
const DATABASE: &str = "postgres";
const KEY_FILE: &str = "/etc/cometchat/api.key";

/// Where the statements of a document run.
fn place(name: &str) -> Stack {
    match name {
        "self-hosted Supabase" => unconfigured(Database::like_supabase(Cluster::shared())),
        "plain PostgreSQL" => unconfigured(Database::plain(Cluster::shared())),
        "not preloaded" => unconfigured(Database::like_supabase(Cluster::start(&[]))),
        "syncing" => Stack::syncing(),
        other => panic!("no such place: {other}"),
    }
}

/// Without the extension and its settings, but for the address of CometChat.
fn unconfigured(db: Database) -> Stack {
    at(db, Simulator::start())
}

fn at(db: Database, chat: Simulator) -> Stack {
    db.set("cometchat.api_base_url", Some(&chat.base_url()));
    db.cluster().secret_file(&format!("key-{}", db.name()), DEV_API_KEY);
    Stack::bare(db, chat)
}

/// A copy of this database beside it, which sends to the same CometChat.
fn copy(original: Stack) -> Stack {
    at(Database::copy_of(&original.db), original.chat)
}

/// What happens between two statements, without SQL.
fn happen(stack: &Stack, event: &str) {
    match event {
        "CometChat is down" => assert!(stack.chat.set_listener(ListenerState::Closed)),
        "CometChat is back" => assert!(stack.chat.set_listener(ListenerState::Open)),
        "the role moderator is made" => {
            stack.chat.update(|settings| settings.roles.push("moderator".into()));
        }
        "all is sent" => {
            let pending = "SELECT pending FROM cometchat.progress";
            eventually(event, || stack.value(pending).as_deref() == Some("0"));
        }
        "sending has stopped" => {
            let reason = "SELECT paused_reason FROM cometchat.progress";
            eventually(event, || stack.value(reason).is_some());
        }
        other => panic!("no such event: {other}"),
    }
}

/// What psql prints, in the documents' words.
fn psql(stack: &Stack, sql: &str) -> String {
    let (database, key) = (stack.db.name(), key_file(stack));
    let sql = sql
        .replace(KEY_FILE, &key)
        .replace(&format!("database {DATABASE}"), &format!("database {database}"));
    let text = stack.db.psql(&sql).replace(&key, KEY_FILE).replace(database, DATABASE);
    let mut lines: Vec<&str> = text.trim_matches('\n').lines().map(str::trim_end).collect();
    lines.dedup_by(|line, before| line.is_empty() && before.is_empty());
    lines.join("\n") + "\n"
}

fn key_file(stack: &Stack) -> String {
    let path = stack.db.cluster().dir().join(format!("key-{}", stack.db.name()));
    path.to_str().expect("a path").to_owned()
}

/// Runs a document and returns where it shows something else, and what is printed instead.
fn differences(steps: &[Step]) -> Vec<(usize, Option<&Output>, String)> {
    let mut stack = None;
    let mut differences = Vec::new();
    let mut blocks = 0;
    for step in steps {
        if let Step::Place(name) = step {
            stack = Some(match stack.take() {
                Some(original) if name == "a copy" => copy(original),
                _ => place(name),
            });
            continue;
        }
        let here = stack.as_ref().expect("`<!-- test: PLACE -->` comes first");
        match step {
            Step::Place(_) => {}
            Step::Event(event) => happen(here, event),
            Step::Before(sql) => {
                let printed = psql(here, sql);
                assert!(!printed.contains("ERROR:"), "{sql}\n{printed}");
            }
            Step::Sql { line, sql, output } => {
                let printed = psql(here, sql);
                let same = match output {
                    Some(output) => comparable(&output.text) == comparable(&printed),
                    None => !["ERROR:", "WARNING:"].iter().any(|bad| printed.contains(bad)),
                };
                if !same {
                    differences.push((*line, output.as_ref(), printed));
                }
                blocks += 1;
            }
        }
    }
    assert!(blocks > 2, "no SQL was found");
    differences
}

fn shows_what_is_printed(name: &str) {
    let document = Document::read(name);
    let steps = document.steps();
    let differences = differences(&steps);
    if differences.is_empty() {
        return;
    }
    let said: String = differences
        .iter()
        .map(|(line, shown, printed)| {
            let shown = shown.map_or("nothing that fails", |output| output.text.as_str());
            format!("docs/{name}, line {line} shows:\n{shown}\nand psql prints:\n{printed}\n")
        })
        .collect();
    if std::env::var_os("BLESS").is_none() {
        panic!("{said}BLESS=1 writes it into the document");
    }
    assert!(differences.iter().all(|(_, shown, _)| shown.is_some()), "{said}");
    let outputs = differences.into_iter().filter_map(|(_, shown, printed)| Some((shown?, printed)));
    document.rewrite(outputs.collect());
}

#[test]
fn quick_start() {
    shows_what_is_printed("quick-start.md");
}

#[test]
fn how_sync_works() {
    shows_what_is_printed("how-sync-works.md");
}

#[test]
fn security_model() {
    shows_what_is_printed("security-model.md");
}

#[test]
fn settings() {
    shows_what_is_printed("settings.md");
}

#[test]
fn limits() {
    shows_what_is_printed("limits.md");
}

#[test]
fn questions() {
    shows_what_is_printed("faq.md");
}

/// A statement that prints something else, or fails, is found.
#[test]
fn a_document_that_is_wrong_is_found() {
    let steps = [
        Step::Place("plain PostgreSQL".into()),
        Step::Sql { line: 1, sql: "select 1;".into(), output: None },
        Step::Sql { line: 2, sql: "select 1/0;".into(), output: None },
        Step::Sql { line: 3, sql: "select 1;".into(), output: None },
    ];
    let lines: Vec<usize> = differences(&steps).into_iter().map(|(line, ..)| line).collect();
    assert_eq!(lines, [2]);
}
