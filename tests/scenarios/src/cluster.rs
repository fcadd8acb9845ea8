//! A PostgreSQL cluster: the shared one of a test run, or one of a test's own.

use std::fs;
use std::os::unix::fs::{chown, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::OnceLock;

use postgres::{Client, Config, NoTls};

use crate::cluster_guard::stop_at_exit;

/// The major version under test.
pub fn major() -> String {
    std::env::var("COMETCHAT_PG").unwrap_or_else(|_| "15".into())
}

/// Whether that major version is here, with the present extension in it.
pub fn is_installed(major: &str) -> bool {
    tool("cluster.sh").args(["check", major]).output().is_ok_and(|output| output.status.success())
}

/// The checkout's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A running cluster. One that a test started stops when it is dropped.
pub struct Cluster {
    dir: PathBuf,
    ours: bool,
    major: String,
}

impl Cluster {
    /// The cluster that all tests of this process share. Databases made from [`crate::Database`]'s
    /// template look like Supabase's. It is the one in `COMETCHAT_CLUSTER`, or else started here and
    /// stopped at the end of the process.
    pub fn shared() -> Cluster {
        static SHARED: OnceLock<Result<PathBuf, String>> = OnceLock::new();
        let dir = SHARED.get_or_init(|| {
            let dir = match std::env::var("COMETCHAT_CLUSTER") {
                Ok(dir) => dir.into(),
                Err(_) => start_shared()?,
            };
            Cluster { dir: dir.clone(), ours: false, major: major() }.load_fixture();
            Ok(dir)
        });
        let dir = dir.clone().unwrap_or_else(|error| panic!("no shared cluster: {error}"));
        Cluster { dir, ours: false, major: major() }
    }

    /// A cluster of a test's own, with these lines in postgresql.conf and the fixture loaded.
    /// It does not wait for the disk (what is written survives the end of any process, and no test
    /// cuts the power), unless a line says `fsync = on`.
    pub fn start(conf: &[&str]) -> Cluster {
        let cluster = Cluster::start_empty(&major(), conf);
        cluster.load_fixture();
        cluster
    }

    /// The same of another major version.
    pub fn start_of(major: &str, conf: &[&str]) -> Cluster {
        let cluster = Cluster::start_empty(major, conf);
        cluster.load_fixture();
        cluster
    }

    /// As `initdb` leaves it, with these lines in postgresql.conf.
    pub fn start_empty(major: &str, conf: &[&str]) -> Cluster {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let n = COUNT.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("cc{}-{n}", std::process::id()));
        let cluster = Cluster { dir, ours: true, major: major.into() };
        stop_at_exit(&cluster.dir);
        let mut start = cluster.tool("cluster.sh");
        start.arg("start").arg(&cluster.dir).arg(major).arg("fsync = off").args(conf);
        run(&mut start);
        cluster
    }

    /// The same cluster once more, for another database in it. Goes before the one that started it.
    pub fn again(&self) -> Cluster {
        Cluster { dir: self.dir.clone(), ours: false, major: self.major.clone() }
    }

    /// A running standby of it.
    pub fn standby(&self) -> Cluster {
        let mut dir = self.dir.clone().into_os_string();
        dir.push("s");
        let standby = Cluster { dir: dir.into(), ours: true, major: self.major.clone() };
        stop_at_exit(&standby.dir);
        fs::create_dir_all(&standby.dir).expect("a directory");
        let owner = fs::metadata(self.dir.join("data")).expect("the data directory");
        chown(&standby.dir, Some(owner.uid()), Some(owner.gid())).expect("chown");
        let mut copy = self.program("pg_basebackup");
        copy.arg("-h").arg(&self.dir).args(["-U", "supabase_admin", "-R", "-c", "fast", "-N"]);
        run(copy.arg("-D").arg(standby.dir.join("data")));
        let conf = standby.dir.join("data/postgresql.conf");
        let mut lines = fs::read_to_string(&conf).expect("its settings");
        lines.push_str(&format!("unix_socket_directories = '{}'\n", standby.dir.display()));
        fs::write(&conf, lines).expect("its settings");
        standby.pg_ctl(&["start"]);
        standby
    }

    /// Where its socket and files are.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// `pg_upgrade` of a cluster that is stopped, into this one of a later version, which is empty and stopped.
    /// From 18 on clusters have checksums as they come, and the older one must have them too.
    #[track_caller]
    pub fn upgrade_from(&self, old: &Cluster) {
        let script = r#"source "$0/tools/lib.sh"
            [ "$4" -lt 18 ] || as_pg "$(pg_bin "$3")/pg_checksums" --enable -D "$2/data"
            as_pg sh -c 'cd "$1" && exec "$3/pg_upgrade" -b "$2" -B "$3" -d "$4/data" -D "$1/data" -s "$1" \
              -U supabase_admin' sh "$1" "$(pg_bin "$3")" "$(pg_bin "$4")" "$2" ||
              { grep -hi -A40 "error:" "$1"/data/pg_upgrade_output.d/*/log/*_dump_*.log; exit 1; }"#;
        let mut upgrade = Command::new("bash");
        upgrade.args(["-c", script]).arg(root()).arg(&self.dir).arg(&old.dir);
        run(upgrade.args([&old.major, &self.major]));
    }

    /// A program of this PostgreSQL version, run as the user that Postgres runs as.
    pub fn program(&self, name: &str) -> Command {
        let mut command = Command::new("bash");
        let script = r#"source "$0/tools/lib.sh"; program=$1 major=$2; shift 2
            as_pg "$(pg_bin "$major")/$program" "$@""#;
        command.args(["-c", script]).arg(root()).args([name, &self.major]);
        command
    }

    /// `pg_ctl` on this cluster, waiting for the outcome.
    pub fn pg_ctl(&self, args: &[&str]) {
        let mut command = self.program("pg_ctl");
        command.arg("-D").arg(self.dir.join("data")).args(["-w", "-t", "60"]);
        run(command.arg("-l").arg(self.dir.join("server.log")).args(args));
    }

    /// Connects as a superuser.
    pub fn admin(&self, database: &str) -> Client {
        self.connect(database, "supabase_admin")
    }

    /// Connects as any role; the cluster trusts everybody on its socket.
    pub fn connect(&self, database: &str, role: &str) -> Client {
        self.config(database, role).connect(NoTls).expect("connect to the cluster")
    }

    /// How [`Cluster::connect`] does it, for a session that is to be more.
    pub fn config(&self, database: &str, role: &str) -> Config {
        let mut config = Config::new();
        config.host_path(&self.dir).user(role).dbname(database);
        config
    }

    /// What the server has written to its log so far.
    pub fn log(&self) -> String {
        let log = fs::read(self.dir.join("server.log")).expect("the server's log");
        String::from_utf8_lossy(&log).into_owned() // the last character may be half written
    }

    /// Writes a file that the server, and nobody else, may read; returns its path.
    pub fn secret_file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.dir.join(name);
        fs::write(&path, content).expect("write a file for the server");
        let owner = fs::metadata(self.dir.join("data")).expect("the data directory");
        chown(&path, Some(owner.uid()), Some(owner.gid())).expect("chown");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("chmod");
        path
    }

    fn load_fixture(&self) {
        let mut admin = self.admin("postgres");
        // Test binaries run one after the other against the shared cluster, tests in parallel.
        admin.batch_execute("SELECT pg_advisory_lock(1)").expect("lock");
        let known = admin
            .query_opt("SELECT FROM pg_database WHERE datname = 'like_supabase'", &[])
            .expect("look for the template");
        if known.is_none() {
            admin.batch_execute("CREATE DATABASE like_supabase_new").expect("create");
            let mut psql = self.program("psql");
            psql.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-U", "supabase_admin"])
                .args(["-d", "like_supabase_new", "-h"])
                .arg(&self.dir)
                .stdin(fs::File::open(root().join("tests/supabase/fixture.sql")).expect("fixture"));
            run(&mut psql);
            let rename = "ALTER DATABASE like_supabase_new RENAME TO like_supabase";
            admin.batch_execute(rename).expect("rename");
        }
    }

    fn tool(&self, name: &str) -> Command {
        tool(name)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if self.ours {
            let mut stop = self.tool("cluster.sh");
            let _ = stop.arg("stop").arg(&self.dir).arg(&self.major).output();
            let _ = fs::remove_dir_all(&self.dir);
        }
    }
}

fn tool(name: &str) -> Command {
    Command::new(root().join("tools").join(name))
}

/// Starts the shared cluster in a folder of this process's own. It does not wait for the disk: no
/// test cuts the power.
fn start_shared() -> Result<PathBuf, String> {
    try_run(tool("cluster.sh").arg("check").arg(major()))?;
    let dir = std::env::temp_dir().join(format!("cc{}-shared", std::process::id()));
    stop_at_exit(&dir);
    let mut start = tool("cluster.sh");
    start.arg("start").arg(&dir).arg(major());
    start.args(["shared_preload_libraries = 'cometchat_ext'", "fsync = off"]);
    try_run(&mut start)?;
    Ok(dir)
}

/// Runs a command to its end; the error is what it printed.
fn try_run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| error.to_string())?;
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stderr).trim_end().to_owned()),
    }
}

/// Runs a command to its end; its output is shown when it fails.
pub fn run(command: &mut Command) {
    let output = command.output().expect("start a program");
    assert!(
        output.status.success(),
        "{command:?} failed:\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}
