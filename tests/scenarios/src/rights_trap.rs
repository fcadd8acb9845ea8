//! Code of somebody who owns a table, an operator or a trigger: it says with whose rights it runs,
//! and takes what it can.

use std::collections::BTreeSet;

use postgres::Client;

use crate::Database;

// What is declared immutable may still call what is not: Postgres believes the declaration. The
// log is where it tells, for that outlives a transaction that fails. Names are qualified: it must
// not fall into itself, whatever the search path is.
const TRAP: &str = "
    CREATE TABLE trap.commands (command text);
    INSERT INTO trap.commands VALUES
      ('RESET ROLE'), ('RESET SESSION AUTHORIZATION'), ('SET ROLE supabase_admin'),
      ('ALTER ROLE THIEF SUPERUSER'), ('INSERT INTO trap.later DEFAULT VALUES');
    CREATE TABLE trap.later (place text DEFAULT 'what was put off');
    GRANT ALL ON trap.commands, trap.later TO PUBLIC;
    CREATE FUNCTION trap.take(place text) RETURNS void VOLATILE LANGUAGE plpgsql AS $$
    DECLARE command pg_catalog.text;
    BEGIN
      RAISE LOG 'trap in %: % runs as % in a session of %',
        pg_catalog.current_database(), place, current_user, session_user;
      FOREACH command IN ARRAY (SELECT pg_catalog.array_agg(c.command) FROM trap.commands AS c) LOOP
        BEGIN
          EXECUTE command;
        EXCEPTION WHEN OTHERS THEN NULL;
        END;
      END LOOP;
      RAISE LOG 'trap in %: % ends up as % in a session of %',
        pg_catalog.current_database(), place, current_user, session_user;
    END $$;
    CREATE FUNCTION trap.spring(place text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS
    $$ BEGIN PERFORM trap.take(place); RETURN place; END $$;
    CREATE FUNCTION trap.holds(place text) RETURNS boolean IMMUTABLE LANGUAGE plpgsql AS
    $$ BEGIN PERFORM trap.take(place); RETURN true; END $$;
    CREATE FUNCTION trap.fire() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN PERFORM trap.take('trigger ' || TG_NAME); RETURN COALESCE(NEW, OLD); END $$;
    CREATE FUNCTION trap.go_off() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      RAISE LOG 'trap in %: % runs as % in a session of %',
        pg_catalog.current_database(), NEW.place, current_user, session_user;
      BEGIN
        ALTER ROLE THIEF SUPERUSER;
      EXCEPTION WHEN OTHERS THEN NULL;
      END;
      RETURN NULL;
    END $$;
    CREATE CONSTRAINT TRIGGER later AFTER INSERT ON trap.later DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION trap.go_off();";

/// A schema `trap` of `owner`'s in a database. `trap.spring(place)` and `trap.holds(place)` are for
/// expressions, `trap.fire()` is for triggers.
pub struct RightsTrap {
    owner: &'static str,
    thief: String,
}

impl RightsTrap {
    /// Sets it up. Who owns it must be a role that logs in by itself.
    pub fn of(db: &Database, owner: &'static str) -> RightsTrap {
        // A role of the test's own is made superuser, if any: the others' clusters are shared.
        let trap = RightsTrap { owner, thief: format!("thief_{}", db.name()) };
        let thief = &trap.thief;
        let schema = format!(
            "CREATE ROLE {thief}; CREATE SCHEMA trap AUTHORIZATION {owner};
             GRANT USAGE ON SCHEMA trap TO PUBLIC"
        );
        db.admin().batch_execute(&schema).expect(&schema);
        trap.plant(db, &TRAP.replace("THIEF", thief));
        trap
    }

    /// Runs statements of the owner's.
    #[track_caller]
    pub fn plant(&self, db: &Database, sql: &str) {
        self.session(db).batch_execute(sql).expect(sql);
    }

    /// A session of the owner's.
    pub fn session(&self, db: &Database) -> Client {
        db.connect(self.owner)
    }

    /// Whom it ran as, and where.
    pub fn seen(&self, db: &Database) -> BTreeSet<String> {
        let mark = format!("trap in {}: ", db.name());
        let log = db.cluster().log();
        log.lines().filter_map(|line| Some(line.split_once(&mark)?.1.to_owned())).collect()
    }

    /// It ran, and only ever with the rights of the owner, or of these roles.
    #[track_caller]
    pub fn caught_nobody_but(&self, db: &Database, others: &[&str]) {
        let seen = self.seen(db);
        assert!(!seen.is_empty(), "nobody came near it");
        self.caught_at_most(db, others);
    }

    /// The same where it need not have run.
    #[track_caller]
    pub fn caught_at_most(&self, db: &Database, others: &[&str]) {
        for line in self.seen(db) {
            let words: Vec<&str> = line.split(' ').collect();
            let role = words.iter().position(|word| *word == "as").map(|at| words[at + 1]);
            let role = role.unwrap_or_else(|| panic!("not understood: {line}"));
            assert!(role == self.owner || others.contains(&role), "{line}");
        }
        let sql = "SELECT rolsuper FROM pg_roles WHERE rolname = $1";
        // Not in this database, where even this may be a trap for a superuser.
        let mut admin = db.cluster().admin("postgres");
        let gained: bool = admin.query_one(sql, &[&self.thief]).expect(sql).get(0);
        assert!(!gained, "{} became a superuser", self.thief);
    }
}
