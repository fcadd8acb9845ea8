//! Many users who are in CometChat as they should be, made without sending one request; and the same
//! number of differences of every kind among them.

use std::collections::BTreeSet;
use std::io::Write;

use serde_json::{json, Value};
use uuid::Uuid;

use crate::Stack;

/// The users, by number.
pub struct Population {
    pub users: Vec<Uuid>,
}

/// What `cometchat.reconcile()` should find: kind, the user or the uid, detail.
pub type Findings = BTreeSet<(String, String, String)>;

/// What somebody is called.
pub fn name_of(number: usize) -> String {
    format!("User {number}")
}

impl Population {
    /// Puts so many users into `auth.users`, our state and CometChat. The trigger must not be attached
    /// yet.
    pub fn settle(stack: &Stack, count: usize) -> Population {
        let mut random = fastrand::Rng::with_seed(14);
        let users: Vec<Uuid> = (0..count)
            .map(|_| uuid::Builder::from_random_bytes(random.u128(..).to_be_bytes()).into_uuid())
            .collect();
        let mut admin = stack.db.admin();
        admin.batch_execute("CREATE TEMP TABLE population (id uuid, n bigint)").expect("a table");
        let mut copy = admin.copy_in("COPY population FROM STDIN").expect("copy");
        for (n, user) in users.iter().enumerate() {
            writeln!(copy, "{user}\t{n}").expect("a row");
            let known = json!({ "uid": user.to_string(), "name": name_of(n) });
            stack.app().add_user(known).expect("a user");
        }
        copy.finish().expect("copy");
        // The hashes of what was sent, as `Profile::as_sent` makes them of a name and an address.
        let settle = "
            INSERT INTO auth.users (id, email, raw_user_meta_data)
            SELECT id, n || '@example.com', jsonb_build_object('full_name', 'User ' || n)
            FROM population;
            INSERT INTO public.cometchat_users (user_id, cometchat_uid, cometchat_auth_token)
            SELECT id, id, 'token' FROM population;
            INSERT INTO cometchat.sync_state
              (user_id, app_id, cometchat_uid, sent_profile, sent_metadata, unsettled_until)
            SELECT id, 'app1', id,
                   left(encode(sha256(convert_to(
                     format('[\"User %s\",null,null,null,null]', n), 'UTF8')), 'hex'), 32),
                   left(encode(sha256(convert_to(
                     format('{\"@private\":{\"email\":\"%s@example.com\"}}', n), 'UTF8')), 'hex'), 32),
                   NULL
            FROM population;
            DROP TABLE population;
            ANALYZE auth.users; ANALYZE public.cometchat_users; ANALYZE cometchat.sync_state;
            UPDATE cometchat.control SET last_compared_at = now() WHERE only_row";
        admin.batch_execute(settle).expect(settle);
        Population { users }
    }

    /// Brings about so many differences of each kind that there is, each about another user; returns what
    /// is to be found, and the uids that may be touched when it is mended. At least nine times as many users
    /// are needed.
    pub fn disturb(&self, stack: &Stack, each: usize) -> (Findings, BTreeSet<String>) {
        let app = stack.app();
        let mut found = Findings::new();
        let mut touched = BTreeSet::new();
        // Not one after the other in any order: every so many-th user.
        let stride = self.users.len() / (each * 9);
        let mut numbers = (0..each * 9).map(|n| n * stride);
        let mut sql = String::new();
        for _ in 0..each {
            let mut next = || numbers.next().map(|n| (n, self.users[n])).expect("enough users");
            let mut find = |kind: &str, whom: Uuid, detail: &str| {
                touched.insert(whom.to_string());
                found.insert((kind.to_owned(), whom.to_string(), detail.to_owned()));
                whom.to_string()
            };
            let lost = find("missing", next().1, "not in CometChat");
            assert!(app.delete(&lost));
            let (n, user) = next();
            let renamed = find("drifted", user, "differs in name");
            assert!(app.delete(&renamed));
            app.add_user(json!({ "uid": renamed, "name": format!("Mallory {n}") }))
                .expect("a user");
            // Banned and told, and somebody let them in again.
            let reactivated = find("drifted", next().1, "active in CometChat, deactivated here");
            sql += &format!(
                "UPDATE auth.users SET banned_until = 'infinity' WHERE id = '{reactivated}';
                 UPDATE cometchat.sync_state SET deactivated = true, sent_profile = NULL,
                 sent_metadata = NULL WHERE user_id = '{reactivated}';"
            );
            let gone = find("gone", next().1, "not in auth.users any more");
            sql += &format!("DELETE FROM auth.users WHERE id = '{gone}';");
            let banned =
                find("drifted", next().1, "banned or deleted in auth.users, not in CometChat");
            sql +=
                &format!("UPDATE auth.users SET banned_until = 'infinity' WHERE id = '{banned}';");
            let edited = find("drifted", next().1, "changed in auth.users, not sent");
            sql += &format!(
                "UPDATE auth.users SET raw_user_meta_data = '{{\"full_name\": \"Edited\"}}'
                 WHERE id = '{edited}';"
            );
            let unbanned = find(
                "drifted",
                next().1,
                "deactivated in CometChat, not banned in auth.users any more",
            );
            assert!(app.deactivate(&unbanned));
            sql += &format!(
                "UPDATE cometchat.sync_state SET deactivated = true, sent_profile = NULL,
                 sent_metadata = NULL WHERE user_id = '{unbanned}';"
            );
            let new = find("missing", Uuid::new_v4(), "in auth.users, never sent to CometChat");
            sql += &format!("INSERT INTO auth.users (id) VALUES ('{new}');");
            // Whom others deactivated, and whom others made, is theirs to decide.
            let deactivated = find("missing", next().1, "deactivated in CometChat");
            assert!(app.deactivate(&deactivated));
            touched.remove(&deactivated);
        }
        assert_eq!(app.seed("stranger", each), Ok(each));
        found.extend((1..=each).map(|n| {
            let what = ["orphan", &format!("stranger{n}"), "in CometChat, unknown here"];
            let [kind, whom, detail] = what.map(str::to_owned);
            (kind, whom, detail)
        }));
        stack.execute(&format!("SET session_replication_role = replica; {sql}"));
        (found, touched)
    }

    /// What a call of `reconcile` finds.
    pub fn findings(stack: &Stack, call: &str) -> Findings {
        let sql = format!(
            "SELECT kind, COALESCE(user_id::text, cometchat_uid), detail FROM cometchat.{call}"
        );
        let rows = stack.db.admin().query(&sql, &[]).expect(&sql);
        let found: Findings = rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect();
        assert_eq!(found.len(), rows.len(), "nothing is found twice");
        found
    }

    /// CometChat's users, but for those.
    pub fn others(stack: &Stack, touched: &BTreeSet<String>) -> Vec<Value> {
        let uid = |user: &Value| user["uid"].as_str().unwrap_or_default().to_owned();
        stack.app().users().into_iter().filter(|user| !touched.contains(&uid(user))).collect()
    }
}
