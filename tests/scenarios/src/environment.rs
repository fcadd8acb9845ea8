//! Servers that live in an environment of their own: variables, and another resolver.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;

use crate::cluster::{major, root, run};
use crate::Cluster;

/// What is different for a server.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    variables: Vec<String>,
    resolv_conf: Option<String>,
}

impl Environment {
    /// Sets a variable.
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push(format!("{name}={value}"));
        self
    }

    /// Names are asked for at this address. Needs [`may_mount`].
    pub fn name_server(mut self, address: &str) -> Self {
        self.resolv_conf = Some(format!("nameserver {address}\noptions timeout:30 attempts:1\n"));
        self
    }
}

/// Whether a server can be given a resolver of its own, by a mount that only it sees.
pub fn may_mount() -> bool {
    let script = "mount --bind /etc/resolv.conf /etc/resolv.conf";
    Command::new("unshare")
        .args(["--mount", "--propagation", "private", "sh", "-c", script])
        .output()
        .is_ok_and(|output| output.status.success())
}

/// Whether this PostgreSQL has a module of its own contrib. The package that 16 comes from has none; every
/// other major version has all of them.
pub fn has_module(name: &str) -> bool {
    let is_there = is_installed(name);
    assert!(is_there || major() == "16", "{name} is not installed: tools/setup.sh");
    if !is_there {
        println!("skipped: this PostgreSQL has no {name}");
    }
    is_there
}

/// Whether an extension that is no part of PostgreSQL is installed (`tools/other_extensions.sh`).
pub fn has_extension(name: &str) -> bool {
    let is_there = is_installed(name);
    if !is_there {
        println!("skipped: {name} is not installed");
    }
    is_there
}

fn is_installed(library: &str) -> bool {
    let script = r#"source "$0/tools/lib.sh"; [ -e "$(pg_lib "$1")/$2.so" ]"#;
    let looked =
        Command::new("bash").args(["-c", script]).arg(root()).arg(major()).arg(library).status();
    looked.is_ok_and(|status| status.success())
}

impl Cluster {
    /// Stops the server if it runs and starts it in `environment`.
    pub fn restart_in(&self, environment: &Environment) {
        if self.postmaster().is_some() {
            self.pg_ctl(&["-m", "immediate", "stop"]);
        }
        let script = r#"
            source "$1/tools/lib.sh"
            if [ -n "$4" ]; then mount --bind "$4" /etc/resolv.conf; fi
            major=$2 dir=$3; shift 4
            as_pg env "$@" "$(pg_bin "$major")/pg_ctl" -D "$dir/data" -l "$dir/server.log" -w -t 60 start"#;
        let mut command = Command::new("bash");
        let mut resolv_conf = String::new();
        if let Some(text) = &environment.resolv_conf {
            let path = self.dir().join("resolv.conf");
            std::fs::write(&path, text).expect("write resolv.conf");
            resolv_conf = path.to_string_lossy().into_owned();
            command = Command::new("unshare");
            command.args(["--mount", "--propagation", "private", "bash"]);
        }
        command.args(["-euo", "pipefail", "-c", script, "bash"]).arg(root()).arg(major());
        command.arg(self.dir()).arg(resolv_conf).args(&environment.variables);
        // Not through a pipe: the server would inherit it, and reading would not end.
        command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
        let status = command.status().expect("start a program");
        assert!(status.success(), "the server does not start: {:?}", status.signal());
    }

    /// The postmaster's process id, while there is one.
    pub fn postmaster(&self) -> Option<i32> {
        let file = std::fs::read_to_string(self.dir().join("data/postmaster.pid")).ok()?;
        let pid = file.lines().next()?.trim().parse().ok()?;
        is_running(pid).then_some(pid)
    }

    /// Sends a signal to the postmaster.
    pub fn signal(&self, signal: &str) {
        let pid = self.postmaster().expect("a server");
        run(Command::new("kill").arg(format!("-{signal}")).arg(pid.to_string()));
    }
}

/// Whether a process is there, and more than a zombie.
pub fn is_running(pid: i32) -> bool {
    let stat = std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat"));
    stat.is_ok_and(|stat| !stat.contains(") Z "))
}
