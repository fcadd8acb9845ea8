//! The resolver against look-ups that answer, fail and hang as they are told.

mod script;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};

use nix::sys::signal::Signal;
use ureq::{Agent, Timeout};

use super::*;
use crate::agent::NoResolver;
use crate::connect::TcpConnector;
use crate::tunnel::Host;
use crate::PollWait;
use script::*;

#[test]
fn an_answer_is_kept_and_serves_every_port() {
    let script = Script::new();
    script.will_answer(&[addr("192.0.2.1:443"), addr("[2001:db8::1]:443")]);

    let first = script.resolve("https://api.test/", LONG).unwrap();
    let second = script.resolve("https://api.test:8443/", LONG).unwrap();

    assert_eq!(first, [addr("192.0.2.1:443"), addr("[2001:db8::1]:443")]);
    assert_eq!(second, [addr("192.0.2.1:8443"), addr("[2001:db8::1]:8443")]);
    assert_eq!(script.asked(), 1);
}

#[test]
fn an_old_answer_is_asked_for_again() {
    let script = Script::new();
    script.will_answer(&[addr("192.0.2.1:443")]);
    script.resolve("https://api.test/", LONG).unwrap();
    script.age();
    script.will_answer(&[addr("192.0.2.2:443")]);

    assert_eq!(script.resolve("https://api.test/", LONG).unwrap(), [addr("192.0.2.2:443")]);
    assert_eq!(script.asked(), 2);
}

#[test]
fn literals_and_localhost_are_not_asked_for() {
    let script = Script::new();
    for (uri, want) in [
        ("http://127.0.0.1/", vec![addr("127.0.0.1:80")]),
        ("https://[2001:db8::1]:8443/", vec![addr("[2001:db8::1]:8443")]),
        ("https://LocalHost/", vec![addr("127.0.0.1:443"), addr("[::1]:443")]),
    ] {
        assert_eq!(script.resolve(uri, SHORT).unwrap(), want, "{uri}");
    }
    assert_eq!(script.asked(), 0);
}

#[test]
fn a_look_up_that_hangs_ends_with_the_timeout_and_is_joined_by_the_next_caller() {
    let script = Script::new();
    let started = Instant::now();
    for _ in 0..3 {
        let result = script.resolve("https://api.test/", SHORT);
        assert!(matches!(result, Err(Error::Timeout(Timeout::Resolve))), "{result:?}");
    }
    assert!(started.elapsed() >= 3 * SHORT && started.elapsed() < LONG);
    script.wait_until_asked();
    assert_eq!(script.asked(), 1, "one thread at a time");

    script.will_answer(&[addr("192.0.2.1:443")]);
    assert_eq!(script.resolve("https://api.test/", LONG).unwrap(), [addr("192.0.2.1:443")]);
    assert_eq!(script.asked(), 1);
}

#[test]
fn what_a_late_look_up_found_is_kept_though_nobody_waited_for_it() {
    let script = Script::new();
    assert!(script.resolve("https://api.test/", SHORT).is_err());
    script.will_answer(&[addr("192.0.2.1:443")]);
    script.wait_until_answered();
    assert_eq!(script.resolve("https://api.test/", LONG).unwrap(), [addr("192.0.2.1:443")]);
    assert_eq!(script.asked(), 1);
}

#[test]
fn an_answer_that_comes_between_looking_and_asking_is_taken() {
    let script = Script::new();
    assert!(script.resolve("https://api.test/", SHORT).is_err());
    // The next caller finds nothing known, and only then the look-up under way comes to its end.
    assert_eq!(script.resolver.last_good("api.test"), None);
    script.will_answer(&[addr("192.0.2.1:443")]);
    script.wait_until_answered();

    let until = Some(Instant::now() + SHORT);
    let found = script.resolver.look_up("api.test", 443, until, &timeout(SHORT));
    assert_eq!(found.expect("the answer is there"), [addr("192.0.2.1:443")]);
    assert_eq!(script.asked(), 1, "another look-up would have hung");
}

#[test]
fn callers_share_one_look_up() {
    let script = Script::new();
    let callers: Vec<_> = (0..8)
        .map(|_| {
            let resolver = script.resolver.clone();
            thread::spawn(move || resolve(&resolver, "https://api.test/", LONG).unwrap())
        })
        .collect();
    script.wait_until_asked();
    thread::sleep(SHORT);
    script.will_answer(&[addr("192.0.2.1:443")]);

    for caller in callers {
        assert_eq!(caller.join().unwrap(), [addr("192.0.2.1:443")]);
    }
    assert_eq!(script.asked(), 1);
}

#[test]
fn another_name_waits_for_the_thread_but_not_for_its_answer() {
    let script = Script::new();
    assert!(script.resolve("https://slow.test/", SHORT).is_err());
    script.will_answer(&[addr("192.0.2.1:443")]);
    script.will_answer(&[addr("192.0.2.2:443")]);

    assert_eq!(script.resolve("https://api.test/", LONG).unwrap(), [addr("192.0.2.2:443")]);
    assert_eq!(script.asked(), 2);
}

#[test]
fn the_last_good_answer_serves_when_the_resolver_fails_or_hangs() {
    let script = Script::new();
    script.will_answer(&[addr("192.0.2.1:443")]);
    script.resolve("https://api.test/", LONG).unwrap();

    script.age();
    script.will_answer(&[]);
    assert_eq!(script.resolve("https://api.test/", LONG).unwrap(), [addr("192.0.2.1:443")]);

    // Nobody asks again so soon.
    assert_eq!(script.resolve("https://api.test/", LONG).unwrap(), [addr("192.0.2.1:443")]);
    assert_eq!(script.asked(), 2);

    // While it hangs, half of the time is kept for the request itself.
    script.age();
    let (started, within) = (Instant::now(), Duration::from_secs(8));
    let found = script.resolve("https://api.test/", within).unwrap();
    assert_eq!(found, [addr("192.0.2.1:443")]);
    assert!(started.elapsed() >= within / 2 && started.elapsed() < within);
    assert_eq!(script.asked(), 3);
}

#[test]
fn a_name_that_is_not_there_is_not_remembered() {
    let script = Script::new();
    for _ in 0..2 {
        script.will_answer(&[]);
        let result = script.resolve("https://nowhere.test/", LONG);
        assert!(matches!(result, Err(Error::HostNotFound)), "{result:?}");
    }
    assert_eq!(script.asked(), 2);
}

#[test]
fn a_caller_can_be_interrupted_and_the_next_one_joins() {
    let stop = Arc::new(EventFd::from_flags(EfdFlags::EFD_NONBLOCK).unwrap());
    let waiter = PollWait::stopped_by(Arc::new(stop.as_fd().try_clone_to_owned().unwrap()));
    let (go, gone) = mpsc::channel();
    let gone = Mutex::new(gone);
    let look_up = move |_: &str, _| {
        let _ = gone.lock().unwrap().recv();
        vec![addr("192.0.2.1:443")]
    };
    let resolver = Arc::new(CachingResolver::with_look_up(Arc::new(look_up), Arc::new(waiter)));

    let asking = resolver.clone();
    let caller = thread::spawn(move || resolve(&asking, "https://api.test/", LONG));
    thread::sleep(SHORT);
    let stopped = Instant::now();
    stop.write(1).unwrap();
    let result = caller.join().unwrap();
    assert!(crate::interrupted(&result.unwrap_err()));
    assert!(stopped.elapsed() < LONG / 2);

    stop.read().unwrap();
    go.send(()).unwrap();
    assert_eq!(resolve(&resolver, "https://api.test/", LONG).unwrap(), [addr("192.0.2.1:443")]);
}

#[test]
fn the_look_up_thread_takes_no_signals_and_its_starter_still_does() {
    fn blocked() -> u64 {
        let status = fs::read_to_string("/proc/thread-self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("SigBlk:")).unwrap();
        u64::from_str_radix(line.trim(), 16).unwrap()
    }
    let (tell, told) = mpsc::channel();
    let look_up = move |_: &str, _| {
        tell.send(blocked()).unwrap();
        vec![addr("192.0.2.1:443")]
    };
    let resolver = CachingResolver::with_look_up(Arc::new(look_up), Arc::new(PollWait::default()));
    let before = blocked();
    resolve(&resolver, "https://api.test/", LONG).unwrap();

    let there = told.recv().unwrap();
    // The C library keeps some for itself; these are the ones that a server handles.
    for signal in
        [Signal::SIGINT, Signal::SIGTERM, Signal::SIGALRM, Signal::SIGUSR1, Signal::SIGHUP]
    {
        assert_ne!(there & 1 << (signal as u32 - 1), 0, "{signal} reaches the look-up thread");
    }
    assert_eq!(blocked(), before, "the caller's own mask is restored");
}

#[test]
fn a_kept_connection_needs_no_look_up() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port();
    thread::spawn(move || {
        let (mut stream, _) = server.accept().unwrap();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut line = String::new();
        while reader.read_line(&mut line).is_ok_and(|n| n > 0) {
            if line.ends_with("\r\n\r\n") {
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").unwrap();
                line.clear();
            }
        }
    });
    let script = Script::new();
    let (waiter, names) = (Arc::new(PollWait::default()), script.resolver.clone());
    let connector = TcpConnector { waiter, names, proxy: None };
    let config = Agent::config_builder().timeout_global(Some(LONG)).build();
    let agent = Agent::with_parts(config, connector, NoResolver);
    script.will_answer(&[addr("127.0.0.1:80")]);

    for _ in 0..3 {
        let answer = agent.get(format!("http://api.test:{port}/")).call().unwrap();
        assert_eq!(answer.into_body().read_to_string().unwrap(), "ok");
        script.age(); // and from now on a look-up would hang
    }
    assert_eq!(script.asked(), 1);
}
