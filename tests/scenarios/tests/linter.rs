//! A linter for what the extension puts into a database: it fails when a new object opens a door.

use scenarios::Stack;

/// What is wrong: rule, object. Every rule is tried on an object that breaks it, below.
const LINT: &str = r#"
WITH ours AS (
  SELECT d.classid, d.objid AS oid FROM pg_depend AS d JOIN pg_extension AS e ON e.oid = d.refobjid
  WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e' AND e.extname = 'cometchat_ext'
), routine AS (
  SELECT p.*, p.oid::regprocedure::text AS name, l.lanname,
         -- without comments and strings
         regexp_replace(regexp_replace(p.prosrc, '(''([^'']|'''')*'')|--[^\n]*', '\1', 'g'),
                        '''([^'']|'''')*''', '''''', 'g') AS code
  FROM pg_proc AS p JOIN ours ON ours.classid = 'pg_proc'::regclass AND ours.oid = p.oid
  JOIN pg_language AS l ON l.oid = p.prolang
), pinned AS (
  -- Runs at every login, and does without a SET clause: word by word what has been looked at.
  SELECT oid FROM routine
  WHERE name = 'cometchat.on_auth_user_update()' AND trim(regexp_replace(code, '\s+', ' ', 'g')) =
    'BEGIN IF cometchat.auth_user_differs(OLD, NEW) THEN PERFORM cometchat.enqueue_changed_user(OLD, NEW); '
    'END IF; RETURN NULL; EXCEPTION WHEN OTHERS THEN BEGIN PERFORM cometchat.enqueue_changed_user(OLD, NEW); '
    'EXCEPTION WHEN OTHERS THEN NULL; END; RETURN NULL; END'
), relation AS (
  SELECT c.*, c.oid::regclass::text AS name FROM pg_class AS c
  JOIN ours ON ours.classid = 'pg_class'::regclass AND ours.oid = c.oid
), referred AS (
  SELECT r.name, m[2] AS what
  FROM routine AS r, regexp_matches(r.code,
    '(\w+\s+)?\m(?:FROM|JOIN|UPDATE|INSERT\s+INTO|DELETE\s+FROM|TABLE|TRUNCATE)\s+(?:ONLY\s+)?([a-z_]\w*)(?![\w.])', 'gi') AS m
  WHERE lower(trim(COALESCE(m[1], ''))) NOT IN ('distinct', 'after', 'before', 'for', 'do', 'or', 'epoch')
    AND lower(m[2]) NOT IN ('select', 'lateral', 'set', 'of', 'rows')
    -- a CTE, a loop or a set-returning variable of its own
    AND r.code !~* ('\m' || m[2] || '\s+AS\s+(NOT\s+)?(MATERIALIZED\s+)?\(')
)
SELECT 'definer without the fixed search_path' AS rule, name FROM routine
WHERE prosecdef AND NOT 'search_path=pg_catalog, pg_temp' = ANY (COALESCE(proconfig, '{}'))
  AND oid NOT IN (SELECT oid FROM pinned)
UNION ALL
SELECT 'function body without the fixed search_path', name FROM routine
WHERE NOT prosecdef AND prokind <> 'p' AND lanname IN ('sql', 'plpgsql')
  AND NOT 'search_path=pg_catalog, pg_temp' = ANY (COALESCE(proconfig, '{}'))
UNION ALL
SELECT 'executable by PUBLIC or anon', name FROM routine
WHERE has_function_privilege('anon', oid, 'EXECUTE')
   OR EXISTS (SELECT FROM aclexplode(COALESCE(proacl, acldefault('f', proowner))) WHERE grantee = 0)
UNION ALL
SELECT 'private and executable by authenticated', name FROM routine
WHERE pronamespace = 'cometchat'::regnamespace AND has_function_privilege('authenticated', oid, 'EXECUTE')
UNION ALL
SELECT 'anon or authenticated may write, or read what is private', name FROM relation
WHERE relkind IN ('r', 'v', 'm', 'p', 'f')
  AND (has_table_privilege('anon', oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')
       OR has_table_privilege('authenticated', oid, 'INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')
       OR relnamespace = 'cometchat'::regnamespace AND has_table_privilege('authenticated', oid, 'SELECT'))
UNION ALL
SELECT 'TRIGGER, REFERENCES or TRUNCATE for anybody but the owner', relation.name
FROM relation, aclexplode(relacl) AS a
WHERE a.grantee <> relowner AND a.privilege_type IN ('TRIGGER', 'REFERENCES', 'TRUNCATE')
UNION ALL
SELECT 'public table without row security', name FROM relation
WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND NOT relrowsecurity
UNION ALL
SELECT 'unqualified relation ' || what, name FROM referred
UNION ALL
SELECT 'EXECUTE of something else than format()', name FROM routine
WHERE code ~* '\mEXECUTE\s+(?!pg_catalog\.format|FUNCTION)' AND lanname = 'plpgsql'
UNION ALL
SELECT 'format() with %s around an EXECUTE of arguments', name FROM routine
WHERE lanname = 'plpgsql' AND pronargs > 0 AND prosrc ~* '\mEXECUTE\s+[^;]*%s'
UNION ALL
SELECT 'looks at current_user', name FROM routine
WHERE code ~* '\m(current_user|current_role|is_superuser)\M' OR prosrc ~* '''is_superuser'''
UNION ALL
SELECT 'strict, parallel or not volatile as a definer', name FROM routine
WHERE prosecdef AND (proisstrict OR proparallel <> 'u' OR provolatile <> 'v')
UNION ALL
SELECT 'overloaded', min(name) FROM routine GROUP BY pronamespace, proname HAVING count(*) > 1
UNION ALL
SELECT 'view or policy bound to ' || COALESCE(p.oid::regprocedure::text, o.oid::regoperator::text),
       COALESCE(v.name, t.name)
FROM pg_depend AS d
LEFT JOIN pg_rewrite AS w ON d.classid = 'pg_rewrite'::regclass AND w.oid = d.objid
LEFT JOIN relation AS v ON v.oid = w.ev_class
LEFT JOIN pg_policy AS y ON d.classid = 'pg_policy'::regclass AND y.oid = d.objid
LEFT JOIN relation AS t ON t.oid = y.polrelid
LEFT JOIN pg_proc AS p ON d.refclassid = 'pg_proc'::regclass AND p.oid = d.refobjid
LEFT JOIN pg_operator AS o ON d.refclassid = 'pg_operator'::regclass AND o.oid = d.refobjid
WHERE (v.oid IS NOT NULL OR t.oid IS NOT NULL)
  AND COALESCE(p.pronamespace, o.oprnamespace) <> ALL (ARRAY['pg_catalog', 'cometchat']::regnamespace[])
UNION ALL
SELECT 'not owned by cometchat_ext', name FROM (
  SELECT name, relowner AS owner FROM relation WHERE relnamespace = 'public'::regnamespace
) AS o WHERE pg_get_userbyid(owner) <> 'cometchat_ext'
UNION ALL
SELECT 'not owned by a superuser', name FROM (
  SELECT name, proowner AS owner FROM routine
  UNION ALL SELECT name, relowner FROM relation WHERE relnamespace = 'cometchat'::regnamespace
  UNION ALL SELECT n.nspname, n.nspowner FROM pg_namespace AS n
  JOIN ours ON ours.classid = 'pg_namespace'::regclass AND ours.oid = n.oid
) AS o JOIN pg_roles AS r ON r.oid = owner WHERE NOT rolsuper
UNION ALL
SELECT 'definer that keeps a superuser''s rights', name FROM routine
WHERE prosecdef AND pg_get_userbyid(proowner) <> 'cometchat_ext'
  AND oid NOT IN (SELECT oid FROM pinned)
  AND (lanname <> 'plpgsql'
       -- before it takes on others it may look at catalogs only
       OR code !~ '\m(PERFORM|IF) cometchat\.(restrict|switch_role)\(\)'
       OR (regexp_split_to_array(code, '\m(PERFORM|IF) cometchat\.(restrict|switch_role)'))[1]
          ~* '\m(FROM|JOIN|UPDATE|INSERT\s+INTO|DELETE)\s+(?!pg_catalog\.)\w'
       OR code ~ 'cometchat\.switch_role' AND code !~ 'cometchat\.restrict')
UNION ALL
SELECT 'owner with rights of its own', rolname FROM pg_roles
WHERE rolname = 'cometchat_ext'
  AND (rolsuper OR rolcanlogin OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls
       OR EXISTS (SELECT FROM pg_auth_members AS m WHERE pg_roles.oid IN (m.roleid, m.member)))
UNION ALL
SELECT 'reads or changes auth.users or the Vault with our own rights', name FROM routine
WHERE code ~* '\m(auth\s*\.\s*users\M|vault\s*\.)'
   -- also in what is put together and executed, where it is a string
   OR prosrc ~* '\mEXECUTE\s+[^;]*\m(auth\s*\.\s*users\M|vault\s*\.)'
UNION ALL
SELECT 'trusted: any owner of a database could create it', name FROM pg_available_extension_versions
WHERE name = 'cometchat_ext' AND (trusted OR NOT superuser)
ORDER BY 1, 2
"#;

fn lint(stack: &Stack) -> Vec<(String, String)> {
    let rows = stack.db.admin().query(LINT, &[]).expect("lint");
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

#[test]
fn nothing_of_the_extension_breaks_a_rule() {
    assert_eq!(lint(&Stack::new()), []);
}

#[test]
fn every_rule_finds_an_object_that_breaks_it() {
    let safe = "SET search_path = pg_catalog, pg_temp";
    let revoke = "REVOKE ALL ON FUNCTION cometchat.bad FROM PUBLIC";
    let body = |code: &str| {
        format!(
            "CREATE FUNCTION cometchat.bad(x text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER {safe}
             AS $f$ BEGIN {code}; END $f$; {revoke}; ALTER EXTENSION cometchat_ext ADD FUNCTION cometchat.bad"
        )
    };
    let function = |options: &str| {
        format!(
            "CREATE FUNCTION cometchat.bad() RETURNS int LANGUAGE sql {options} AS 'SELECT 1';
             {revoke}; ALTER EXTENSION cometchat_ext ADD FUNCTION cometchat.bad"
        )
    };
    for (rule, sql) in [
        ("definer without the fixed search_path", function("SECURITY DEFINER")),
        ("definer without the fixed search_path", function("SECURITY DEFINER SET search_path = ''")),
        ("definer without the fixed search_path", "CREATE OR REPLACE FUNCTION cometchat.on_auth_user_update() RETURNS trigger LANGUAGE plpgsql
             SECURITY DEFINER AS $f$ BEGIN IF OLD.id <> NEW.id THEN RETURN NULL; END IF; RETURN NULL; END $f$".into()),
        ("function body without the fixed search_path", function("")),
        ("executable by PUBLIC or anon", format!("{}; GRANT EXECUTE ON FUNCTION cometchat.bad TO PUBLIC", function(safe))),
        ("executable by PUBLIC or anon", format!("{}; GRANT EXECUTE ON FUNCTION cometchat.bad TO anon", function(safe))),
        ("private and executable by authenticated", format!("{}; GRANT EXECUTE ON FUNCTION cometchat.bad TO authenticated", function(safe))),
        ("anon or authenticated may write, or read what is private", "GRANT SELECT ON cometchat.sync_state TO authenticated".into()),
        ("anon or authenticated may write, or read what is private", "GRANT UPDATE ON public.cometchat_users TO authenticated".into()),
        ("TRIGGER, REFERENCES or TRUNCATE for anybody but the owner", "GRANT TRIGGER ON public.cometchat_users TO service_role".into()),
        ("public table without row security", "ALTER TABLE public.cometchat_users DISABLE ROW LEVEL SECURITY".into()),
        ("unqualified relation sync_state", body("PERFORM 1 FROM sync_state AS s")),
        ("unqualified relation sync_state", body("UPDATE sync_state SET claim = NULL")),
        ("unqualified relation users", body("INSERT INTO users VALUES (1)")),
        ("unqualified relation users", body("PERFORM 1 FROM cometchat.control AS c JOIN users ON true")),
        ("EXECUTE of something else than format()", body("EXECUTE 'DROP TABLE ' || x")),
        ("format() with %s around an EXECUTE of arguments", body("EXECUTE pg_catalog.format('DROP TABLE %s', x)")),
        ("looks at current_user", body("IF current_user = 'postgres' THEN RETURN; END IF")),
        ("strict, parallel or not volatile as a definer", function(&format!("STABLE SECURITY DEFINER {safe}"))),
        ("overloaded", format!("CREATE FUNCTION cometchat.pause(int) RETURNS int LANGUAGE sql {safe} AS 'SELECT 1';
             REVOKE ALL ON FUNCTION cometchat.pause(int) FROM PUBLIC; ALTER EXTENSION cometchat_ext ADD FUNCTION cometchat.pause(int)")),
        ("view or policy bound to same(uuid)", "CREATE FUNCTION public.same(uuid) RETURNS boolean LANGUAGE sql AS 'SELECT true';
             CREATE POLICY more ON public.cometchat_users USING (public.same(user_id))".into()),
        ("not owned by a superuser", "ALTER FUNCTION cometchat.enqueue_row() OWNER TO cometchat_ext".into()),
        ("not owned by cometchat_ext", "ALTER TABLE public.cometchat_users OWNER TO supabase_admin".into()),
        ("not owned by a superuser", "ALTER TABLE cometchat.trigger_misses OWNER TO cometchat_ext".into()),
        ("not owned by a superuser", "ALTER FUNCTION cometchat.wake() OWNER TO cometchat_ext".into()),
        ("definer that keeps a superuser's rights", body("DELETE FROM cometchat.trigger_misses")),
        ("definer that keeps a superuser's rights", function(&format!("SECURITY DEFINER {safe}"))),
        ("definer that keeps a superuser's rights", body("PERFORM cometchat.switch_role()")),
        ("definer that keeps a superuser's rights", body("IF true THEN NULL; ELSIF cometchat.restrict() IS NULL THEN NULL; END IF")),
        ("definer that keeps a superuser's rights", body("DELETE FROM cometchat.trigger_misses; PERFORM cometchat.restrict()")),
        ("not owned by a superuser", "ALTER VIEW cometchat.progress OWNER TO cometchat_ext".into()),
        ("not owned by a superuser", "ALTER SCHEMA cometchat OWNER TO cometchat_ext".into()),
        ("reads or changes auth.users or the Vault with our own rights", body("PERFORM 1 FROM auth.users AS u")),
        ("reads or changes auth.users or the Vault with our own rights", body("PERFORM v.name FROM vault . decrypted_secrets AS v")),
        ("reads or changes auth.users or the Vault with our own rights", body("EXECUTE pg_catalog.format('DROP TRIGGER %I ON auth.users', x)")),
    ] {
        let stack = Stack::new();
        stack.execute(&sql);
        let found = lint(&stack);
        assert!(found.iter().any(|(broken, _)| broken == rule), "{rule}: {found:?}\n{sql}");
    }
}
