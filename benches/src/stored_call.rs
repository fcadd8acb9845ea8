//! What a login costs whose token is stored: beside the least that a function could do for it.
//!
//! The look-up is a SECURITY DEFINER function in PL/pgSQL that reads the mapping's row and checks nothing:
//! no identity, no ban, no changed profile.

use std::time::{Duration, Instant};

use postgres::Client;
use scenarios::{Cluster, Database, Process, Session, Stack};
use simulator::{RecordMode, Simulator};
use uuid::Uuid;

use crate::pairs::Pairs;
use crate::report::Report;
use crate::scale::Scale;

/// Alone, in one statement for many users.
const ALONE: f64 = 2.0;
/// As PostgREST sends it: a transaction with claims and role.
const AS_POSTGREST: f64 = 1.1;
/// The first call of a new session.
const FIRST: f64 = 1.5;

/// Calls in one session, and what its anonymous memory may grow by from before the first, in kilobytes.
const CALLS: usize = 10_000;
const GROWTH: f64 = 4096.0;

const CONF: [&str; 2] = ["shared_preload_libraries = 'cometchat_ext'", "checkpoint_timeout = 1h"];

const LOOK_UP: &str = "
    CREATE FUNCTION public.look_up(look_for uuid) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
    DECLARE
      uid text;
      token text;
    BEGIN
      SELECT u.cometchat_uid, u.cometchat_auth_token INTO uid, token
      FROM public.cometchat_users AS u WHERE u.user_id = look_for;
      RETURN jsonb_build_object('success', true, 'cometchatUid', uid, 'authToken', token);
    END $$;
    GRANT EXECUTE ON FUNCTION public.look_up(uuid) TO PUBLIC";

pub fn measure(scale: &Scale, report: &mut Report) {
    report.heading("A call whose token is stored, beside a bare look-up in PL/pgSQL");
    let bench = Bench::new(scale);
    bench.alone(report);
    bench.as_postgrest(report);
    bench.first(report);
    bench.memory(report);
    assert_eq!(bench.stack.chat.counters().requests, bench.sent, "none of them sent a request");
}

struct Bench {
    stack: Stack,
    users: Vec<Uuid>,
    rounds: usize,
    /// Requests until the tokens were stored.
    sent: u64,
}

impl Bench {
    fn new(scale: &Scale) -> Bench {
        let chat = Simulator::builder().record(RecordMode::Counts).start().expect("a simulator");
        let stack = Stack::on(Database::like_supabase(Cluster::start(&CONF)), chat);
        stack.execute(LOOK_UP);
        let users = stack.sign_ups(200);
        for user in &users {
            stack.session(*user).ensure(None, None, None).token();
        }
        stack.execute("VACUUM ANALYZE auth.users, public.cometchat_users, cometchat.sync_state");
        let sent = stack.chat.counters().requests;
        Bench { stack, users, rounds: scale.tries * 10, sent }
    }

    /// What a call of ours takes, and the look-up in its place, in turns.
    fn pairs(&self, mut calls: impl FnMut(&str, usize) -> Duration) -> Pairs {
        let mut pairs = Pairs::default();
        for n in 0..=self.rounds {
            let (ours, theirs) = (calls("cometchat_ensure_user", n), calls("look_up", n));
            // The first makes what the session keeps.
            if n > 0 {
                pairs.push(ours, theirs);
            }
        }
        pairs
    }

    fn alone(&self, report: &mut Report) {
        let mut client = self.stack.db.admin();
        let pairs = self.pairs(|function, _| {
            let sql = format!("SELECT count(public.{function}(id)) FROM auth.users");
            timed(|| drop(client.query_one(&sql, &[]).expect(&sql)))
        });
        report.paired(&format!("{} calls in a statement", self.users.len()), &pairs, ALONE);
    }

    fn as_postgrest(&self, report: &mut Report) {
        let mut client = self.stack.db.connect("authenticator");
        let pairs = self.pairs(|function, _| {
            timed(|| {
                for user in self.users.iter().take(20) {
                    request(&mut client, function, *user);
                }
            })
        });
        report.paired("20 requests as PostgREST sends them", &pairs, AS_POSTGREST);
    }

    fn first(&self, report: &mut Report) {
        let pairs = self.pairs(|function, n| {
            let user = self.users[n % self.users.len()];
            let mut session = Session::authenticated(self.stack.db.connect("authenticator"), user);
            let sql = format!("SELECT public.{function}('{user}')");
            timed(|| drop(session.client.query_one(&sql, &[]).expect(&sql)))
        });
        report.paired("the first call in a session", &pairs, FIRST);
    }

    fn memory(&self, report: &mut Report) {
        let mut client = self.stack.db.admin();
        let process = Process::of(&mut client);
        let before = process.rss_anon();
        let call =
            client.prepare("SELECT public.cometchat_ensure_user($1)::text").expect("prepare");
        for user in self.users.iter().cycle().take(CALLS) {
            client.query_one(&call, &[user]).expect("an answer");
        }
        let growth = process.rss_anon().saturating_sub(before);
        report.at_most(
            &format!("a session's memory after {CALLS} calls, kB more"),
            growth as f64,
            GROWTH,
        );
    }
}

/// One request: as PostgREST 12 does, with the claims and the role in one statement of their own.
fn request(client: &mut Client, function: &str, user: Uuid) {
    let mut transaction = client.transaction().expect("begin");
    let claims = format!(
        r#"{{"aud":"authenticated","exp":1893456000,"sub":"{user}","email":"ada@example.com",
            "role":"authenticated","aal":"aal1","session_id":"{user}","is_anonymous":false}}"#
    );
    let sql = "SELECT set_config('search_path', '\"public\", \"extensions\"', true),
                      set_config('role', 'authenticated', true),
                      set_config('request.jwt.claims', $1, true),
                      set_config('request.method', 'POST', true),
                      set_config('request.path', '/rpc/cometchat_ensure_user', true),
                      set_config('request.headers', '{}', true),
                      set_config('request.cookies', '{}', true)";
    transaction.execute(sql, &[&claims]).expect(sql);
    let sql = format!("SELECT public.{function}('{user}')");
    transaction.query_one(&sql, &[]).expect(&sql);
    transaction.commit().expect("commit");
}

fn timed(work: impl FnOnce()) -> Duration {
    let started = Instant::now();
    work();
    started.elapsed()
}
