//! The two editions: the extension, and the SQL file for supabase.com.
//!
//! `COMETCHAT_EDITION=hosted` runs the scenarios of `tests/editions/scenarios.txt` on the latter. pg_cron works
//! in one database of a server, and each scenario has its own: a thread calls `process_queue()` in its place,
//! and the file's calls of `cron.schedule()` meet a stand-in. tools/hosted_test.sh has the real one.

use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::cluster::root;
use crate::Database;

/// Which edition a stack has.
pub enum Edition {
    /// The extension, with its worker.
    Native,
    /// The SQL file, with a thread in the place of pg_cron.
    Hosted(Mutex<Option<Cron>>),
}

/// A thread that calls `process_queue()` again and again.
pub struct Cron {
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// What the file finds in the place of pg_cron. Only superusers' functions count as it.
const CRON: &str = "
    CREATE SCHEMA cron;
    CREATE TABLE cron.job (jobid bigserial, jobname text UNIQUE, schedule text, command text,
      database text DEFAULT current_database(), active boolean DEFAULT true);
    CREATE TABLE cron.job_run_details (jobid bigint, runid bigserial, status text, return_message text,
      start_time timestamptz, end_time timestamptz);
    CREATE FUNCTION cron.schedule(job_name text, schedule text, command text) RETURNS bigint LANGUAGE sql AS
      'INSERT INTO cron.job (jobname, schedule, command) VALUES ($1, $2, $3)
       ON CONFLICT (jobname) DO UPDATE SET command = EXCLUDED.command RETURNING jobid';
    GRANT USAGE ON SCHEMA cron TO postgres;
    GRANT ALL ON ALL TABLES IN SCHEMA cron TO postgres;
    GRANT ALL ON ALL SEQUENCES IN SCHEMA cron TO postgres;";

/// Whether this PostgreSQL has what the hosted edition stands on: 17, by tools/hosted_extensions.sh. With
/// `COMETCHAT_HOSTED` it must.
pub fn is_available() -> bool {
    let script = r#"source "$0/tools/lib.sh"; [ -e "$(pg_share "$1")/http.control" ]"#;
    let looked =
        Command::new("bash").args(["-c", script]).arg(root()).arg(crate::cluster::major()).status();
    let is_there = looked.is_ok_and(|status| status.success());
    let wanted = std::env::var_os("COMETCHAT_HOSTED").is_some();
    assert!(is_there || !wanted, "pgsql-http is not installed: tools/hosted_extensions.sh");
    if !is_there {
        eprintln!("skipped: pgsql-http is not installed in this PostgreSQL");
    }
    is_there
}

impl Edition {
    /// The one that this run is about.
    pub fn of_this_run() -> Edition {
        match std::env::var("COMETCHAT_EDITION").as_deref() {
            Ok("hosted") => Edition::hosted(),
            _ => Edition::Native,
        }
    }

    /// The edition for supabase.com.
    pub fn hosted() -> Edition {
        Edition::Hosted(Mutex::new(None))
    }

    /// Whether it is the one for supabase.com.
    pub fn is_hosted(&self) -> bool {
        matches!(self, Edition::Hosted(_))
    }

    /// What `make hosted` makes.
    pub fn file() -> &'static str {
        static FILE: OnceLock<String> = OnceLock::new();
        FILE.get_or_init(|| {
            let dir = std::env::temp_dir().join(format!("cc{}-hosted", std::process::id()));
            let made = Command::new(root().join("tools/hosted.sh")).arg(&dir).output();
            let made = made.expect("run tools/hosted.sh");
            assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
            let file = std::fs::read_to_string(dir.join("cometchat_hosted.sql")).expect("the file");
            let _ = std::fs::remove_dir_all(dir);
            file
        })
    }

    /// What the platform's dashboard does with a click: the extensions, as a superuser.
    pub fn prepare(db: &Database) {
        let mut admin = db.admin();
        admin
            .batch_execute("CREATE EXTENSION http WITH SCHEMA extensions")
            .expect("extension http");
        drop(admin);
        Edition::stand_in_for_cron(db);
    }

    /// What the file finds in the place of pg_cron.
    pub fn stand_in_for_cron(db: &Database) {
        db.admin().batch_execute(CRON).expect("the stand-in for pg_cron");
    }

    /// Installs the file as the role postgres; requests may go to this machine.
    pub fn install(&self, db: &Database) {
        Edition::prepare(db);
        Edition::run_file(db);
    }

    /// Runs the file as users get it, once more perhaps: requests to this machine are refused then.
    pub fn run_file_alone(db: &Database) {
        db.connect("postgres").batch_execute(Edition::file()).expect("the hosted edition's file");
    }

    /// Runs it, and lets requests go to this machine.
    pub fn run_file(db: &Database) {
        Edition::run_file_alone(db);
        let mut owner = db.connect("postgres");
        let loopback = root().join("tests/editions/loopback.sql");
        let loopback = std::fs::read_to_string(loopback).expect("loopback.sql");
        owner.batch_execute(&loopback).expect("loopback.sql");
    }

    /// Changes a setting that is a row of `cometchat.settings`; `false` where it is one of the database.
    pub fn set(db: &Database, name: &str, value: Option<&str>) -> bool {
        let Some(name) = name.strip_prefix("cometchat.") else { return false };
        let mut admin = db.admin();
        let there = "SELECT to_regclass('cometchat.settings') IS NOT NULL";
        if !admin.query_one(there, &[]).expect(there).get::<_, bool>(0) {
            return false;
        }
        // Of these there is none.
        if !["rate_limit", "concurrency", "ca_file", "proxy", "api_key_file"].contains(&name) {
            let mut owner = db.connect("postgres");
            let forget = "DELETE FROM cometchat.settings AS s WHERE s.name = $1";
            owner.execute(forget, &[&name]).expect(forget);
            if let Some(value) = value {
                let insert = "INSERT INTO cometchat.settings (name, value) VALUES ($1, $2)";
                owner.execute(insert, &[&name, &value]).expect(insert);
            }
        }
        true
    }

    /// Puts the key into the Vault.
    pub fn set_key(&self, db: &Database, key: &str) {
        let mut owner = db.connect("postgres");
        owner
            .execute("DELETE FROM vault.secrets WHERE name = 'cometchat_api_key'", &[])
            .expect("forget the key");
        let create = "SELECT vault.create_secret($1, 'cometchat_api_key')";
        owner.execute(create, &[&key]).expect("store the key");
    }

    /// Starts what pg_cron does on the platform.
    pub fn start_cron(&self, db: &Database) {
        if let Edition::Hosted(cron) = self {
            let mut client = db.connect("postgres");
            let ends = Arc::new(AtomicBool::new(false));
            let end = Arc::clone(&ends);
            let thread = std::thread::spawn(move || {
                while !end.load(Ordering::Acquire) {
                    // What fails stands in cometchat.control; a server that is gone ends the test.
                    if client.batch_execute("CALL cometchat.process_queue()").is_err()
                        && client.is_closed()
                    {
                        return;
                    }
                    std::thread::sleep(Duration::from_millis(50));
                }
            });
            *cron.lock().expect("one thread") = Some(Cron { ends, thread: Some(thread) });
        }
    }

    /// Stops it; `false` where there is a worker instead.
    pub fn stop_cron(&self) -> bool {
        if let Edition::Hosted(cron) = self {
            cron.lock().expect("one thread").take();
        }
        self.is_hosted()
    }
}

impl Drop for Cron {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
