//! A database of a test's own.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use postgres::{Client, NoTls};

use crate::database_variant::DatabaseVariant;
use crate::edition::Edition;
use crate::{Cluster, Encoding};

/// What a session was warned or told of, so far.
#[derive(Clone, Default)]
pub struct Notices(Arc<Mutex<Vec<String>>>);

impl Notices {
    pub fn list(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn keep(&self, message: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(message.to_owned());
    }
}

/// A database that goes with the test.
pub struct Database {
    cluster: Cluster,
    name: String,
}

impl Database {
    /// One with Supabase's roles, schemas and default privileges, without the extension.
    pub fn like_supabase(cluster: Cluster) -> Database {
        match DatabaseVariant::of_this_run().encoding() {
            Some(encoding) => Database::in_encoding(cluster, encoding),
            None => Database::from_template(cluster, "like_supabase"),
        }
    }

    /// An empty one, as on plain Postgres (the cluster still has Supabase's roles).
    pub fn plain(cluster: Cluster) -> Database {
        Database::from_template(cluster, "template0")
    }

    /// The same in another encoding than the cluster's.
    pub fn in_encoding(cluster: Cluster, encoding: Encoding) -> Database {
        let template = format!("like_supabase_{}", encoding.name().to_lowercase());
        make_template(&cluster, &template, encoding);
        Database::from_template(cluster, &template)
    }

    /// A copy of another one, which ends its sessions.
    pub fn copy_of(other: &Database) -> Database {
        let end =
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = $1";
        let mut admin = other.cluster.admin("postgres");
        // A worker would be back before the copy begins.
        let mut allow = |connections: bool| {
            let name = &other.name;
            let sql = format!("ALTER DATABASE {name} ALLOW_CONNECTIONS {connections}");
            admin.batch_execute(&sql).expect(&sql);
        };
        allow(false);
        other.cluster.admin("postgres").execute(end, &[&other.name]).expect(end);
        let copy = Database::from_template(other.cluster.again(), &other.name);
        allow(true);
        copy
    }

    fn from_template(cluster: Cluster, template: &str) -> Database {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let n = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("t{}_{n}", std::process::id());
        let mut admin = cluster.admin("postgres");
        // Two sessions cannot copy one template at the same time.
        admin.batch_execute("SELECT pg_advisory_lock(2)").expect("lock");
        admin
            .batch_execute(&format!("CREATE DATABASE {name} TEMPLATE {template}"))
            .expect("create a database");
        if template.starts_with("like_supabase") {
            // The owner is not copied with the template.
            let owner = format!("ALTER DATABASE {name} OWNER TO postgres");
            admin.batch_execute(&owner).expect("give it to postgres");
            if has_safeupdate(&mut admin) {
                let preload =
                    format!("ALTER DATABASE {name} SET session_preload_libraries = 'safeupdate'");
                admin.batch_execute(&preload).expect("preload safeupdate");
            }
        }
        for (setting, value) in DatabaseVariant::of_this_run().settings() {
            let set = format!("ALTER DATABASE {name} SET {setting} = '{value}'");
            admin.batch_execute(&set).expect(&set);
        }
        Database { cluster, name }
    }

    /// This database in another cluster, which has taken it over.
    pub fn in_cluster(&self, cluster: &Cluster) -> Database {
        Database { cluster: cluster.again(), name: self.name.clone() }
    }

    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// A superuser's session.
    pub fn admin(&self) -> Client {
        self.cluster.admin(&self.name)
    }

    /// A session that logs in as `role`.
    pub fn connect(&self, role: &str) -> Client {
        self.cluster.connect(&self.name, role)
    }

    /// One that keeps what the server tells it besides results.
    pub fn connect_keeping_notices(&self, role: &str) -> (Client, Notices) {
        let notices = Notices::default();
        let kept = notices.clone();
        let mut config = self.cluster.config(&self.name, role);
        config.notice_callback(move |notice| kept.keep(notice.message()));
        (config.connect(NoTls).expect("connect to the database"), notices)
    }

    /// `ALTER DATABASE … SET`, for sessions that start from now on; `None` resets. In the hosted edition a
    /// setting of ours is a row.
    pub fn set(&self, name: &str, value: Option<&str>) {
        if Edition::set(self, name, value) {
            return;
        }
        let database = &self.name;
        let sql = match value {
            Some(value) => {
                let value = value.replace('\'', "''");
                format!("ALTER DATABASE {database} SET {name} = '{value}'")
            }
            None => format!("ALTER DATABASE {database} RESET {name}"),
        };
        self.admin().batch_execute(&sql).expect("alter the database's settings");
    }
}

/// Makes the template of an encoding, once. The fixture makes roles too, which the cluster has by
/// then: so it is not run again but dumped, and what is dumped is converted.
fn make_template(cluster: &Cluster, template: &str, encoding: Encoding) {
    let mut admin = cluster.admin("postgres");
    admin.batch_execute("SELECT pg_advisory_lock(3)").expect("lock");
    let look = "SELECT FROM pg_database WHERE datname = $1";
    if admin.query_opt(look, &[&template]).expect(look).is_some() {
        return;
    }
    let (dump, _) = Database::from_template(cluster.again(), "like_supabase").dump("fixture", &[]);
    let new = Database { cluster: cluster.again(), name: format!("{template}_new") };
    let (name, encoding) = (&new.name, encoding.name());
    let create =
        format!("CREATE DATABASE {name} TEMPLATE template0 ENCODING '{encoding}' LOCALE 'C'");
    admin.batch_execute(&create).expect(&create);
    new.restore(&dump);
    let rename = format!("ALTER DATABASE {name} RENAME TO {template}");
    admin.batch_execute(&rename).expect(&rename);
}

/// Whether `tools/safeupdate.sh` has installed it; the benchmarks do without.
fn has_safeupdate(admin: &mut Client) -> bool {
    let sql = "SELECT (pg_stat_file(setting || '/safeupdate.so', true)).size IS NOT NULL
               FROM pg_config WHERE name = 'PKGLIBDIR'";
    admin.query_one(sql, &[]).expect("look for the library").get(0)
}

impl Drop for Database {
    fn drop(&mut self) {
        let drop = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        let mut config = self.cluster.config("postgres", "supabase_admin");
        // A test that failed may have left a standby that is waited for.
        config.options("-c synchronous_commit=local");
        if let Ok(mut admin) = config.connect(NoTls) {
            let _ = admin.batch_execute(&drop);
        }
    }
}
