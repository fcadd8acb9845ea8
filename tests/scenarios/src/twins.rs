//! The two editions side by side: the same random calls, edits and faults, and a comparison of answers,
//! requests and stored state after each.

use fastrand::Rng;
use serde_json::{json, Value};
use simulator::{Fault, FaultKind};
use uuid::Uuid;

use crate::{Session, Stack, APP};

/// An extension and a hosted edition that live through the same.
pub struct Twins {
    pub native: Stack,
    pub hosted: Stack,
    rng: Rng,
}

/// What was compared, and what differed.
#[derive(Debug, Default)]
pub struct Report {
    pub users: usize,
    pub operations: usize,
    pub requests: usize,
    pub faults: usize,
    pub differences: Vec<String>,
}

const NAMES: [&str; 14] = [
    "Ada Lovelace", "  Grace\tHopper ", "ada@example.com", "me @ home", "", "\u{202e}evil", "名前 太郎",
    "\u{1F468}\u{200D}\u{1F469}\u{200D}\u{1F467}", "+49 30 1234567", "Ａda＠example.com", "x\u{200B}y", "M@tt",
    "very long very long very long very long very long very long very long very long very long very long", "'; --",
];

const URLS: [&str; 6] = [
    "https://example.com/a.png",
    "http://example.com/a.png",
    "https://user@example.com/",
    "https://[::1]/x",
    "https://example.com:70000/",
    "https://exa mple.com/",
];

/// One thing that happens to a user, with all that is random about it.
#[derive(Clone, Debug)]
enum Act {
    SignUp {
        email: Option<String>,
        metadata: Value,
        anonymous: bool,
    },
    Change(String),
    Delete,
    Ensure {
        name: Option<&'static str>,
        email: Option<&'static str>,
        trusted: bool,
    },
    Refresh {
        trusted: bool,
    },
    Revoke {
        trusted: bool,
    },
    Override(Value),
    Map(Option<&'static str>),
    ExistThere(Value),
    DeactivateThere,
    DeleteThere,
    Meet(Box<Fault>),
    /// Whatever was left in doubt is over, or not yet.
    Time {
        over: bool,
    },
    Queue,
    Reconcile,
}

/// Faults that both transports see the same way. Gzip, redirects and endless bodies are in docs/hosted.md.
fn fault(rng: &mut Rng, slow: bool) -> Fault {
    let status = |status, code: &str| Fault::status(status, code);
    let raw = |status, body: &str| Fault::raw(status, "text/html", body);
    let mut fault = match rng.u32(0..if slow { 30 } else { 25 }) {
        0 => status(500, "ERR_EXCEPTION"),
        1 => status(500, "ERR_EXCEPTION").perform(),
        2 => raw(503, "<html>"),
        3 => raw(502, ""),
        4 => status(400, "ERR_BAD_REQUEST"),
        5 => status(404, "ERR_ROLE_NOT_FOUND"),
        6 => status(401, "AUTH_ERR_APIKEY_NOT_FOUND"),
        7 => raw(403, "<html>Forbidden"),
        8 => status(402, "ERR_PLAN_QUOTA_RESTRICTION"),
        9 => raw(404, "<html>"),
        10 => status(409, "ERR_UID_ALREADY_EXISTS"),
        11 => status(404, "ERR_UID_NOT_FOUND"),
        12 => raw(200, "<html>"),
        13 => raw(200, "{\"ok\": true}"),
        14 => raw(200, "{\"data\": {\"uid\": \"somebody-else\", \"name\": \"x\"}}"),
        15 => raw(200, "{\"data\": []}"),
        16 => raw(400, "{\"error\": {\"message\": \"no ada@example.com\", \"details\": {\"name\": [\"bad\", \"worse\"]}}}"),
        17 => raw(410, "gone"),
        18 => raw(200, "{\"error\": \"ERR_SOMETHING\"}"),
        19 => Fault::new(FaultKind::NoContent),
        20 => Fault::new(FaultKind::TruncatedJson),
        21 => Fault::new(FaultKind::HugeBody { bytes: 200_000 }),
        22 => Fault::new(FaultKind::Close),
        23 => Fault::new(FaultKind::Close).perform(),
        24 => status(422, "ERR_SOMETHING_NEW"),
        25 => Fault::new(FaultKind::HangBeforeHeader),
        26 => Fault::new(FaultKind::HangAfterHeader),
        27 => Fault::new(FaultKind::TruncatedBody),
        28 => Fault::new(FaultKind::Drip { bytes: 1, interval_ms: 200 }),
        _ => Fault::new(FaultKind::HangBeforeHeader).perform(),
    };
    fault.times = Some(1);
    // On a connection that was used before the extension repeats what was closed: so only the first.
    if !matches!(fault.kind, FaultKind::Close | FaultKind::TruncatedBody) {
        fault.skip = rng.u64(0..3);
    }
    fault
}

fn act(rng: &mut Rng, slow: bool) -> Act {
    let name = NAMES[rng.usize(0..NAMES.len())];
    let other = NAMES[rng.usize(0..NAMES.len())];
    let url = URLS[rng.usize(0..URLS.len())];
    let trusted = rng.bool();
    match rng.u32(0..40) {
        0..=6 => Act::Ensure {
            name: rng.bool().then_some(name),
            email: rng.bool().then_some("other@example.org"),
            trusted,
        },
        7 | 8 => Act::Refresh { trusted },
        9 | 10 => Act::Revoke { trusted },
        11..=18 => Act::Queue,
        19..=22 => Act::Meet(Box::new(fault(rng, slow))),
        23 | 24 => Act::Change(format!(
            "raw_user_meta_data = '{}'",
            metadata(rng, name, other, url).to_string().replace('\'', "''")
        )),
        25 => Act::Change("email = 'new@example.com'".to_owned()),
        26 => Act::Change("banned_until = now() + interval '1 day'".to_owned()),
        27 => Act::Change("banned_until = NULL".to_owned()),
        28 => Act::Change("deleted_at = CASE WHEN deleted_at IS NULL THEN now() END".to_owned()),
        29 => Act::Delete,
        30 | 31 => Act::Override(overrides(rng, name, url)),
        32 => Act::Map([None, Some("a-token"), Some("bad/token")][rng.usize(0..3)]),
        33 => Act::ExistThere(json!({ "name": name_or(other), "metadata": { "theirs": 1 } })),
        34 => Act::DeactivateThere,
        35 => Act::DeleteThere,
        36 | 37 => Act::Time { over: rng.bool() },
        38 => Act::Reconcile,
        _ => Act::SignUp {
            email: rng.bool().then(|| "ada@example.com".to_owned()),
            metadata: metadata(rng, name, other, url),
            anonymous: rng.u32(0..6) == 0,
        },
    }
}

fn name_or(name: &str) -> &str {
    if name.trim().is_empty() {
        "Somebody"
    } else {
        name
    }
}

fn metadata(rng: &mut Rng, name: &str, other: &str, url: &str) -> Value {
    match rng.u32(0..6) {
        0 => json!({ "full_name": name, "avatar_url": url }),
        1 => json!({ "name": name, "display_name": other }),
        2 => json!({ "given_name": name, "family_name": other, "picture": url }),
        3 => json!({ "custom_claims": { "global_name": name } }),
        4 => json!({ "full_name": 7, "user_name": name }),
        _ => json!({}),
    }
}

fn overrides(rng: &mut Rng, name: &str, url: &str) -> Value {
    match rng.u32(0..9) {
        0 => json!({ "name": name }),
        1 => json!({ "avatar": url }),
        2 => json!({ "link": url, "statusMessage": name }),
        3 => json!({ "tags": [name, "b"] }),
        4 => json!({ "metadata": { "a": 1, "b": { "c": [true, null] }, "z": "ü" } }),
        5 => json!({ "name": null, "avatar": null, "metadata": null }),
        6 => json!({ "role": "nobody" }),
        7 => json!({ "role": 7 }),
        _ => json!({ "unknown": name }),
    }
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

impl Twins {
    pub fn new(seed: u64) -> Twins {
        let (native, hosted) = (Stack::native(), Stack::hosted());
        for twin in [&native, &hosted] {
            twin.db.set("cometchat.request_timeout", Some("1s"));
            twin.execute("SELECT cometchat.enable_auth_trigger()");
            twin.unpause_all_but_the_worker();
        }
        Twins { native, hosted, rng: Rng::with_seed(seed) }
    }

    /// Lives through the stories of so many users; with `slow`, faults that cost a second are among them.
    pub fn live(&mut self, users: usize, slow: bool) -> Report {
        let mut report = Report::default();
        for _ in 0..users {
            let user = Uuid::from_u128(
                self.rng.u128(..) & !0xf000_c000_0000_0000_0000 | 0x4000_8000_0000_0000_0000,
            );
            report.users += 1;
            let first = Act::SignUp {
                email: Some("ada@example.com".to_owned()),
                metadata: json!({ "full_name": "Ada Lovelace" }),
                anonymous: false,
            };
            let mut story = vec![first];
            for _ in 0..self.rng.usize(3..9) {
                story.push(act(&mut self.rng, slow));
            }
            for (n, act) in story.iter().enumerate() {
                report.operations += 1;
                report.faults += usize::from(matches!(act, Act::Meet(_)));
                let seen = [self.native.does(user, act), self.hosted.does(user, act)];
                // What may be in flight is so until Time says otherwise, however long this takes.
                for twin in [&self.native, &self.hosted] {
                    twin.execute(
                        "UPDATE cometchat.sync_state SET unsettled_until = now() + interval '1 hour'
                         WHERE isfinite(unsettled_until) AND unsettled_until > now() - interval '10 minutes'",
                    );
                }
                report.requests += seen[0].requests.len();
                if seen[0] != seen[1] {
                    report.differences.push(format!("{:#?}\n{}", &story[..=n], differing(&seen)));
                    break;
                }
            }
            self.native.rest(user);
            self.hosted.rest(user);
            if report.users % 100 == 0 {
                println!("{} users, {} differences", report.users, report.differences.len());
            }
        }
        report
    }
}

/// What came of an act.
#[derive(Debug, PartialEq)]
struct Seen {
    answer: String,
    requests: Vec<String>,
    stored: String,
    remote: String,
}

fn differing(seen: &[Seen; 2]) -> String {
    let [native, hosted] = seen;
    let pair = |what: &str, a: &str, b: &str| {
        if a == b {
            String::new()
        } else {
            format!("{what}\n  native {a}\n  hosted {b}\n")
        }
    };
    [
        pair("answer", &native.answer, &hosted.answer),
        pair(
            "requests",
            &native.requests.join("\n         "),
            &hosted.requests.join("\n         "),
        ),
        pair("stored", &native.stored, &hosted.stored),
        pair("in CometChat", &native.remote, &hosted.remote),
    ]
    .concat()
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
    fn does(&self, user: Uuid, act: &Act) -> Seen {
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
            Act::Refresh { trusted } => {
                let (mut session, named) = self.caller(user, *trusted);
                said(
                    session
                        .client
                        .query_one("SELECT public.cometchat_refresh_token($1)", &[&named]),
                )
            }
            Act::Revoke { trusted } => {
                let (mut session, named) = self.caller(user, *trusted);
                said(
                    session
                        .client
                        .query_one("SELECT public.cometchat_revoke_tokens($1)", &[&named]),
                )
            }
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
             WHERE user_id = '{user}' AND next_attempt_at IS NOT NULL AND wanted_revision <> synced_revision"
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
    fn rest(&self, user: Uuid) {
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
                              'next', CASE WHEN s.next_attempt_at < now() + interval '3 s' THEN 'soon'
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
