//! `pg_dump` of a database, and its restoration by `psql`.

use std::fs::File;
use std::path::{Path, PathBuf};

use crate::cluster::run;
use crate::Database;

impl Database {
    /// Dumps this database into a file of the cluster's; its path and text.
    #[track_caller]
    pub fn dump(&self, name: &str, options: &[&str]) -> (PathBuf, String) {
        let path = self.cluster().secret_file(&format!("{name}-{}.sql", self.name()), "");
        let mut dump = self.cluster().program("pg_dump");
        dump.args(["-U", "supabase_admin", "-d", self.name(), "-h"]).arg(self.cluster().dir());
        run(dump.args(options).arg("-f").arg(&path));
        let text = std::fs::read_to_string(&path).expect("the dump");
        (path, text)
    }

    /// Runs a file of SQL, which must not fail anywhere.
    #[track_caller]
    pub fn restore(&self, path: &Path) {
        let mut psql = self.cluster().program("psql");
        psql.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-U", "supabase_admin", "-h"]);
        psql.arg(self.cluster().dir()).args(["-d", self.name()]);
        run(psql.stdin(File::open(path).expect("the dump")));
    }

    /// Dumps this database as a role, in any of the formats; where to.
    #[track_caller]
    pub fn dump_as(&self, role: &str, name: &str, options: &[&str]) -> PathBuf {
        let path = self.cluster().dir().join(format!("{name}-{}.dump", self.name()));
        let mut dump = self.cluster().program("pg_dump");
        dump.args(["-U", role, "-d", self.name(), "-h"]).arg(self.cluster().dir());
        // The server's folder is the server's user's.
        run(dump.args(options).arg("-f").arg(&path));
        path
    }

    /// `pg_restore` into this database, which must not fail anywhere.
    #[track_caller]
    pub fn pg_restore_as(&self, role: &str, path: &Path, options: &[&str]) {
        let mut restore = self.cluster().program("pg_restore");
        restore.args(["--exit-on-error", "-U", role, "-d", self.name(), "-h"]);
        run(restore.arg(self.cluster().dir()).args(options).arg(path));
    }

    /// `pg_restore` that goes on after errors; what it said of them.
    #[track_caller]
    pub fn pg_restore_what_can_be(&self, role: &str, path: &Path, options: &[&str]) -> String {
        let mut restore = self.cluster().program("pg_restore");
        restore.args(["-U", role, "-d", self.name(), "-h"]).arg(self.cluster().dir());
        let output = restore.args(options).arg(path).output().expect("start pg_restore");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }
}
