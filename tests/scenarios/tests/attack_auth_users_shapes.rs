//! Attacks by the owner of `auth.users` with everything else that may be a part of a table: policies,
//! types, casts, defaults, constraints, rules, children and partitions.

use scenarios::{Answer, Cluster, Database, RightsTrap, Session, Stack, NOTHING};
use simulator::Simulator;
use uuid::Uuid;

const AUTH_SERVER: &str = "supabase_auth_admin";

/// A table as it should be, before the attack.
const USERS: &str = "CREATE TABLE auth.users (id uuid PRIMARY KEY, email text, phone text,
                       raw_user_meta_data jsonb, banned_until timestamptz)";

/// A database whose `auth.users` has a shape of its owner's choice, with a user in it, and every
/// function of ours done that reads or changes that table.
struct Attack {
    stack: Stack,
    trap: RightsTrap,
    user: Uuid,
}

impl Attack {
    /// `shape` creates the table, `row` inserts the user: its `$1` is the id.
    fn with(shape: &str, row: &str) -> Attack {
        let db = Database::plain(Cluster::shared());
        let trap = RightsTrap::of(&db, AUTH_SERVER);
        let schema = format!(
            "CREATE SCHEMA auth AUTHORIZATION {AUTH_SERVER};
             CREATE SCHEMA others; GRANT ALL ON SCHEMA others TO PUBLIC"
        );
        db.admin().batch_execute(&schema).expect(&schema);
        trap.plant(&db, shape);
        let user = Uuid::new_v4();
        trap.plant(&db, &row.replace("$1", &format!("'{user}'")));
        Attack { stack: Stack::on(db, Simulator::start()), trap, user }
    }

    /// Everything of ours that touches the table, each in a session of its own. Whether it succeeds
    /// is for the test to say; what the signed-in person's call answered.
    fn everything(&self) -> Result<Answer, postgres::Error> {
        let (stack, user) = (&self.stack, self.user);
        stack.unpause_all_but_the_worker();
        let answer = stack.session(user).try_ensure(None, None, None);
        let as_operator = |sql: &str| {
            let _ = Session::of(stack.db.connect("postgres")).client.batch_execute(sql);
            let _ = stack.db.admin().batch_execute(sql);
        };
        for sql in [
            "SELECT cometchat.enable_auth_trigger()",
            "SELECT cometchat.backfill()",
            &format!("SELECT cometchat.enqueue('{user}', '{{\"name\": \"A\"}}')"),
            "CALL cometchat.process_queue()",
            "SELECT cometchat.health()",
            "SELECT cometchat.reconcile(true)",
            &format!("SELECT public.cometchat_ensure_user('{user}', 'B', 'b@example.com')"),
            &format!("SELECT public.cometchat_refresh_token('{user}')"),
            &format!("SELECT public.cometchat_revoke_tokens('{user}')"),
        ] {
            as_operator(sql);
        }
        // The table's owner does this one with its own rights, and our trigger with ours.
        let mut owner = self.trap.session(&stack.db);
        let _ = owner.batch_execute("UPDATE auth.users SET email = email; DELETE FROM auth.users");
        as_operator("CALL cometchat.process_queue()");
        as_operator("SELECT cometchat.disable_auth_trigger()");
        answer
    }

    /// The table is as good as any: the call answers with a token.
    #[track_caller]
    fn must_work(&self, others: &[&str]) {
        let answer = self.everything().expect("an answer, not an error");
        self.trap.caught_at_most(&self.stack.db, others);
        answer.token();
    }

    /// Or it is not, and then the call fails without a token.
    #[track_caller]
    fn may_fail(&self, others: &[&str]) {
        let answer = self.everything();
        self.trap.caught_at_most(&self.stack.db, others);
        if let Ok(answer) = answer {
            assert!(answer.0["authToken"].is_string() == answer.success(), "{answer:?}");
        }
    }
}

const ROW: &str = "INSERT INTO auth.users (id, email) VALUES ($1, 'ada@example.com')";

#[test]
fn a_row_security_policy_runs_with_no_other_rights() {
    for force in ["", "ALTER TABLE auth.users FORCE ROW LEVEL SECURITY;"] {
        let policy = format!(
            "{USERS}; ALTER TABLE auth.users ENABLE ROW LEVEL SECURITY; {force}
             CREATE POLICY constant ON auth.users USING (trap.holds('a policy'));
             CREATE POLICY row ON auth.users USING (trap.holds('a policy of ' || id))"
        );
        Attack::with(&policy, ROW).must_work(&[]);
    }
}

#[test]
fn a_policy_that_hides_all_rows_deletes_no_user() {
    let policy = format!(
        "{USERS}; ALTER TABLE auth.users ENABLE ROW LEVEL SECURITY;
         CREATE POLICY nobody ON auth.users USING (false)"
    );
    let attack = Attack::with(&policy, ROW);
    attack.stack.session(attack.user).ensure(None, None, None).token();
    attack.stack.asked();
    attack.trap.plant(&attack.stack.db, "ALTER TABLE auth.users FORCE ROW LEVEL SECURITY");

    attack.stack.unpause_all_but_the_worker();
    let sync = format!("SELECT cometchat.enqueue('{}')", attack.user);
    Session::of(attack.stack.db.connect("postgres")).execute(&sync);
    Session::of(attack.stack.db.connect("postgres")).execute("CALL cometchat.process_queue()");

    assert_eq!(attack.stack.asked(), NOTHING, "she is there, and as she was");
    attack.stack.session(attack.user).ensure(None, None, None).token();
}

#[test]
fn columns_that_compute_something_run_with_no_other_rights() {
    let attack = Attack::with(
        "CREATE TABLE auth.users (id uuid PRIMARY KEY, email text,
           raw_user_meta_data jsonb DEFAULT jsonb_build_object('name', trap.spring('a default')),
           made text GENERATED ALWAYS AS (trap.spring('made of ' || id)) STORED,
           CONSTRAINT c CHECK (trap.holds('a check')), CHECK (trap.holds('a check of ' || id)))",
        ROW,
    );
    attack.trap.plant(
        &attack.stack.db,
        "ALTER TABLE auth.users ADD more text DEFAULT trap.spring('more')",
    );
    attack.must_work(&[]);
}

#[test]
fn the_check_of_a_domain_runs_with_no_other_rights() {
    let attack = Attack::with(
        "CREATE DOMAIN trap.mail AS text DEFAULT trap.spring('a domain''s default')
           CHECK (trap.holds('a domain')) CHECK (VALUE IS NULL OR trap.holds('a domain of ' || VALUE));
         CREATE DOMAIN trap.meta AS jsonb CHECK (trap.holds('a domain of jsonb'));
         CREATE TABLE auth.users (id uuid PRIMARY KEY, email trap.mail, raw_user_meta_data trap.meta)",
        ROW,
    );
    attack.must_work(&[]);
}

#[test]
fn the_casts_of_the_owners_types_run_with_no_other_rights() {
    let attack = Attack::with(
        "CREATE TYPE trap.mail AS ENUM ('ada@example.com');
         CREATE FUNCTION trap.of_mail(trap.mail) RETURNS text IMMUTABLE LANGUAGE plpgsql AS
         $$ BEGIN PERFORM trap.take('a cast to text'); RETURN 'ada@example.com'; END $$;
         CREATE CAST (trap.mail AS text) WITH FUNCTION trap.of_mail AS IMPLICIT;
         CREATE TYPE trap.meta AS (name text);
         CREATE FUNCTION trap.of_meta(trap.meta) RETURNS jsonb IMMUTABLE LANGUAGE plpgsql AS
         $$ BEGIN PERFORM trap.take('a cast to jsonb'); RETURN '{\"name\": \"Ada\"}'; END $$;
         CREATE CAST (trap.meta AS jsonb) WITH FUNCTION trap.of_meta AS IMPLICIT;
         CREATE TYPE trap.moment AS (at timestamptz);
         CREATE FUNCTION trap.of_moment(trap.moment) RETURNS timestamptz IMMUTABLE LANGUAGE plpgsql AS
         $$ BEGIN PERFORM trap.take('a cast to timestamptz'); RETURN NULL; END $$;
         CREATE CAST (trap.moment AS timestamptz) WITH FUNCTION trap.of_moment AS IMPLICIT;
         CREATE TABLE auth.users (id uuid PRIMARY KEY, email trap.mail, raw_user_meta_data trap.meta,
                                  banned_until trap.moment)",
        "INSERT INTO auth.users VALUES ($1, 'ada@example.com', ROW('Ada'), ROW(now()))",
    );
    attack.may_fail(&[]);
    attack.trap.caught_nobody_but(&attack.stack.db, &[]);
}

#[test]
fn an_id_of_the_owners_own_type_runs_with_no_other_rights() {
    let attack = Attack::with(
        "CREATE TYPE trap.id AS (id uuid);
         CREATE FUNCTION trap.of_id(trap.id) RETURNS uuid IMMUTABLE LANGUAGE plpgsql AS
         $$ BEGIN PERFORM trap.take('a cast to uuid'); RETURN $1.id; END $$;
         CREATE CAST (trap.id AS uuid) WITH FUNCTION trap.of_id AS IMPLICIT;
         CREATE FUNCTION trap.same(trap.id, uuid) RETURNS boolean IMMUTABLE LANGUAGE plpgsql AS
         $$ BEGIN PERFORM trap.take('an operator'); RETURN true; END $$;
         CREATE OPERATOR trap.= (LEFTARG = trap.id, RIGHTARG = uuid, FUNCTION = trap.same);
         CREATE TABLE auth.users (id trap.id, email text)",
        "INSERT INTO auth.users VALUES (ROW($1), 'ada@example.com')",
    );
    attack.may_fail(&[]);
}

#[test]
fn rules_run_with_no_other_rights() {
    let attack = Attack::with(
        &format!(
            "{USERS}; CREATE RULE u AS ON UPDATE TO auth.users DO ALSO SELECT trap.spring('a rule');
             CREATE RULE d AS ON DELETE TO auth.users DO ALSO SELECT trap.spring('a rule');
             CREATE RULE i AS ON INSERT TO auth.users DO ALSO SELECT trap.spring('a rule')"
        ),
        ROW,
    );
    attack.must_work(&[]);
}

#[test]
fn a_foreign_child_table_gains_at_most_the_parent_owners_rights() {
    let attack = Attack::with(USERS, ROW);
    attack.trap.plant(
        &attack.stack.db,
        "CREATE TABLE others.child (CHECK (trap.holds('a child''s check'))) INHERITS (auth.users);
         ALTER TABLE others.child ENABLE ROW LEVEL SECURITY;
         CREATE POLICY p ON others.child USING (trap.holds('a child''s policy'));
         CREATE INDEX ON others.child ((trap.spring('a child''s index')))",
    );
    attack.stack.execute("ALTER TABLE others.child OWNER TO postgres");
    attack.must_work(&["postgres"]);
    attack.trap.caught_nobody_but(&attack.stack.db, &["postgres"]);
}

#[test]
fn partitions_run_with_no_other_rights() {
    let attack = Attack::with(
        "CREATE TABLE auth.users (id uuid PRIMARY KEY, email text) PARTITION BY HASH (id);
         CREATE TABLE auth.one PARTITION OF auth.users FOR VALUES WITH (MODULUS 1, REMAINDER 0);
         CREATE INDEX ON auth.users ((trap.spring('the index of all')));
         ALTER TABLE auth.one ADD CHECK (trap.holds('a partition''s check'));
         CREATE INDEX ON auth.one ((trap.spring('a partition''s index')))",
        ROW,
    );
    attack.must_work(&[]);
    attack.trap.caught_nobody_but(&attack.stack.db, &[]);
}

#[test]
fn the_key_of_partitions_runs_with_no_other_rights() {
    let attack = Attack::with(
        "CREATE TABLE auth.users (id uuid, email text)
           PARTITION BY RANGE ((trap.spring('a partition key of ' || id)));
         CREATE TABLE auth.low PARTITION OF auth.users FOR VALUES FROM (MINVALUE) TO ('a partition key of 8');
         CREATE TABLE auth.rest PARTITION OF auth.users DEFAULT",
        ROW,
    );
    attack.may_fail(&[]);
}
