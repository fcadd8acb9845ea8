//! `kill -9` of a server's processes, and the server's coming back.

use std::fs;
use std::path::Path;
use std::process::Command;

use postgres::{Client, Config, NoTls};

use crate::{eventually, Cluster};

impl Cluster {
    /// A superuser's session, if the server is there to give one.
    pub fn try_admin(&self, database: &str) -> Option<Client> {
        let mut config = Config::new();
        config.host_path(self.dir()).user("supabase_admin").dbname(database);
        config.connect(NoTls).ok()
    }

    /// One value, if the server is there to give it.
    pub fn ask(&self, database: &str, sql: &str) -> Option<String> {
        let mut client = self.try_admin(database)?;
        client.query_one(&format!("SELECT ({sql})::text"), &[]).ok()?.get(0)
    }

    /// Kills one process; the postmaster then ends all the others and starts anew. Returns when
    /// sessions are accepted again. `false`: the process had ended by itself.
    #[track_caller]
    pub fn kill_process(&self, pid: i32) -> bool {
        let Some(mut witness) = self.try_admin("postgres") else { return false };
        if !kill(pid) {
            return false;
        }
        eventually("the server ends everybody's session", || {
            witness.simple_query("SELECT 1").is_err()
        });
        eventually("the server is back", || self.ask("postgres", "1").is_some());
        true
    }

    /// Kills the postmaster and, once its children have ended as well, starts another.
    #[track_caller]
    pub fn kill_postmaster(&self) {
        self.lose();
        self.come_back();
    }

    /// Kills the postmaster, and returns once its children have ended as well.
    #[track_caller]
    pub fn lose(&self) {
        let pid = self.postmaster().expect("a server");
        assert!(kill(pid));
        let data = self.dir().join("data");
        eventually("all processes of the server have ended", || !is_anybody_in(&data));
        // Where nobody reaps it, a dead postmaster looks alive to its successor.
        if Path::new("/proc").join(pid.to_string()).exists() {
            let _ = fs::remove_file(data.join("postmaster.pid"));
            let _ = fs::remove_file(self.dir().join(".s.PGSQL.5432.lock"));
        }
    }

    /// Starts a server that was lost; returns when it accepts sessions.
    #[track_caller]
    pub fn come_back(&self) {
        self.pg_ctl(&["start"]);
        // `pg_ctl` takes a server for started while it still recovers.
        eventually("the server is back", || self.ask("postgres", "1").is_some());
    }
}

/// `false`: there is no such process any more. It is stopped first: whether it ends by itself in the
/// moment between a look and the signal would not be known.
fn kill(pid: i32) -> bool {
    let send = |signal: &str| {
        let sent = Command::new("kill").args([signal, &pid.to_string()]).output();
        sent.is_ok_and(|output| output.status.success())
    };
    if !send("-STOP") {
        return false;
    }
    eventually("it stands still", || !matches!(state(pid), Some('R' | 'S' | 'D')));
    state(pid) == Some('T') && send("-KILL")
}

/// A process's state as ps shows it.
fn state(pid: i32) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

/// Whether a process works in this directory, as all of a server do in its data directory.
fn is_anybody_in(dir: &Path) -> bool {
    let Ok(processes) = fs::read_dir("/proc") else { return false };
    processes.flatten().any(|p| fs::read_link(p.path().join("cwd")).is_ok_and(|cwd| cwd == dir))
}
