//! Files of the repository that repeat a list, whole or between two marks.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

/// Two lists may be in one file: one at a time is compared, and rewritten.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

const COMMAND: &str = "BLESS=1 cargo test -p sync --test lists";
const END: &str = "<!-- end -->\n";

fn path(file: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).join(file)
}

/// A file of the repository.
#[track_caller]
pub fn read(file: &str) -> String {
    std::fs::read_to_string(path(file)).unwrap_or_else(|e| panic!("{file}: {e}"))
}

/// Whether the repository has this file.
pub fn exists(file: &str) -> bool {
    path(file).exists()
}

/// The SQL files, in all folders of sql/, with their texts; without those that belong to released versions.
pub fn sql() -> Vec<(String, String)> {
    let mut folders = vec![path("sql")];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in
            std::fs::read_dir(&folder).expect("sql/").map(|entry| entry.expect("sql/").path())
        {
            if ["released", "upgrades"].iter().any(|old| entry.ends_with(old)) || entry.is_symlink()
            {
                continue;
            } else if entry.is_dir() {
                folders.push(entry);
            } else if entry.extension().is_some_and(|end| end == "sql") {
                let text = std::fs::read_to_string(&entry).expect("a file of sql/");
                files.push((entry.display().to_string(), text));
            }
        }
    }
    files
}

/// Panics unless the file is this text. With `BLESS=1` it becomes it.
#[track_caller]
pub fn is_generated(file: &str, wanted: &str) {
    let found = std::fs::read_to_string(path(file)).unwrap_or_default();
    if found != wanted {
        settle(file, "", &found, wanted, wanted);
    }
}

/// The same of the part of a Markdown file between `<!-- list: NAME … -->` and `<!-- end -->`.
#[track_caller]
pub fn has_generated(file: &str, name: &str, wanted: &str) {
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let text = read(file);
    let mark = format!("<!-- list: {name} -->\n");
    let part = text.split_once(&mark).and_then(|(before, rest)| {
        let (part, after) = rest.split_once(END)?;
        Some((before, part, after))
    });
    let Some((before, found, after)) = part else {
        panic!("{file} has no part between {mark:?} and {END:?}");
    };
    if found != wanted {
        let whole = format!("{before}{mark}{wanted}{END}{after}");
        settle(file, name, found, wanted, &whole);
    }
}

#[track_caller]
fn settle(file: &str, name: &str, found: &str, wanted: &str, whole: &str) {
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(path(file), whole).unwrap_or_else(|e| panic!("{file}: {e}"));
        return;
    }
    let only_in = |one: &str, other: &str, sign: &str| -> String {
        let lines = one.lines().filter(|line| !other.lines().any(|o| o == *line));
        lines.map(|line| format!("  {sign} {line}\n")).collect()
    };
    panic!(
        "{file} {name} is not what the source says; {COMMAND} rewrites it\n{}{}",
        only_in(wanted, found, "missing:"),
        only_in(found, wanted, "too much:"),
    );
}

/// Panics with what is missing, or too much, in `file`.
#[track_caller]
pub fn same(file: &str, what: &str, found: &[String], wanted: &[String]) {
    let without = |some: &[String], others: &[String]| -> Vec<String> {
        some.iter().filter(|one| !others.contains(one)).cloned().collect()
    };
    let (missing, unknown) = (without(wanted, found), without(found, wanted));
    assert!(
        missing.is_empty() && unknown.is_empty(),
        "{file}: {what}: missing {missing:?}, unknown {unknown:?}"
    );
}

/// The cells of a Markdown table's rows, below the header, in the section under `heading`.
#[track_caller]
pub fn table(file: &str, heading: &str) -> Vec<Vec<String>> {
    let text = read(file);
    let (_, section) =
        text.split_once(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("{file}: {heading}"));
    let rows = section.lines().skip_while(|line| !line.starts_with("|---"));
    let rows = rows.skip(1).take_while(|line| line.starts_with('|'));
    rows.map(|row| row.trim_matches('|').split(" | ").map(|c| c.trim().to_owned()).collect())
        .collect()
}

/// What stands in backticks.
pub fn quoted(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}
