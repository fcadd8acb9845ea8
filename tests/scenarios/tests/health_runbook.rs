//! docs/operating.md has a paragraph for each row of health(), and what it shows is what is said.

use scenarios::health::{check, fails, health};
use scenarios::Stack;

const RUNBOOK: &str = include_str!("../../../docs/operating.md");

#[test]
fn every_row_has_a_paragraph_and_every_paragraph_a_row() {
    let stack = Stack::syncing();
    let mut rows: Vec<String> = health(&stack.db).into_iter().map(|check| check.name).collect();
    rows.push("table owner".into()); // shown only if it fails
    let paragraphs: Vec<&str> = RUNBOOK
        .lines()
        .filter_map(|line| line.strip_prefix("**")?.split_once("**: ").map(|(name, _)| name))
        .collect();
    for row in &rows {
        assert!(paragraphs.contains(&row.as_str()), "docs/operating.md lacks {row:?}");
    }
    for name in paragraphs {
        assert!(rows.iter().any(|row| row == name), "health() has no row {name:?}");
    }
}

#[test]
fn the_runbook_shows_what_is_said() {
    for (breakage, row) in [
        ("ALTER TABLE cometchat_users DISABLE ROW LEVEL SECURITY", "row security"),
        ("REVOKE SELECT ON cometchat_users FROM authenticated", "grants"),
        ("ALTER FUNCTION cometchat.on_auth_user_insert() SECURITY INVOKER", "triggers"),
        ("ALTER TABLE cometchat.sync_state REPLICA IDENTITY NOTHING", "replication"),
        ("SELECT nextval('cometchat.trigger_failures')", "trigger errors"),
        ("SELECT cometchat.pause()", "sending"),
    ] {
        let stack = Stack::syncing();
        stack.execute(breakage);
        let said = fails(&stack.db, breakage, row);
        let statement = said.hint.split(" -- ").next().unwrap_or_default();
        assert!(RUNBOOK.contains(statement), "docs/operating.md lacks {statement:?}");
        if row == "row security" {
            assert!(RUNBOOK.contains(&said.detail), "docs/operating.md lacks {:?}", said.detail);
        }
    }
    let stack = Stack::syncing();
    assert!(check(&stack.db, "auth trigger").ok);
    stack.execute("ALTER TABLE auth.users DISABLE TRIGGER cometchat_insert");
    let said = fails(&stack.db, "disabled", "auth trigger");
    let statement = said.hint.split(" -- ").next().unwrap_or_default();
    assert!(RUNBOOK.contains(statement), "docs/operating.md lacks {statement:?}");
}
