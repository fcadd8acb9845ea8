//! The two editions side by side: the same random calls, edits and faults, and a comparison of answers,
//! requests and stored state after each.

mod act;
mod seen;

use act::{any_act, Act};
use fastrand::Rng;
use seen::Seen;
use serde_json::json;
use simulator::FaultKind;
use uuid::Uuid;

use crate::Stack;

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
    /// Refusals that were cut off: see [`is_refusal_cut_off`].
    pub refusals_cut_off: usize,
    pub differences: Vec<String>,
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
                story.push(any_act(&mut self.rng, slow));
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
                if seen[0] != seen[1] && is_refusal_cut_off(&story[..=n], &seen) {
                    report.refusals_cut_off += 1;
                    break;
                }
                if seen[0] != seen[1] {
                    let difference = format!("{:?}\n{}", &story[..=n], differing(&seen));
                    println!("{difference}");
                    report.differences.push(difference);
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

/// What docs/hosted.md says of the transport: of an answer that was cut off curl tells nothing but that. The
/// extension knows its status, and what a refusal's says is enough for it.
fn is_refusal_cut_off(story: &[Act], [native, hosted]: &[Seen; 2]) -> bool {
    let is_cut_off = |act: &Act| matches!(act, Act::Meet(fault) if matches!(fault.kind, FaultKind::TruncatedBody));
    let says = |seen: &Seen| format!("{} {}", seen.answer, seen.stored).contains("answer cut off");
    story.iter().any(is_cut_off)
        && native.requests.first() == hosted.requests.first()
        && says(hosted)
        && !says(native)
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
