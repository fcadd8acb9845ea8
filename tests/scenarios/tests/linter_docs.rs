//! A linter for the documents: the files, types and columns that they name exist.

use std::fs;
use std::path::Path;

use crate::linter_sources::installed_files;

/// Those that describe the source.
const DOCUMENTS: [&str; 10] = [
    "CONTRIBUTING.md",
    "SECURITY.md",
    "docs/architecture.md",
    "docs/faq.md",
    "docs/glossary.md",
    "docs/how-sync-works.md",
    "docs/limits.md",
    "docs/quick-start.md",
    "docs/security-model.md",
    "docs/sync-protocol.md",
];

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// What stands in backticks, one line each.
fn quoted(text: &str) -> Vec<&str> {
    text.lines()
        .filter(|line| !line.starts_with("```"))
        .flat_map(|line| line.split('`').skip(1).step_by(2))
        .collect()
}

/// All text of the files below `dir` that end in `suffix`.
fn all_text(dir: &Path, suffix: &str) -> String {
    let mut text = String::new();
    for entry in fs::read_dir(dir).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            text += &all_text(&path, suffix);
        } else if path.to_string_lossy().ends_with(suffix) {
            text += &fs::read_to_string(&path).expect("a text");
        }
    }
    text
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// `src/x.rs`, `crates/y`: a path of this repository.
fn missing_path(word: &str) -> bool {
    let top = [
        "src/",
        "crates/",
        "sql/",
        "tests/",
        "tools/",
        "docs/",
        "benches/",
        "clients/",
        "examples/",
    ];
    let is_path = top.iter().any(|dir| word.starts_with(dir))
        && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-./".contains(&b));
    is_path && !root().join(word).exists()
}

/// `sync::policy::RetryDecision::Defer`: each part is in the crate's source, modules as files.
fn missing_item(word: &str, crates: &[(&str, String)]) -> bool {
    let mut parts = word.split("::");
    let Some((_, source)) = parts.next().and_then(|name| crates.iter().find(|(n, _)| *n == name))
    else {
        return false;
    };
    let defined = |part: &str| {
        ["mod ", "fn ", "struct ", "enum ", "    ", "pub "].iter().any(|before| {
            let sought = format!("{before}{part}");
            source.match_indices(&sought).any(|(at, _)| {
                !source[at + sought.len()..].starts_with(|c: char| c.is_alphanumeric() || c == '_')
            })
        })
    };
    parts.any(|part| is_word(part) && !defined(part))
}

/// `sync_state.claim`: a column of a table of ours.
fn missing_column(word: &str, tables: &str) -> bool {
    let Some((table, column)) = word.split_once('.') else { return false };
    if !["sync_state", "cometchat_users"].contains(&table) || !is_word(column) {
        return false;
    }
    !tables.lines().any(|line| line.trim_start().split(' ').next() == Some(column))
}

/// `cometchat.health()`: a function, view or table of ours, or a setting.
fn missing_object(word: &str, objects: &str) -> bool {
    let Some(name) = word.strip_prefix("cometchat.") else { return false };
    let name = name.split(['(', '.', ' ']).next().unwrap_or(name);
    is_word(name) && !objects.contains(&format!("cometchat.{name}"))
}

#[test]
fn what_the_documents_name_exists() {
    let crates = ["sync", "cometchat"]
        .map(|name| (name, all_text(&root().join("crates").join(name), ".rs")));
    let sql: String = installed_files().into_iter().map(|(_, text)| text).collect();
    let objects = sql.clone() + &all_text(&root().join("src"), ".rs");
    let mut missing = Vec::new();
    for document in DOCUMENTS {
        let text = read(document);
        let words = quoted(&text);
        assert!(words.len() > 5, "{document} quotes nothing: is it still read rightly?");
        for word in words {
            if missing_path(word)
                || missing_item(word, &crates)
                || missing_column(word, &sql)
                || missing_object(word, &objects)
            {
                missing.push(format!("{document}: {word}"));
            }
        }
    }
    assert!(missing.is_empty(), "named, but not there: {missing:#?}");
}

#[test]
fn a_name_that_is_gone_is_found() {
    let crates = [("sync", "pub mod policy;\npub enum RetryDecision {\n    Defer,\n}".to_owned())];
    assert!(missing_path("src/brake.rs") && !missing_path("src/api.rs"));
    assert!(missing_item("sync::policy::Verdict", &crates));
    assert!(!missing_item("sync::policy::RetryDecision::Defer", &crates));
    assert!(missing_column("sync_state.parked_at", "  failed_at  timestamptz"));
    assert!(!missing_column("sync_state.failed_at", "  failed_at  timestamptz"));
    assert!(missing_object("cometchat.rouse()", "FUNCTION cometchat.start_worker()"));
    assert!(!missing_object("cometchat.start_worker()", "FUNCTION cometchat.start_worker()"));
}
