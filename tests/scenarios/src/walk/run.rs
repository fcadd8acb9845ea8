//! One walk: many users' stories at once, in all weathers, and what is wrong when it is over.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use fastrand::Rng;
use uuid::Uuid;

use super::actor::{Actor, Person};
use super::check::{check, drain, Violation};
use super::disturbance::Disturbance;
use super::event::{self, Plan, Step};
use crate::Stack;

/// Those who act at the same time, each for users of their own.
const ACTORS: usize = 12;

/// The client's patience with CometChat in a walk, in milliseconds.
const PATIENCE: u64 = 1000;

/// A walk to be taken.
pub struct Walk {
    pub plans: Vec<Plan>,
    pub seed: u64,
    /// Which disturbances may happen; empty for none.
    pub disturbances: &'static [Disturbance],
}

/// How it went.
pub struct Report {
    pub operations: usize,
    pub requests: u64,
    pub violations: Vec<Violation>,
}

impl Walk {
    /// The walk of a seed: `users` with stories of about `length` steps.
    pub fn of_seed(seed: u64, users: usize, length: usize) -> Walk {
        let mut random = Rng::with_seed(seed);
        let plans = (0..users).map(|_| event::plan(&mut random, length)).collect();
        Walk { plans, seed, disturbances: &Disturbance::USUAL }
    }

    /// Takes it, waits until all has come to rest, and looks.
    pub fn run(&self) -> Report {
        // A walk takes dozens of connections: two of them, and the other tests, would use up all.
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let stack = Stack::new();
        let patience = format!("{PATIENCE}ms");
        stack.db.set("cometchat.request_timeout", Some(&patience));
        stack.db.set("cometchat.connect_timeout", Some(&patience));
        stack.execute("SELECT cometchat.enable_auth_trigger(), cometchat.resume()");
        let people = self.walk(&stack);
        stack.chat.clear_faults();
        let mut violations = drain(&stack);
        violations.extend(check(&stack, &people));
        let operations = self.plans.iter().flatten().filter(|s| matches!(s, Step::Do(_))).count();
        let requests = stack.chat.counters().requests;
        Report { operations, requests, violations }
    }

    fn walk(&self, stack: &Stack) -> Vec<Person> {
        let left = AtomicUsize::new(ACTORS);
        let share = self.plans.len().div_ceil(ACTORS).max(1);
        thread::scope(|scope| {
            let actors: Vec<_> = self
                .plans
                .chunks(share)
                .enumerate()
                .map(|(n, plans)| {
                    let left = &left;
                    let random = Rng::with_seed(self.seed ^ (n as u64 + 1) << 32);
                    scope.spawn(move || {
                        let _leaving = Leaving(left);
                        act(stack, plans, random)
                    })
                })
                .collect();
            left.fetch_sub(ACTORS - actors.len(), Ordering::SeqCst);
            let mut random = Rng::with_seed(self.seed ^ 0x77ea_7e12);
            while !self.disturbances.is_empty() && left.load(Ordering::SeqCst) > 0 {
                self.disturbances[random.usize(..self.disturbances.len())].pass(stack, PATIENCE);
            }
            actors.into_iter().flat_map(|actor| actor.join().expect("an actor")).collect()
        })
    }
}

/// An actor is done, or has failed: disturbances can end.
struct Leaving<'a>(&'a AtomicUsize);

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// One actor's users: now this one, now that one, one to three steps at a time.
fn act(stack: &Stack, plans: &[Plan], mut random: Rng) -> Vec<Person> {
    let mut actor = Actor::new(stack, PATIENCE);
    let mut people: Vec<(Person, &[Step])> = plans
        .iter()
        .map(|plan| {
            let id = Uuid::from_u128(random.u128(..));
            (Person { id, ..Person::default() }, plan.as_slice())
        })
        .collect();
    let mut open: Vec<usize> = (0..people.len()).collect();
    while !open.is_empty() {
        let place = random.usize(..open.len());
        let (person, rest) = &mut people[open[place]];
        for _ in 0..random.usize(1..=3) {
            let Some((step, after)) = rest.split_first() else { break };
            actor.act(person, *step);
            *rest = after;
        }
        if rest.is_empty() {
            open.swap_remove(place);
        }
    }
    people.into_iter().map(|(person, _)| person).collect()
}
