//! Attacks on settings: sending the key elsewhere, and reading it.

use postgres::{Config, NoTls};
use scenarios::{Cluster, Database, Session, Stack};
use simulator::{Simulator, DEV_API_KEY};

/// Connects with `PGOPTIONS`; the SQLSTATE of the refusal, if it is refused.
fn with_options(stack: &Stack, role: &str, options: &str) -> Option<String> {
    let mut config = Config::new();
    config.host_path(stack.db.cluster().dir()).user(role).dbname(stack.db.name()).options(options);
    let error = config.connect(NoTls).err()?;
    Some(error.code().expect("an error of the server's").code().to_owned())
}

/// The settings that only superusers may change.
fn protected(stack: &Stack) -> Vec<(String, String)> {
    let sql = "SELECT name, COALESCE(NULLIF(boot_val, ''), 'x') FROM pg_settings
               WHERE name LIKE 'cometchat.%' AND context = 'superuser' ORDER BY name";
    let rows = stack.db.admin().query(sql, &[]).expect(sql);
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

#[test]
fn a_client_tries_a_setting_that_was_forgotten_to_be_protected() {
    let stack = Stack::new();
    let names: Vec<String> = protected(&stack).into_iter().map(|(name, _)| name).collect();
    for name in ["api_base_url", "api_key_file", "app_id", "ca_file", "proxy", "region"] {
        assert!(names.contains(&format!("cometchat.{name}")), "{name}");
    }
    let free = "SELECT string_agg(name, ' ' ORDER BY name) FROM pg_settings
                WHERE name LIKE 'cometchat.%' AND context NOT IN ('superuser', 'sighup')";
    assert_eq!(
        stack.value(free).as_deref(),
        Some("cometchat.connect_timeout cometchat.request_timeout")
    );
}

#[test]
fn a_role_without_superuser_tries_every_way_to_set_every_setting() {
    let (stack, ada) = Stack::with_ada();
    let database = stack.db.name().to_owned();
    for (setting, value) in protected(&stack) {
        for role in ["authenticated", "anon", "service_role", "postgres"] {
            let mut session = if role == "postgres" {
                Session::of(stack.db.connect("postgres"))
            } else {
                let mut session = stack.session(ada);
                session.execute(&format!("SET ROLE {role}"));
                session
            };
            for sql in [
                format!("SET {setting} = '{value}'"),
                format!("BEGIN; SET LOCAL {setting} = '{value}'"),
                format!("SELECT set_config('{setting}', '{value}', false)"),
                format!("UPDATE pg_settings SET setting = '{value}' WHERE name = '{setting}'"),
                format!("RESET {setting}"),
                format!("ALTER ROLE CURRENT_USER SET {setting} = '{value}'"),
                format!("ALTER DATABASE {database} SET {setting} = '{value}'"),
                format!("ALTER SYSTEM SET {setting} = '{value}'"),
                format!("CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE sql SET {setting} = '{value}' AS 'SELECT 1'"),
            ] {
                assert_eq!(session.sqlstate(&sql), "42501", "{role}: {sql}");
                session.execute("ROLLBACK");
            }
        }
    }
}

#[test]
fn a_client_tries_settings_in_its_connection_string() {
    let stack = Stack::new();
    for (setting, value) in protected(&stack) {
        for role in ["authenticator", "postgres"] {
            let code = with_options(&stack, role, &format!("-c {setting}={value}"));
            assert_eq!(code.as_deref(), Some("42501"), "{setting}");
        }
    }
    assert_eq!(with_options(&stack, "authenticator", "-c cometchat.request_timeout=1000"), None);
}

#[test]
fn a_role_tries_a_setting_with_and_without_grant_set() {
    let stack = Stack::new();
    let name = format!("{}_tenant", stack.db.name());
    stack.execute(&format!(
        "CREATE ROLE {name} LOGIN; GRANT SET ON PARAMETER cometchat.app_id TO {name}"
    ));
    let mut session = Session::of(stack.db.connect(&name));

    session.execute("SET cometchat.app_id = 'another'");

    assert_eq!(session.sqlstate("SET cometchat.api_base_url = 'https://evil.example'"), "42501");
    stack.execute(&format!("REVOKE SET ON PARAMETER cometchat.app_id FROM {name}"));
    assert_eq!(session.sqlstate("SET cometchat.app_id = 'third'"), "42501");
}

#[test]
fn a_client_tries_to_set_the_key() {
    let (stack, ada) = Stack::with_ada();
    let database = stack.db.name().to_owned();
    let admin = Session::of(stack.db.admin());
    for mut session in [stack.session(ada), Session::of(stack.db.connect("postgres")), admin] {
        for sql in [
            "SET cometchat.api_key = 'x'".to_owned(),
            "SELECT set_config('cometchat.api_key', 'x', true)".into(),
            "ALTER SYSTEM SET cometchat.api_key = 'x'".into(),
            format!("ALTER DATABASE {database} SET cometchat.api_key = 'x'"),
            "ALTER ROLE authenticated SET cometchat.api_key = 'x'".into(),
            "CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE sql SET cometchat.api_key = 'x' AS 'SELECT 1'".into(),
        ] {
            let code = session.sqlstate(&sql);
            assert!(["42501", "55P02"].contains(&code.as_str()), "{code}: {sql}");
        }
    }
    for role in ["authenticator", "postgres", "supabase_admin"] {
        let code = with_options(&stack, role, "-c cometchat.api_key=x");
        assert_eq!(code.as_deref(), Some("55P02"), "{role}");
    }
}

#[test]
fn every_role_tries_to_read_the_key_of_the_configuration_file() {
    let line = format!("cometchat.api_key = '{DEV_API_KEY}'");
    let cluster = Cluster::start(&["shared_preload_libraries = 'cometchat_ext'", &line]);
    let stack = Stack::on(Database::like_supabase(cluster), Simulator::start());
    stack.db.set("cometchat.api_key_file", None);
    stack.execute(
        "CREATE ROLE monitor LOGIN; GRANT pg_monitor, pg_read_all_settings, pg_read_all_data TO monitor",
    );
    for role in
        ["authenticator", "postgres", "supabase_read_only_user", "monitor", "supabase_admin"]
    {
        let mut client = stack.db.connect(role);
        for sql in [
            "SHOW cometchat.api_key",
            "SHOW ALL",
            "SELECT current_setting('cometchat.api_key', true)",
            "SELECT s::text FROM pg_settings AS s",
            "SELECT s::text FROM pg_show_all_settings() AS s",
            "SELECT f::text FROM pg_settings_get_flags('cometchat.api_key') AS f",
            "EXPLAIN (SETTINGS, VERBOSE, FORMAT JSON) SELECT 1",
            "SELECT s::text FROM pg_db_role_setting AS s",
            "SELECT a::text FROM pg_stat_activity AS a",
            "SELECT h::text FROM cometchat.health() AS h",
            "SELECT cometchat.configuration()::text",
            "SELECT cometchat.worker_status()::text",
            "SELECT set_config('cometchat.api_key', 'x', false)",
            "SELECT f::text FROM pg_file_settings AS f",
            "SELECT pg_read_file('postgresql.conf')",
        ] {
            // Superusers read files, and what the server read from them: that is Postgres's own.
            if role == "supabase_admin" && sql.contains("file") {
                continue;
            }
            let said = format!("{:?}", client.simple_query(sql));
            assert!(!said.contains(DEV_API_KEY), "{role}: {sql}");
        }
    }
    let mut client = Session::of(stack.db.connect("authenticator"));
    assert_eq!(client.sqlstate("SHOW cometchat.api_key"), "42501", "not even that there is one");
}
