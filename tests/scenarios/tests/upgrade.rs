//! `ALTER EXTENSION UPDATE` from each released version makes what a fresh install creates, object by object,
//! and leaves alone what operators have granted.

use scenarios::catalog::{catalog, differences};
use scenarios::{Cluster, Database, PgCopy, Release};

const ATTACH: &str = "SELECT cometchat.enable_auth_trigger()";

/// What a database may have before the extension comes.
const SURROUNDINGS: [(&str, bool, &str); 3] = [
    ("like Supabase", true, ""),
    ("plain", false, ""),
    (
        "everything is granted to everybody by default",
        false,
        "ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO PUBLIC;
         ALTER DEFAULT PRIVILEGES GRANT ALL ON SEQUENCES TO PUBLIC;
         ALTER DEFAULT PRIVILEGES GRANT ALL ON ROUTINES TO PUBLIC;
         ALTER DEFAULT PRIVILEGES GRANT ALL ON ROUTINES TO anon WITH GRANT OPTION;
         ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO anon WITH GRANT OPTION;",
    ),
];

/// A server with the install scripts of all releases.
fn server() -> (PgCopy, Cluster) {
    let copy = PgCopy::copy();
    Release::all().iter().for_each(|release| copy.add_script(release));
    let cluster = Cluster::start(&["shared_preload_libraries = 'cometchat_ext'"]);
    cluster.restart_from(&copy);
    (copy, cluster)
}

/// A database of one of the [`SURROUNDINGS`] in which these statements ran.
#[track_caller]
fn database(cluster: &Cluster, supabase: bool, statements: &[&str]) -> Database {
    let db = match supabase {
        true => Database::like_supabase(cluster.again()),
        false => Database::plain(cluster.again()),
    };
    for sql in statements.iter().filter(|sql| !sql.is_empty()) {
        db.admin().batch_execute(sql).unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    }
    db
}

#[test]
fn an_upgrade_makes_what_a_fresh_install_creates() {
    let (_copy, cluster) = server();
    for release in Release::all() {
        let old = format!("CREATE EXTENSION cometchat_ext VERSION '{}'", release.version());
        for (surroundings, supabase, before) in SURROUNDINGS {
            for attach in ["", ATTACH] {
                let attach = if supabase { attach } else { "" };
                let update = "ALTER EXTENSION cometchat_ext UPDATE";
                let upgraded = database(&cluster, supabase, &[before, &old, attach, update]);
                let fresh = database(
                    &cluster,
                    supabase,
                    &[before, "CREATE EXTENSION cometchat_ext", attach],
                );
                let found = differences(&catalog(&upgraded), &catalog(&fresh));
                assert!(
                    found.is_empty(),
                    "an upgrade from {} ({surroundings}, {attach}) makes something else than a fresh install \
                     (docs/recipes.md, \"A SQL object\"):\n{}",
                    release.version(),
                    found.join("\n")
                );
            }
        }
    }
}

#[test]
fn an_upgrade_leaves_an_operators_grants_alone() {
    let (_copy, cluster) = server();
    for release in Release::all() {
        let old = format!("CREATE EXTENSION cometchat_ext VERSION '{}'", release.version());
        // The role is the cluster's.
        let role = format!("support_{}", release.version().replace('.', "_"));
        let grant = format!(
            "CREATE ROLE {role}; GRANT USAGE ON SCHEMA cometchat TO {role};
             GRANT EXECUTE ON FUNCTION cometchat.enqueue(uuid, jsonb) TO {role};
             GRANT SELECT ON cometchat.progress TO {role};
             REVOKE EXECUTE ON FUNCTION cometchat.backfill() FROM service_role"
        );
        let db = database(&cluster, true, &[&old, &grant, "ALTER EXTENSION cometchat_ext UPDATE"]);
        let kept = format!(
            "SELECT has_function_privilege('{role}', 'cometchat.enqueue(uuid, jsonb)', 'EXECUTE')
                AND has_table_privilege('{role}', 'cometchat.progress', 'SELECT')
                AND NOT has_function_privilege('service_role', 'cometchat.backfill()', 'EXECUTE')"
        );
        assert!(db.admin().query_one(&kept, &[]).expect("rights").get::<_, bool>(0));
    }
}

/// A change, and the object and property in which it must be seen.
const CHANGES: [(&str, &str); 17] = [
    ("COMMENT ON FUNCTION cometchat.pause() IS 'x'", "function cometchat.pause(): comment"),
    ("GRANT EXECUTE ON FUNCTION cometchat.pause() TO anon", "function cometchat.pause(): privileges"),
    ("ALTER FUNCTION cometchat.pause() SECURITY INVOKER", "function cometchat.pause(): definition"),
    ("ALTER FUNCTION cometchat.pause() OWNER TO postgres", "function cometchat.pause(): owner"),
    ("ALTER TABLE cometchat.control ADD COLUMN x integer", "table cometchat.control: column"),
    ("ALTER TABLE cometchat.control ALTER COLUMN paused DROP DEFAULT", "table cometchat.control: column 2"),
    ("COMMENT ON COLUMN cometchat.control.paused IS 'x'", "table cometchat.control: comment on column paused"),
    ("GRANT SELECT (paused) ON cometchat.control TO anon", "table cometchat.control: privileges on column paused"),
    ("ALTER TABLE cometchat.control ADD CHECK (true)", "table cometchat.control: constraint control_check"),
    ("ALTER TABLE cometchat.sync_state SET (fillfactor = 99)", "table cometchat.sync_state: options"),
    ("DROP INDEX cometchat.sync_state_due", "index cometchat.sync_state_due: definition"),
    ("CREATE INDEX another ON cometchat.sync_state (claim)", "index cometchat.another: definition"),
    ("ALTER TABLE public.cometchat_users DISABLE TRIGGER cometchat_truncate",
     "table public.cometchat_users: trigger cometchat_truncate"),
    ("ALTER POLICY cometchat_users_extension ON public.cometchat_users USING (false)",
     "table public.cometchat_users: policy cometchat_users_extension"),
    ("ALTER SEQUENCE public.cometchat_users_id_seq CACHE 5", "sequence public.cometchat_users_id_seq: definition"),
    ("CREATE FUNCTION cometchat.x() RETURNS int RETURN 1; ALTER EXTENSION cometchat_ext ADD FUNCTION cometchat.x()",
     "function cometchat.x(): definition"),
    ("UPDATE pg_extension SET extcondition[1] = 'WHERE true' WHERE extname = 'cometchat_ext'",
     "extension cometchat_ext: dumps cometchat_users"),
];

#[test]
fn the_comparison_sees_each_kind_of_difference() {
    let cluster = Cluster::shared();
    let create = "CREATE EXTENSION cometchat_ext";
    let fresh = catalog(&database(&cluster, true, &[create]));
    for (change, seen_in) in CHANGES {
        let changed = catalog(&database(&cluster, true, &[create, change]));
        let found = differences(&changed, &fresh);
        assert!(found.iter().any(|line| line.starts_with(seen_in)), "{change}: {found:#?}");
    }
}

#[test]
fn a_pause_of_the_old_version_is_in_the_next_dump() {
    let (_copy, cluster) = server();
    for release in Release::all() {
        let old = format!("CREATE EXTENSION cometchat_ext VERSION '{}'", release.version());
        let pause = "SELECT cometchat.pause()";
        let db = database(&cluster, true, &[&old, pause, "ALTER EXTENSION cometchat_ext UPDATE"]);
        let kept = "SELECT count(*) = 1 FROM cometchat.pauses AS p
                    JOIN cometchat.control AS c ON c.paused AND c.paused_at = p.paused_at";
        assert!(db.admin().query_one(kept, &[]).expect(kept).get::<_, bool>(0));
    }
}
