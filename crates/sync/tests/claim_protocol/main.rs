//! The protocol of claims (docs/sync-protocol.md) as a model that is checked exhaustively: two workers, a
//! session and CometChat, with crashes, lost and late requests, rollbacks, bans and revocations at every step.
//!
//! `COMETCHAT_MODEL_EVENTS=n` allows n edits, faults and logins each, and not
//! one: 44,000 states, three seconds; with two it is a matter of many minutes.

#![allow(clippy::unwrap_used, clippy::expect_used)] // a test

mod model;

use model::{Protocol, World};
use stateright::{Checker, HasDiscoveries, Model, Property};

const AGREES: &str = "what is settled is what CometChat has";

#[test]
fn every_interleaving_keeps_the_promises() {
    let events = std::env::var("COMETCHAT_MODEL_EVENTS").ok().and_then(|n| n.parse().ok());
    let events = events.unwrap_or(1);
    let protocol = Protocol { events, changes: events + 1, ..Protocol::default() };
    let checker = protocol.checker().threads(2).spawn_bfs().join();
    println!("{} states", checker.unique_state_count());
    checker.assert_properties();
}

/// Each guard of the protocol is needed: without it, the checker finds a way to break a promise.
#[test]
fn no_guard_is_superfluous() {
    let broken = [
        ("claim mark", Protocol { claims_mark: false, ..Protocol::default() }),
        ("claim check", Protocol { finish_checks_claim: false, ..Protocol::default() }),
        ("revision check", Protocol { finish_checks_revision: false, ..Protocol::default() }),
        ("look at who was done", Protocol { save_sees_who_was_done: false, ..Protocol::default() }),
        ("later doubt", Protocol { finish_keeps_later_doubt: false, ..Protocol::default() }),
        ("one job at a time", Protocol { defers_whom_it_holds: false, ..Protocol::default() }),
        ("in-flight mark", Protocol { lost_stays_in_flight: false, ..Protocol::default() }),
    ];
    for (guard, protocol) in broken {
        let found = HasDiscoveries::AnyFailures;
        let checker = Protocol { changes: 2, ..protocol }.checker().threads(2);
        let checker = checker.finish_when(found).spawn_bfs().join();
        println!("{guard}: {} states", checker.unique_state_count());
        // (What is found of a "sometimes" is a discovery, too.)
        assert!(checker.discovery(AGREES).is_some(), "the {guard} is not needed");
    }
}

impl Model for Protocol {
    type State = World;
    type Action = model::Action;

    fn init_states(&self) -> Vec<World> {
        vec![World::new(self)]
    }

    fn actions(&self, world: &World, actions: &mut Vec<model::Action>) {
        world.actions(actions);
    }

    fn next_state(&self, world: &World, action: model::Action) -> Option<World> {
        let mut next = world.clone();
        next.act(action, self);
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            // design.md, section 4: no queued user is lost, and the last state is what CometChat has.
            Property::always(AGREES, |_, w: &World| !w.is_settled() || w.agrees()),
            Property::always("a claim is a worker's", |_, w: &World| !w.has_foreign_claim()),
            Property::sometimes("it settles after a crash", |_, w: &World| {
                w.is_settled() && w.crashed
            }),
            Property::sometimes("it settles banned", |_, w: &World| {
                w.is_settled() && !w.wanted_active && w.remote_exists()
            }),
        ]
    }
}
