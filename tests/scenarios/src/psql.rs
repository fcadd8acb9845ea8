//! psql, as somebody at a terminal uses it.

use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use crate::cluster::{major, root};
use crate::Database;

/// The program, looked up once: a document has dozens of statements.
fn program() -> &'static PathBuf {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let mut bash = Command::new("bash");
        bash.args(["-c", r#"source "$0/tools/lib.sh"; pg_bin "$1""#]).arg(root()).arg(major());
        let output = bash.output().expect("bash");
        let folder = String::from_utf8(output.stdout).expect("a path");
        PathBuf::from(folder.trim()).join("psql")
    })
}

impl Database {
    /// What psql prints, errors included, in a new session of a superuser. The line that counts rows is left out.
    #[track_caller]
    pub fn psql(&self, sql: &str) -> String {
        let path = self.cluster().dir().join(format!("psql-{}.out", self.name()));
        let printed = File::create(&path).expect("a file");
        // In databases with settings of all kinds, too, what is printed is the same.
        let options = "options='-c TimeZone=UTC -c DateStyle=ISO' client_encoding=UTF8";
        let database = format!("dbname={} {options}", self.name());
        let mut psql = Command::new(program());
        psql.args(["-X", "-q", "-P", "footer=off", "-v", "SHOW_CONTEXT=never"]);
        psql.args(["-U", "supabase_admin", "-d", &database, "-h"]).arg(self.cluster().dir());
        psql.stdin(Stdio::piped()).stderr(printed.try_clone().expect("a file")).stdout(printed);
        let mut psql = psql.spawn().expect("psql");
        let mut input = psql.stdin.take().expect("its input");
        input.write_all(sql.as_bytes()).and_then(|()| input.write_all(b"\n")).expect("write");
        drop(input);
        let status = psql.wait().expect("psql");
        let text = fs::read_to_string(&path).expect("what it printed");
        assert!(status.success(), "{sql}\n{text}");
        text
    }
}
