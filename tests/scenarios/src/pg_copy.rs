//! A copy of PostgreSQL's programs and libraries for one test, which may break it.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::cluster::{major, root, run};
use crate::Cluster;

/// Programs, libraries and extension scripts; gone with the test.
pub struct PgCopy(PathBuf);

impl PgCopy {
    pub fn copy() -> PgCopy {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let n = COUNT.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("pg{}-{n}", std::process::id()));
        let mut copy = Command::new("bash");
        let script = r#"source "$0/tools/lib.sh"; pg_copy "$1" "$2"; chmod a+rx "$2""#;
        run(copy.args(["-euo", "pipefail", "-c", script]).arg(root()).arg(major()).arg(&dir));
        PgCopy(dir)
    }

    /// The extension's library.
    pub fn library(&self) -> PathBuf {
        self.0.join(format!("lib/postgresql/{}/lib/cometchat_ext.so", major()))
    }

    /// Adds a script that takes the extension from one version to another.
    pub fn add_update(&self, from: &str, to: &str, sql: &str) {
        let name = format!("cometchat_ext--{from}--{to}.sql");
        let dir = self.0.join(format!("share/postgresql/{}/extension", major()));
        fs::write(dir.join(name), sql).expect("an update script");
    }

    /// Makes a version the one that ALTER EXTENSION ... UPDATE goes to.
    pub fn set_default_version(&self, version: &str) {
        let dir = self.0.join(format!("share/postgresql/{}/extension", major()));
        let control = dir.join("cometchat_ext.control");
        let text = fs::read_to_string(&control).expect("the control file");
        let lines = text.lines().map(|line| match line.starts_with("default_version") {
            true => format!("default_version = '{version}'"),
            false => line.to_owned(),
        });
        let text = lines.collect::<Vec<_>>().join("\n") + "\n";
        fs::write(control, text).expect("the control file");
    }
}

impl Drop for PgCopy {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl Cluster {
    /// Stops the server if it runs and starts it from `copy`.
    pub fn restart_from(&self, copy: &PgCopy) {
        if self.postmaster().is_some() {
            self.pg_ctl(&["-m", "fast", "stop"]);
        }
        let mut command = Command::new("bash");
        let script = r#"source "$0/tools/lib.sh"; as_pg "$@""#;
        command.args(["-euo", "pipefail", "-c", script]).arg(root());
        command.arg(copy.0.join(format!("lib/postgresql/{}/bin/pg_ctl", major())));
        command.arg("-D").arg(self.dir().join("data")).arg("-l");
        run(command.arg(self.dir().join("server.log")).args(["-w", "-t", "60", "start"]));
    }
}
