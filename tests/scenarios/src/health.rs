//! `cometchat.health()` as an operator uses it: read the failing row, run its hint as it stands, look again.

use std::fs::File;
use std::io::Write;
use std::process::Stdio;

use postgres::Client;

use crate::{eventually, Database, Stack};

/// One row.
#[derive(Clone, Debug)]
pub struct Check {
    pub name: String,
    pub ok: bool,
    pub detail: String,
    pub hint: String,
}

/// What a superuser is told. It neither raises nor takes longer than the one request and some locks may.
#[track_caller]
pub fn health(db: &Database) -> Vec<Check> {
    health_in(&mut db.admin())
}

/// The same in a given session.
#[track_caller]
pub fn health_in(session: &mut Client) -> Vec<Check> {
    let sql = "SELECT check_name, COALESCE(ok, false), COALESCE(detail, ''), COALESCE(hint, '')
               FROM cometchat.health()";
    session.batch_execute("SET statement_timeout = '60s'").expect("set a limit");
    let rows = session.query(sql, &[]).expect(sql);
    let check = |row: &postgres::Row| Check {
        name: row.get(0),
        ok: row.get(1),
        detail: row.get(2),
        hint: row.get(3),
    };
    rows.iter().map(check).collect()
}

/// The names of the failing rows, and what they say.
pub fn unwell(db: &Database) -> Vec<Check> {
    health(db).into_iter().filter(|check| !check.ok).collect()
}

/// The trigger attached, the worker at work, a user synced, and nothing failing: before a test breaks something.
#[track_caller]
pub fn well() -> Stack {
    let stack = Stack::syncing();
    let ada = stack.sign_up("Ada Lovelace");
    stack.settled(ada);
    let failing = unwell(&stack.db);
    assert!(failing.is_empty(), "{failing:#?}");
    stack
}

/// The row of this name, which must be there.
#[track_caller]
pub fn check(db: &Database, name: &str) -> Check {
    let all = health(db);
    let found = all.iter().find(|check| check.name == name).cloned();
    found.unwrap_or_else(|| panic!("no row {name:?} in {all:#?}"))
}

/// What is broken shows in the row of this name, soon. Returns it.
#[track_caller]
pub fn fails(db: &Database, what: &str, name: &str) -> Check {
    let mut seen = Vec::new();
    for _ in 0..40 {
        seen = health(db);
        if let Some(check) = seen.iter().find(|check| check.name == name && !check.ok) {
            return check.clone();
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    seen.retain(|check| !check.ok);
    panic!("{what}: the row {name:?} is green; failing are {seen:#?}");
}

/// Runs a hint as it stands: what an operator pastes into psql, on the server, as a superuser.
#[track_caller]
pub fn run_hint(db: &Database, hint: &str) {
    let cluster = db.cluster();
    let path = cluster.secret_file(&format!("hint-{}.out", db.name()), "");
    let output = || File::options().append(true).open(&path).expect("a file for psql's output");
    // A server that it starts goes on writing there: a pipe would never end.
    let mut psql = cluster.program("psql");
    psql.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-U", "supabase_admin", "-d", db.name(), "-h"])
        .arg(cluster.dir())
        .env("PGDATA", cluster.dir().join("data"))
        .env("PATH", path_with_programs())
        .stdin(Stdio::piped())
        .stdout(output())
        .stderr(output());
    let mut child = psql.spawn().expect("start psql");
    let mut stdin = child.stdin.take().expect("its input");
    writeln!(stdin, "{hint}").expect("write the hint");
    drop(stdin);
    let status = child.wait().expect("wait for psql");
    let said = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(status.success(), "the hint {hint:?} failed:\n{said}");
}

/// The search path of programs, with PostgreSQL's own first.
fn path_with_programs() -> String {
    let script = r#"source "$0/tools/lib.sh"; pg_bin "$1""#;
    let mut command = std::process::Command::new("bash");
    command.args(["-c", script]).arg(crate::cluster::root()).arg(crate::cluster::major());
    let programs = command.output().expect("the folder of the programs").stdout;
    format!("{}:/usr/bin:/bin:/usr/sbin:/sbin", String::from_utf8_lossy(&programs).trim())
}

/// Something was broken: the row of this name says so, with these words, and its hint mends it.
#[track_caller]
pub fn is_mended_by_its_hint(db: &Database, what: &str, name: &str, words: &str) {
    let check = fails(db, what, name);
    let said = format!("{} | {}", check.detail, check.hint);
    assert!(said.contains(words), "{what}: {said:?} lacks {words:?}");
    run_hint(db, &check.hint);
    let is_well = || health(db).iter().any(|check| check.name == name && check.ok);
    eventually(&format!("{what}: {:?} mends it", check.hint), is_well);
    println!("{what}: {} | {}", check.detail, check.hint);
}
