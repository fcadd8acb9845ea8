//! The limiter against a model of CometChat's window that shares nothing with it.
//!
//! Time is simulated: a window of a minute that begins with the first request after the last one,
//! clocks that differ, answers that are slow, overtake each other or are lost, one client or several.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use proptest::prelude::*;

use super::{Cap, Limiter, Priority, RefusedBy};
use cometchat::{Limits, RateClass};

const START: u64 = 1_800_000_000_000;
const WINDOW: u64 = 60_000;

/// A lost answer is given up after this.
const TIMEOUT: u64 = 5_000;

#[derive(Clone, Debug)]
struct World {
    limit: u32,
    clients: usize,
    concurrency: u32,
    /// How far CometChat's clock is ahead.
    ahead: i64,
    /// Whether its answers are dated.
    dated: bool,
    /// The end is announced in milliseconds, or in seconds that are rounded up, or down.
    unit: Unit,
    slowest: u64,
    /// Of a hundred answers.
    lost: u64,
    seed: u64,
}

#[derive(Clone, Copy, Debug)]
enum Unit {
    Milliseconds,
    SecondsUp,
    SecondsDown,
}

/// What happens when.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// The client would like to send.
    Wants(usize),
    Arrives(usize),
    /// Left, end, date; or nothing.
    Answer(usize, Option<(u32, u64, u64)>),
    Rejected(usize, u32, u64, u64, u64),
}

#[derive(Default, Debug)]
struct Seen {
    served: Vec<u32>,
    refused: u32,
    /// The longest time for which a client that wanted to send was not allowed to.
    stuck: u64,
    windows: u32,
}

struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n.max(1)
    }
}

/// Lets everybody send as much as they may for so many minutes. What is served is counted in the last
/// eight.
fn run(world: &World, minutes: u64) -> Seen {
    let mut random = Random(world.seed | 1);
    let mut limiters: Vec<Limiter> = (0..world.clients).map(|_| Limiter::new()).collect();
    let mut under_way = vec![0_u32; world.clients];
    let mut waiting_since: Vec<Option<u64>> = vec![None; world.clients];
    let mut seen = Seen { served: vec![0; world.clients], ..Seen::default() };
    let mut events = BinaryHeap::new();
    for client in 0..world.clients {
        events.push(Reverse((START + random.below(20_000), Event::Wants(client))));
    }
    let (mut began, mut used) = (0_u64, 0_u32);
    let end_of_all = START + minutes * WINDOW;
    while let Some(Reverse((now, event))) = events.pop() {
        if now > end_of_all {
            break;
        }
        let theirs = |moment: u64| moment.saturating_add_signed(world.ahead);
        match event {
            Event::Wants(client) => {
                if under_way[client] >= world.concurrency {
                    continue; // an answer has it ask again
                }
                match limiters[client].take(RateClass::Core, Priority::Worker, Cap::Follow, now) {
                    Ok(()) => {
                        if let Some(since) = waiting_since[client].take() {
                            seen.stuck = seen.stuck.max(now - since);
                        }
                        under_way[client] += 1;
                        let way = 1 + random.below(world.slowest / 2);
                        events.push(Reverse((now + way, Event::Arrives(client))));
                        events.push(Reverse((now + 2 + random.below(20), Event::Wants(client))));
                    }
                    Err(until) => {
                        waiting_since[client].get_or_insert(now);
                        let again = until.clamp(now + 1, now + 1_000) + random.below(20);
                        events.push(Reverse((again, Event::Wants(client))));
                    }
                }
            }
            Event::Arrives(client) => {
                if now >= began + WINDOW {
                    (began, used) = (now, 0);
                    seen.windows += 1;
                }
                let end = theirs(began + WINDOW);
                let end = match world.unit {
                    Unit::Milliseconds => end,
                    Unit::SecondsUp => end.div_ceil(1000),
                    Unit::SecondsDown => end / 1000,
                };
                let date = theirs(now) / 1000;
                let back = now + 1 + random.below(world.slowest / 2);
                if used < world.limit {
                    used += 1;
                    if now > START + (minutes - 8) * WINDOW {
                        seen.served[client] += 1;
                    }
                    let answer = (random.below(100) >= world.lost).then_some((
                        world.limit - used,
                        end,
                        date,
                    ));
                    let back = if answer.is_some() { back } else { now + TIMEOUT };
                    events.push(Reverse((back, Event::Answer(client, answer))));
                } else {
                    seen.refused += 1;
                    let wait = (began + WINDOW - now).div_ceil(1000);
                    events.push(Reverse((back, Event::Rejected(client, 0, end, date, wait))));
                }
            }
            Event::Answer(client, answer) => {
                under_way[client] -= 1;
                let limits = answer.map(|(left, end, date)| announced(world, left, end, date));
                limiters[client].on_response(RateClass::Core, limits, now);
                if limits.is_some() {
                    limiters[client].went_through(RateClass::Core);
                }
                events.push(Reverse((now, Event::Wants(client))));
            }
            Event::Rejected(client, left, end, date, wait) => {
                under_way[client] -= 1;
                let limits = Some(announced(world, left, end, date));
                limiters[client].on_response(RateClass::Core, limits, now);
                limiters[client].block_for(
                    RateClass::Core,
                    Some(wait * 1000),
                    RefusedBy::CometChat,
                    now,
                );
                events.push(Reverse((now, Event::Wants(client))));
            }
        }
    }
    for since in waiting_since.iter().flatten() {
        seen.stuck = seen.stuck.max(end_of_all - since);
    }
    seen
}

fn announced(world: &World, left: u32, end: u64, date: u64) -> Limits {
    Limits {
        limit: Some(world.limit.into()),
        remaining: Some(left.into()),
        reset_unix: Some(end),
        date_unix: world.dated.then_some(date),
    }
}

fn any_world() -> impl Strategy<Value = World> {
    let clocks = prop_oneof![Just(0_i64), -7_200_000..7_200_000_i64, -90_000..90_000_i64];
    let units = prop::sample::select(vec![Unit::Milliseconds, Unit::SecondsUp, Unit::SecondsDown]);
    let more = (prop::sample::select(vec![4, 100, 600, 3_000_u64]), 0..20_u64, any::<u64>());
    let limits = prop_oneof![4 => 100..700_u32, 1 => 700..10_000_u32];
    (limits, 1..=16_u32, clocks, units, more).prop_map(
        |(limit, concurrency, ahead, unit, (slowest, lost, seed))| World {
            limit,
            clients: 1,
            concurrency,
            ahead,
            dated: true,
            unit,
            slowest,
            lost,
            seed,
        },
    )
}

/// What a client that waits for a window may lose besides: answers that are lost or slow, a rounded
/// second, looks.
fn longest(world: &World) -> u64 {
    WINDOW + 2 * TIMEOUT + 2 * world.slowest + 4_000
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// However far the clocks differ, where answers are dated.
    #[test]
    fn one_client_is_never_refused_and_never_waits_for_longer_than_a_window(world in any_world()) {
        let seen = run(&world, 8);
        prop_assert_eq!(seen.refused, 0, "{:?}", seen);
        prop_assert!(seen.stuck <= longest(&world), "{seen:?}");
        // A client that is fast enough uses the windows up, but for what it leaves and loses.
        if world.limit <= 700 && world.slowest <= 600 && world.concurrency >= 4 && world.lost < 2
        {
            let used = f64::from(seen.served[0]) / f64::from(world.limit * seen.windows.min(8));
            prop_assert!(used > 0.6, "{used} {seen:?}");
        }
    }

    /// Where nothing tells how far the clocks differ, it is learned at the cost of a few refusals.
    #[test]
    fn without_dates_nobody_waits_for_longer_than_a_window_either(world in any_world()) {
        let world = World { dated: false, ..world };
        let seen = run(&world, 8);
        prop_assert!(seen.stuck <= longest(&world), "{seen:?}");
        let most = if world.ahead == 0 { 0 } else { 2 * seen.windows };
        prop_assert!(seen.refused <= most, "{seen:?}");
    }

    /// Nobody can know what others have under way; and nobody starves.
    #[test]
    fn several_clients_share_a_window(world in any_world(), clients in 2..=3_usize) {
        // The smallest plan's limit, and more.
        let limit = world.limit.max(300);
        let world = World { limit, clients, lost: 0, slowest: world.slowest.min(600), ..world };
        let seen = run(&world, 16); // half of them to find their pace
        let sent: u32 = seen.served.iter().sum();
        prop_assert!(seen.stuck <= 2 * longest(&world), "{seen:?}");
        prop_assert!(seen.refused <= 2 * seen.windows, "{seen:?}");
        let least = seen.served.iter().min().copied().unwrap_or(0) as usize;
        prop_assert!(least * clients * 10 >= sent as usize, "{seen:?}");
    }
}
