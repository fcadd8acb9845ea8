//! The switch of the API's port: what goes through when it is closed, paused and open again.

mod common;

use common::{exchange, get, read_out, request, End};
use simulator::{ListenerState, Simulator, DEV_API_KEY};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

#[test]
fn a_closed_listener_refuses_and_drops_and_an_opened_one_has_its_users_still() {
    let sim = Simulator::start();
    sim.seed("u", 1).unwrap();
    let mut idle = TcpStream::connect(("127.0.0.1", sim.port())).unwrap();
    get(&sim, "/users");
    sim.set_listener(ListenerState::Closed);
    let refused = TcpStream::connect(("127.0.0.1", sim.port())).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    assert_ne!(read_out(&mut idle, Duration::from_secs(10), usize::MAX).1, End::Open);
    sim.set_listener(ListenerState::Open);
    assert_eq!(get(&sim, "/users/u1").status, 200);
}

#[test]
fn a_closed_listener_answers_nobody_whom_it_answered_before() {
    let sim = Simulator::start();
    let text = request("GET", "/v3/users", &[("apikey", DEV_API_KEY)], "");
    let text = text.replace("Connection: close\r\n", "");
    for round in 0..20 {
        let mut kept: Vec<_> =
            (0..50).map(|_| TcpStream::connect(("127.0.0.1", sim.port())).unwrap()).collect();
        for socket in &mut kept {
            socket.write_all(text.as_bytes()).unwrap();
            assert!(socket.read(&mut [0; 4096]).unwrap() > 0);
        }
        let before = sim.counters().requests;
        sim.set_listener(ListenerState::Closed);
        assert_eq!(sim.counters().open_connections, 0, "round {round}");
        // Some find their connection reset by now.
        kept.iter_mut().for_each(|socket| drop(socket.write_all(text.as_bytes())));
        sim.set_listener(ListenerState::Open);
        assert_eq!(sim.counters().requests, before, "round {round}");
    }
}

#[test]
fn a_paused_listener_lets_clients_connect_and_wait() {
    let sim = Simulator::start();
    sim.set_listener(ListenerState::Paused);
    let text = request("GET", "/v3/users", &[("apikey", DEV_API_KEY)], "");
    let silent = exchange(sim.port(), text.as_bytes(), Duration::from_millis(200), usize::MAX);
    assert_eq!((silent.raw.len(), silent.end), (0, End::Open));
    assert_eq!(sim.requests().len(), 0);
    sim.set_listener(ListenerState::Open);
    assert_eq!(get(&sim, "/users").status, 200);
}
