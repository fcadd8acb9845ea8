//! What is read without a statement is what the statements read.

#[pgrx::pg_schema]
mod tests {
    use std::time::Duration;

    use pgrx::prelude::*;
    use uuid::Uuid;

    use crate::pg::subxact;
    use crate::store::{load, load_directly};

    /// As the Auth server makes it, in what concerns us.
    const TABLE: &str = "CREATE SCHEMA auth;
        CREATE TABLE auth.users (
          instance_id uuid, id uuid PRIMARY KEY, email varchar(255), banned text,
          raw_user_meta_data jsonb, phone text, email_confirmed_at timestamptz,
          phone_confirmed_at timestamptz, banned_until timestamptz, deleted_at timestamptz,
          is_anonymous boolean NOT NULL DEFAULT false);
        ALTER TABLE auth.users DROP COLUMN banned";

    /// What an UPDATE of one's row of auth.users sets.
    const AUTH: [&str; 16] = [
        "email = NULL",
        "email = 'ada@example.com', email_confirmed_at = now()",
        "phone = '+4912345678', phone_confirmed_at = now()",
        "banned_until = 'infinity'",
        "banned_until = '-infinity'",
        "banned_until = now() + interval '3 s 1.5 ms'",
        "banned_until = now() + interval '2 years'",
        "banned_until = now() - interval '1 s'",
        "deleted_at = now(), banned_until = now() + interval '1 h'",
        "is_anonymous = true",
        r#"raw_user_meta_data = '{"full_name": "Ada", "name": 7, "avatar_url": "https://a/b"}'"#,
        r#"raw_user_meta_data = '{"custom_claims": {"name": "Ada", "global_name": ["x"]}}'"#,
        r#"raw_user_meta_data = '{"custom_claims": 5, "given_name": "A", "family_name": "L"}'"#,
        "raw_user_meta_data = '[\"full_name\"]'",
        "raw_user_meta_data = 'null'",
        "raw_user_meta_data = jsonb_build_object('full_name', repeat('ä', 900))",
    ];

    /// And of one's row of cometchat.sync_state.
    const STATE: [&str; 8] = [
        "unsettled_until = NULL",
        "unsettled_until = '-infinity'",
        "unsettled_until = 'infinity', claim = 5",
        "unsettled_until = now() + interval '1.5 s', attempts = 3, wanted_revision = 4, outcomes = 2",
        "unsettled_until = now() - interval '1.5 s', requested = true",
        "sent_profile = 'p', sent_metadata = 'm', sent_fields = '{avatar,link}', app_id = 'app1',
         cometchat_uid = user_id::text, deactivated = true, revoke_pending = true",
        r#"overrides = '{"name": "Ä", "tags": ["a"], "metadata": {"n": 1.50}}', name_argument = 'x',
           name_argument_base = 'y', email_argument = 'e', email_argument_base = 'f'"#,
        "overrides = jsonb_build_object('n', '1e400'::numeric)",
    ];

    #[track_caller]
    fn run(sql: &str) {
        if let Err(error) = Spi::run(sql) {
            panic!("{sql}: {error}");
        }
    }

    fn with_user() -> Uuid {
        let user = Uuid::new_v4();
        run(&format!(
            "INSERT INTO auth.users (id, email) VALUES ('{user}', 'ada@example.com');
             INSERT INTO cometchat.sync_state (user_id) VALUES ('{user}');
             INSERT INTO public.cometchat_users (user_id, cometchat_uid, cometchat_auth_token)
               VALUES ('{user}', 'of-{user}', 'token')"
        ));
        user
    }

    #[track_caller]
    fn agree(user: Uuid, after: &str) {
        let directly = load_directly(user).unwrap_or_else(|| panic!("not read after {after}"));
        assert_eq!(format!("{directly:?}"), format!("{:?}", load(user)), "after {after}");
    }

    #[pg_test]
    fn it_reads_what_the_statements_read() {
        run(TABLE);
        agree(Uuid::new_v4(), "nothing: nobody");
        for (table, key, changes) in
            [("auth.users", "id", &AUTH[..]), ("cometchat.sync_state", "user_id", &STATE[..])]
        {
            for change in changes {
                let user = with_user();
                let sql = format!("UPDATE {table} SET {change} WHERE {key} = '{user}'");
                run(&sql);
                agree(user, change);
            }
        }
        let user = with_user();
        for sql in ["public.cometchat_users", "cometchat.sync_state"] {
            run(&format!("DELETE FROM {sql} WHERE user_id = '{user}'"));
            agree(user, sql);
        }
        run(&format!("DELETE FROM auth.users WHERE id = '{user}'"));
        agree(user, "the end");
    }

    #[pg_test]
    fn columns_may_be_missing() {
        run("CREATE SCHEMA auth; CREATE TABLE auth.users (id uuid PRIMARY KEY, email varchar)");
        agree(with_user(), "nothing");
    }

    /// From 18 on; a banned user would look active.
    #[pg_test]
    fn a_virtual_column_is_left_to_statements() {
        if pg_sys::PG_VERSION_NUM < 180_000 {
            return;
        }
        run("CREATE SCHEMA auth; CREATE TABLE auth.users (id uuid PRIMARY KEY, email varchar,
             banned_until timestamptz GENERATED ALWAYS AS
               (CASE WHEN email IS NOT NULL THEN timestamptz 'infinity' END) VIRTUAL)");
        assert!(load_directly(with_user()).is_none());
    }

    /// Where the table is another, statements read it.
    #[pg_test]
    fn what_is_not_plain_is_left_to_statements() {
        run(TABLE);
        let user = with_user();
        assert!(load_directly(user).is_some());
        for change in [
            "ALTER TABLE auth.users ALTER raw_user_meta_data TYPE json",
            "ALTER TABLE auth.users ALTER banned_until TYPE timestamp",
            "ALTER TABLE auth.users DROP CONSTRAINT users_pkey",
            "ALTER TABLE auth.users DROP CONSTRAINT users_pkey, ADD PRIMARY KEY (id, email)",
            "ALTER TABLE auth.users DROP CONSTRAINT users_pkey, ALTER id TYPE text,
               ADD PRIMARY KEY (id)",
            "CREATE TABLE auth.more () INHERITS (auth.users)",
            "ALTER TABLE auth.users SET UNLOGGED",
            "ALTER TABLE cometchat.sync_state RENAME outcomes TO others",
            "ALTER TABLE auth.users ALTER raw_user_meta_data SET STORAGE EXTERNAL;
             UPDATE auth.users SET raw_user_meta_data = jsonb_build_object('a', repeat('x', 9000))",
            "UPDATE auth.users SET raw_user_meta_data = jsonb_build_object('a', repeat('x', 9000))",
            "ALTER SCHEMA auth RENAME TO other",
            "REVOKE SELECT ON cometchat.sync_state FROM cometchat_ext",
            "CREATE ROLE poor; ALTER TABLE auth.users OWNER TO poor",
            r#"UPDATE auth.users SET raw_user_meta_data = '{"custom_claims": [1]}';
               SET LOCAL cometchat.display_name_fields = 'custom_claims.0'"#,
        ] {
            let undone = subxact::run_and_roll_back(Duration::from_secs(5), || {
                run(change);
                assert!(load_directly(user).is_none(), "read after {change}");
            });
            assert_eq!(undone, Ok(()), "{change}");
        }
    }
}
