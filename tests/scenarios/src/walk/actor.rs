//! Carries out users' stories, with the connections that an app has: the Auth server's, and
//! PostgREST's.

use std::thread::sleep;
use std::time::Duration;

use postgres::{Client, Error};
use serde_json::{json, Value};
use uuid::Uuid;

use super::event::{Event, Step};
use crate::{Stack, APP};

/// One of those who act, one step after the other.
pub struct Actor<'a> {
    stack: &'a Stack,
    auth: Client,
    rest: Client,
    admin: Client,
    /// The client's patience with CometChat, in milliseconds.
    patience: u64,
    /// Makes names that nobody had before.
    count: u32,
}

/// What is known of a user besides what the database says.
#[derive(Clone, Debug, Default)]
pub struct Person {
    pub id: Uuid,
    /// Tokens that were handed out.
    pub(super) tokens: Vec<String>,
    /// Those of them that a revocation, or a ban, has ended.
    pub revoked: Vec<String>,
    /// The last that they did about tokens was to end all of them.
    pub logged_out: bool,
    /// Others have deactivated them: so they stay, until these relent.
    pub moderated: bool,
}

impl<'a> Actor<'a> {
    pub fn new(stack: &'a Stack, patience: u64) -> Self {
        let (auth, rest) =
            (stack.db.connect("supabase_auth_admin"), stack.db.connect("authenticator"));
        Actor { stack, auth, rest, admin: stack.db.admin(), patience, count: 0 }
    }

    /// One step.
    pub fn act(&mut self, person: &mut Person, step: Step) {
        match step {
            Step::Meet { trouble, operation, skip } => {
                let mut fault = trouble.fault(self.patience).uid(&person.id.to_string());
                fault.operation = operation.map(str::to_owned);
                self.stack.chat.set_fault(fault.skip(skip).times(1));
            }
            Step::Do(event) => self.perform(person, event),
        }
    }

    fn perform(&mut self, person: &mut Person, event: Event) {
        let user = person.id;
        match event {
            Event::SignUp => self.sign_up(user, false),
            Event::SignUpAnonymously => self.sign_up(user, true),
            Event::Edit => {
                let name = self.new_name(user);
                let sql = "UPDATE auth.users SET email = $2, raw_user_meta_data = $3 WHERE id = $1";
                let metadata = json!({ "full_name": name });
                self.auth.execute(sql, &[&user, &email_of(&name), &metadata]).expect(sql);
            }
            Event::Ban => self.change(user, "banned_until = 'infinity'"),
            Event::Unban => self.change(user, "banned_until = NULL"),
            Event::BanFor(ms) => {
                self.change(user, &format!("banned_until = now() + interval '{ms} ms'"));
            }
            Event::SoftDelete => self.change(user, "deleted_at = now()"),
            Event::SoftBack => self.change(user, "deleted_at = NULL"),
            Event::Delete => {
                let sql = "DELETE FROM auth.users WHERE id = $1";
                self.auth.execute(sql, &[&user]).expect(sql);
            }
            Event::Ensure { named } => self.call(person, Function::Ensure, Some(user), named, true),
            Event::EnsureByServer { named } => {
                self.call(person, Function::Ensure, None, named, true)
            }
            Event::RolledBackEnsure { named } => {
                self.call(person, Function::Ensure, Some(user), named, false);
            }
            Event::Refresh => self.call(person, Function::Refresh, Some(user), false, true),
            Event::Revoke => self.call(person, Function::Revoke, Some(user), false, true),
            Event::RolledBackRevoke => self.call(person, Function::Revoke, None, false, false),
            Event::ExistThere => {
                let there = json!({ "uid": user.to_string(), "name": "Somebody" });
                self.stack.app().add_user(there).expect("a user");
            }
            Event::OweFlush => {
                person.logged_out = true;
                let sql = format!(
                    "UPDATE cometchat.sync_state
                     SET revoke_pending = true, wanted_revision = wanted_revision + 1,
                         next_attempt_at = now() WHERE user_id = '{user}';
                     UPDATE public.cometchat_users SET cometchat_auth_token = NULL
                     WHERE user_id = '{user}';
                     SELECT cometchat.wake()"
                );
                self.admin.batch_execute(&sql).expect(&sql);
            }
            Event::Settle => {
                for _ in 0..50 {
                    if self.is_settled(user) {
                        break;
                    }
                    sleep(Duration::from_millis(20));
                }
                if self.is_settled(user) && self.is_shut_out(user) {
                    person.revoked.append(&mut person.tokens);
                }
            }
            Event::Moment => sleep(Duration::from_millis(60)),
            Event::DeactivateByOthers => {
                // What is under way still could have the last word.
                if self.is_settled(user) {
                    person.moderated = self.stack.chat.app(APP).deactivate(&user.to_string());
                }
            }
            Event::ReactivateByOthers => {
                if std::mem::take(&mut person.moderated) {
                    self.stack.chat.app(APP).reactivate(&user.to_string());
                }
            }
        }
    }

    fn is_settled(&mut self, user: Uuid) -> bool {
        let sql = "SELECT FROM cometchat.sync_state
                   WHERE user_id = $1 AND wanted_revision = synced_revision AND claim IS NULL
                     AND next_attempt_at IS NULL";
        self.admin.query_opt(sql, &[&user]).expect(sql).is_some()
    }

    /// Banned, and for good.
    fn is_shut_out(&mut self, user: Uuid) -> bool {
        let sql = "SELECT FROM auth.users
                   WHERE id = $1 AND (banned_until = 'infinity' OR deleted_at IS NOT NULL)";
        self.admin.query_opt(sql, &[&user]).expect(sql).is_some()
    }

    fn sign_up(&mut self, user: Uuid, anonymous: bool) {
        let name = self.new_name(user);
        let (email, metadata) = match anonymous {
            true => (None, json!({})),
            false => (Some(email_of(&name)), json!({ "full_name": name })),
        };
        let sql = "INSERT INTO auth.users (id, email, raw_user_meta_data, is_anonymous)
                   VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";
        self.auth.execute(sql, &[&user, &email, &metadata, &anonymous]).expect(sql);
    }

    fn change(&mut self, user: Uuid, assignment: &str) {
        let sql = format!("UPDATE auth.users SET {assignment} WHERE id = '{user}'");
        self.auth.batch_execute(&sql).expect(&sql);
    }

    fn new_name(&mut self, user: Uuid) -> String {
        self.count += 1;
        format!("Name {} of {}", self.count, &user.simple().to_string()[..8])
    }

    /// As the user (`caller`) or as the app's server.
    fn call(
        &mut self,
        person: &mut Person,
        function: Function,
        caller: Option<Uuid>,
        named: bool,
        commit: bool,
    ) {
        let name = named.then(|| self.new_name(person.id));
        let answer = match self.try_call(person.id, function, caller, name.as_deref(), commit) {
            Ok(answer) => answer,
            // Raised on purpose: whoever calls tries again, or does not.
            Err(error) => {
                let code = error.code().map(|code| code.code().to_owned()).unwrap_or_default();
                assert!(code.starts_with("40"), "{function:?} raised {error:?}");
                return;
            }
        };
        // The flush is not rolled back.
        person.logged_out |= function == Function::Revoke;
        if !commit {
            return;
        }
        if let Some(token) = answer["authToken"].as_str() {
            person.tokens.push(token.to_owned());
            person.logged_out = false;
        }

        // Of whom CometChat knows nothing it is owed.
        let is_sure = answer["success"] == true
            || answer["queued"] == true
            || answer["errorCode"] == "USER_NOT_FOUND";
        if function == Function::Revoke && is_sure {
            person.revoked.append(&mut person.tokens);
        }
    }

    fn try_call(
        &mut self,
        user: Uuid,
        function: Function,
        caller: Option<Uuid>,
        name: Option<&str>,
        commit: bool,
    ) -> Result<Value, Error> {
        let mut transaction = self.rest.transaction()?;
        match caller {
            Some(user) => {
                let claims = json!({"sub": user.to_string(), "role": "authenticated"}).to_string();
                transaction.batch_execute("SET LOCAL ROLE authenticated")?;
                let sql = "SELECT set_config('request.jwt.claims', $1, true)";
                transaction.execute(sql, &[&claims])?;
            }
            None => transaction.batch_execute("SET LOCAL ROLE service_role")?,
        }
        let answer = match function {
            Function::Ensure => {
                let sql = "SELECT public.cometchat_ensure_user($1, $2)";
                transaction.query_one(sql, &[&user, &name])?
            }
            Function::Refresh => {
                transaction.query_one("SELECT public.cometchat_refresh_token($1)", &[&user])?
            }
            Function::Revoke => {
                transaction.query_one("SELECT public.cometchat_revoke_tokens($1)", &[&user])?
            }
        };
        let answer = answer.get(0);
        if commit {
            transaction.commit()?;
        } else {
            transaction.rollback()?;
        }
        Ok(answer)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Function {
    Ensure,
    Refresh,
    Revoke,
}

fn email_of(name: &str) -> String {
    format!("{}@example.com", name.to_lowercase().replace(' ', "."))
}
