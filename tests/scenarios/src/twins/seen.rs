//! Does an act in one edition, and looks at what came of it: the answer, the requests, what is stored here
//! and there.

use serde_json::{json, Value};
use simulator::FaultKind;
use uuid::Uuid;

use super::act::Act;
use crate::{Session, Stack, APP};

/// What came of an act.
#[derive(Debug, PartialEq)]
pub(super) struct Seen {
    pub(super) answer: String,
    pub(super) requests: Vec<String>,
    pub(super) stored: String,
    pub(super) remote: String,
}

/// An answer, a request or a row with what differs between two runs made the same.
fn same(text: &str) -> String {
    // uid_{time}{random} is a token.
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('_') {
        let (head, tail) = rest.split_at(at + 1);
        out.push_str(head);
        let run = tail.bytes().take_while(u8::is_ascii_hexdigit).count();
        rest = if run == 40 {
            out.push_str("TOKEN");
            &tail[40..]
        } else {
            tail
        };
    }
    out + rest
}

/// An answer, or what was raised instead.
fn said(result: Result<postgres::Row, postgres::Error>) -> String {
    match result {
        Ok(row) => row.get::<_, Value>(0).to_string(),
        Err(error) => {
            error.as_db_error().map_or_else(|| error.to_string(), |e| e.message().to_owned())
        }
    }
}

impl Stack {
    pub(super) fn does(&self, user: Uuid, act: &Act) -> Seen {
        self.chat.take_requests();
        let answer = match act {
            Act::SignUp { email, metadata, anonymous } => {
                let sql = "INSERT INTO auth.users (id, email, raw_user_meta_data, is_anonymous)
                           VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";
                let mut auth = self.db.connect("supabase_auth_admin");
                let _ = auth.execute(
                    "DELETE FROM auth.users WHERE email = $1 AND id <> $2",
                    &[email, &user],
                );
                auth.execute(sql, &[&user, email, metadata, anonymous]).expect(sql).to_string()
            }
            Act::Change(what) => {
                self.change(user, what);
                String::new()
            }
            Act::Delete => {
                let sql = "DELETE FROM auth.users WHERE id = $1";
                self.db
                    .connect("supabase_auth_admin")
                    .execute(sql, &[&user])
                    .expect(sql)
                    .to_string()
            }
            Act::Ensure { name, email, trusted } => {
                let (mut session, named) = self.caller(user, *trusted);
                let sql = "SELECT public.cometchat_ensure_user($1, $2, $3)";
                said(session.client.query_one(sql, &[&named, name, email]))
            }
            Act::Refresh { trusted } => self.tokens("refresh_token", user, *trusted),
            Act::Revoke { trusted } => self.tokens("revoke_tokens", user, *trusted),
            Act::Override(profile) => {
                let sql = "SELECT cometchat.enqueue($1, $2)";
                match self.service().client.execute(sql, &[&user, profile]) {
                    Ok(_) => String::new(),
                    Err(error) => error.as_db_error().map_or_else(String::new, |e| {
                        format!("{} {:?} {:?}", e.message(), e.detail(), e.hint())
                    }),
                }
            }
            Act::Map(token) => {
                let sql = "INSERT INTO public.cometchat_users (user_id, cometchat_uid, cometchat_auth_token)
                           SELECT id, 'by-hand-' || left(id::text, 8), $2 FROM auth.users WHERE id = $1
                           ON CONFLICT DO NOTHING";
                self.db.admin().execute(sql, &[&user, token]).expect(sql).to_string()
            }
            Act::ExistThere(there) => {
                let mut there = there.clone();
                there["uid"] = json!(user.to_string());
                self.app().add_user(there).is_ok().to_string()
            }
            Act::DeactivateThere => self.app().deactivate(&user.to_string()).to_string(),
            Act::DeleteThere => self.app().delete(&user.to_string()).to_string(),
            Act::Meet(fault) => {
                // It is to be met on a new connection: see `act.rs`.
                if matches!(fault.kind, FaultKind::Close | FaultKind::TruncatedBody) {
                    self.chat.clear_faults();
                }
                self.chat.set_fault((**fault).clone());
                String::new()
            }
            Act::Time { over } => {
                let sign = if *over { '-' } else { '+' };
                self.execute(&format!(
                    "UPDATE cometchat.sync_state SET unsettled_until = now() {sign} interval '1 hour'
                     WHERE isfinite(unsettled_until)"
                ));
                String::new()
            }
            Act::Queue => self.process_queue(user),
            Act::Reconcile => {
                let sql = "SELECT COALESCE(jsonb_agg(to_jsonb(r) ORDER BY r.kind, r.cometchat_uid), '[]')
                           FROM cometchat.reconcile() AS r WHERE r.user_id = $1 OR r.cometchat_uid = $1::text";
                said(self.db.connect("postgres").query_one(sql, &[&user]))
            }
        };
        Seen {
            answer: same(&answer),
            requests: self.asked_for(),
            stored: self.row_of(user),
            remote: self.remote(user),
        }
    }

    fn tokens(&self, function: &str, user: Uuid, trusted: bool) -> String {
        let (mut session, named) = self.caller(user, trusted);
        let sql = format!("SELECT public.cometchat_{function}($1)");
        said(session.client.query_one(&sql, &[&named]))
    }

    fn caller(&self, user: Uuid, trusted: bool) -> (Session, Option<Uuid>) {
        if trusted {
            (self.service(), Some(user))
        } else {
            (self.session(user), None)
        }
    }

    /// Runs the queue for this user, whatever the waits.
    fn process_queue(&self, user: Uuid) -> String {
        self.execute(&format!(
            "UPDATE cometchat.sync_state SET next_attempt_at = now()
             WHERE user_id = '{user}' AND next_attempt_at IS NOT NULL
               AND (next_attempt_at < now() + interval '1 minute' OR wanted_revision <> synced_revision)"
        ));
        self.forget_waits();
        let answer = self.db.connect("postgres").batch_execute("CALL cometchat.process_queue(1)");
        self.forget_waits();
        answer
            .err()
            .and_then(|error| Some(error.as_db_error()?.message().to_owned()))
            .unwrap_or_default()
    }

    /// The hosted edition remembers in a table what sessions of the extension without its worker do not know.
    fn forget_waits(&self) {
        if self.edition().is_hosted() {
            self.execute(
                "UPDATE cometchat.sending SET not_before = NULL, queue_not_before = NULL, paused_code = NULL,
                   probe_at = NULL, probes = 0, suspect = NULL WHERE true",
            );
        }
    }

    /// Nothing of the user is left that could meet the next one.
    pub(super) fn rest(&self, user: Uuid) {
        self.chat.clear_faults();
        self.forget_waits();
        self.execute(&format!(
            "DELETE FROM auth.users WHERE id = '{user}';
             DELETE FROM public.cometchat_users WHERE user_id = '{user}';
             DELETE FROM cometchat.sync_state WHERE user_id = '{user}'"
        ));
        for uid in [user.to_string(), format!("by-hand-{}", &user.to_string()[..8])] {
            self.chat.app(APP).delete(&uid);
        }
    }

    fn asked_for(&self) -> Vec<String> {
        let text = |r: &simulator::Recorded| {
            let query = r.query.as_deref().unwrap_or_default();
            same(&format!("{} {}?{query} {}", r.method, r.path, r.body))
        };
        self.chat.take_requests().iter().map(text).collect()
    }

    /// What is stored, but for times and what only one edition counts.
    fn row_of(&self, user: Uuid) -> String {
        let sql = "SELECT jsonb_build_object('mapping', (
                     SELECT to_jsonb(u) - '{id,created_at,updated_at}'::text[] FROM public.cometchat_users AS u
                     WHERE u.user_id = $1), 'state', (
                     SELECT to_jsonb(s) - '{next_attempt_at,claimed_at,failed_at,unsettled_until,recent_attempts}'::text[]
                            || jsonb_build_object(
                              'next', CASE WHEN s.next_attempt_at < now() + interval '1 minute' THEN 'soon'
                                           WHEN s.next_attempt_at < now() + interval '23 hours' THEN 'later'
                                           WHEN s.next_attempt_at IS NOT NULL THEN 'much later' END,
                              'failed', s.failed_at IS NOT NULL,
                              'unsettled', CASE WHEN isfinite(s.unsettled_until) THEN 'for a while'
                                                ELSE s.unsettled_until::text END,
                              'attempts made', (SELECT jsonb_agg(a -> 1) FROM jsonb_array_elements(s.recent_attempts) AS a),
                              'statuses', (SELECT jsonb_agg(a -> 2) FROM jsonb_array_elements(s.recent_attempts) AS a))
                     FROM cometchat.sync_state AS s WHERE s.user_id = $1))";
        same(&self.db.admin().query_one(sql, &[&user]).expect(sql).get::<_, Value>(0).to_string())
    }

    fn remote(&self, user: Uuid) -> String {
        let shown = |uid: &str| {
            let mut there = self.app().user(uid)?;
            for key in ["createdAt", "updatedAt", "lastActiveAt", "deactivatedAt", "tokens"] {
                let at = there.as_object_mut()?.remove(key);
                if key == "deactivatedAt" {
                    there["deactivated"] = json!(at.is_some_and(|at| at.as_u64() > Some(0)));
                }
            }
            Some(format!("{there} {} tokens", self.app().tokens(uid).len()))
        };
        same(&format!(
            "{:?} {:?}",
            shown(&user.to_string()),
            shown(&format!("by-hand-{}", &user.to_string()[..8]))
        ))
    }
}
