//! What must hold once nothing goes wrong any more and the queue is empty (design.md, section 4).

use std::time::{Duration, Instant};

use postgres::Client;
use serde_json::Value;
use simulator::Recorded;

use super::actor::Person;
use crate::Stack;

/// Something that must not be.
#[derive(Clone, Debug)]
pub struct Violation {
    /// Which of the walk's people; `None`: the queue as a whole.
    pub person: Option<usize>,
    pub what: String,
}

/// Everything comes to rest within this.
const LONGEST: Duration = Duration::from_secs(120);

/// Waits until nothing is left to be done. Whoever waits for another attempt need not wait long.
pub fn drain(stack: &Stack) -> Vec<Violation> {
    let deadline = Instant::now() + LONGEST;
    let open = "SELECT count(*) FROM cometchat.sync_state
                WHERE next_attempt_at IS NOT NULL OR claim IS NOT NULL";
    let hurry = "UPDATE cometchat.sync_state
                 SET next_attempt_at = LEAST(next_attempt_at, now() + interval '1 s')
                 WHERE next_attempt_at > now() + interval '3 s'";
    stack.execute("SELECT cometchat.resume()");
    let mut round = 0;
    while stack.value(open).as_deref() != Some("0") {
        if Instant::now() > deadline {
            let who = "SELECT string_agg(s::text, ' ') FROM
                       (SELECT user_id, next_attempt_at - now(), claim, attempts, error_code
                        FROM cometchat.sync_state
                        WHERE next_attempt_at IS NOT NULL OR claim IS NOT NULL LIMIT 5) AS s";
            let what = format!("pending for ever: {:?}", stack.value(who));
            return vec![Violation { person: None, what }];
        }
        round += 1;
        if round % 10 == 0 {
            stack.execute(hurry);
            stack.execute("SELECT pg_reload_conf()"); // a brake looks again
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Vec::new()
}

/// What the database says of one user.
struct Here {
    /// In `auth.users`, and banned or softly deleted.
    shut_out: Option<bool>,
    anonymous: bool,
    name: Option<String>,
    email: Option<String>,
    token: Option<String>,
    mapped: bool,
    requested: bool,
    failed: bool,
    state: String,
}

fn here(admin: &mut Client, person: &Person) -> Here {
    let sql = "SELECT a.id IS NOT NULL,
                      COALESCE(a.banned_until > now() OR a.deleted_at IS NOT NULL, false),
                      COALESCE(a.is_anonymous, false),
                      CASE WHEN s.name_argument IS NOT NULL
                            AND s.name_argument_base IS NOT DISTINCT FROM a.raw_user_meta_data ->> 'full_name'
                           THEN s.name_argument ELSE a.raw_user_meta_data ->> 'full_name' END,
                      a.email::text, u.cometchat_auth_token, u.user_id IS NOT NULL,
                      COALESCE(s.requested, false), s.failed_at IS NOT NULL,
                      COALESCE(row_to_json(s)::text, 'no state')
               FROM (SELECT $1::uuid AS id) AS q
               LEFT JOIN auth.users AS a ON a.id = q.id
               LEFT JOIN public.cometchat_users AS u ON u.user_id = q.id
               LEFT JOIN cometchat.sync_state AS s ON s.user_id = q.id";
    let row = admin.query_one(sql, &[&person.id]).expect(sql);
    Here {
        shut_out: row.get::<_, bool>(0).then(|| row.get(1)),
        anonymous: row.get(2),
        name: row.get(3),
        email: row.get(4),
        token: row.get(5),
        mapped: row.get(6),
        requested: row.get(7),
        failed: row.get(8),
        state: row.get(9),
    }
}

/// What is wrong with the walk's people.
pub fn check(stack: &Stack, people: &[Person]) -> Vec<Violation> {
    let mut admin = stack.db.admin();
    let one = |(index, person)| check_one(stack, &mut admin, person, index);
    people.iter().enumerate().flat_map(one).collect()
}

fn check_one(stack: &Stack, admin: &mut Client, person: &Person, index: usize) -> Vec<Violation> {
    let here = here(admin, person);
    let uid = person.id.to_string();
    let there = stack.app().user(&uid);
    let active = there.as_ref().is_some_and(|user| user["deactivatedAt"].as_u64().is_none());
    let tokens = stack.app().tokens(&uid);
    let mut wrong = Vec::new();
    let mut expect = |holds: bool, what: &str| {
        if !holds {
            wrong.push(what.to_owned());
        }
    };
    expect(
        !person.revoked.iter().any(|token| active && tokens.contains(token)),
        "a revoked token works",
    );
    if person.moderated {
        expect(!active, "whom others deactivated is active");
    } else if here.shut_out == Some(false) {
        let wanted = !here.anonymous || here.requested || here.mapped;
        if wanted {
            expect(!here.failed, "active here, and given up");
            expect(active, "active here, and not there");
            is_as_wanted(&here, there.as_ref(), &mut expect);
            let has_token = here.token.is_some() || person.logged_out;
            expect(has_token, "in agreement without a token");
        }
        expect(
            here.token.as_ref().is_none_or(|token| tokens.contains(token)),
            "the stored token does not work",
        );
    } else {
        let why = if here.shut_out.is_some() { "shut out here" } else { "gone here" };
        expect(!active, &format!("{why}, and active there"));
        expect(here.token.is_none(), &format!("{why}, and a token is stored"));
    }
    // Requests about several users have them in their body.
    let is_about = |r: &Recorded| r.uid.as_ref() == Some(&uid) || r.body.to_string().contains(&uid);
    let asked: Vec<_> = match wrong.is_empty() {
        true => Vec::new(),
        false => stack.chat.requests().into_iter().filter(is_about).map(in_short).collect(),
    };
    let describe = |what| format!("{what}: {} there: {there:?} after: {asked:?}", here.state);
    wrong.into_iter().map(|what| Violation { person: Some(index), what: describe(what) }).collect()
}

/// When it came, in seconds of the clock that the state shows too, and what became of it.
fn in_short(request: Recorded) -> String {
    let Recorded { arrived_unix_ms, operation, status, fault, .. } = request;
    format!("{:.3} {operation} {status:?} {fault:?}", arrived_unix_ms as f64 / 1000.0)
}

fn is_as_wanted(here: &Here, there: Option<&Value>, expect: &mut impl FnMut(bool, &str)) {
    let Some(there) = there else { return };
    if let Some(name) = &here.name {
        expect(there["name"].as_str() == Some(name), "another name there");
    }
    if let Some(email) = &here.email {
        let theirs = there["metadata"]["@private"]["email"].as_str();
        expect(theirs == Some(email), "another address there");
    }
}
