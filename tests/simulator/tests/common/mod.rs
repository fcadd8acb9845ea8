//! A client of nothing but sockets, so that tests see what really went over the wire.
#![allow(dead_code)] // each test file uses a part of it

use serde_json::Value;
use simulator::{Simulator, DEV_API_KEY};
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// How a connection ended, seen from the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Closed,
    Reset,
    /// Still open when the client's patience ran out.
    Open,
}

/// An answer as bytes, taken apart where it is HTTP.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub raw: Vec<u8>,
    pub end: End,
    pub took: Duration,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        let wanted = self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name));
        wanted.map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e} in {}", self.text()))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn data(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text());
        self.json()["data"].clone()
    }

    pub fn code(&self) -> String {
        self.json()["error"]["code"].as_str().unwrap_or("").to_owned()
    }

    pub fn detail(&self, field: &str) -> String {
        self.json()["error"]["details"][field][0].as_str().unwrap_or("").to_owned()
    }

    /// Status and code at once.
    pub fn refusal(&self) -> (u16, String) {
        (self.status, self.code())
    }
}

/// The text of a request that closes its connection afterwards.
pub fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> String {
    let mut text = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        text.push_str("Host: 127.0.0.1\r\n");
    }
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    if !body.is_empty() {
        text.push_str(&format!(
            "Content-Type: application/json\r\nContent-Length: {}\r\n",
            body.len()
        ));
    }
    text + "\r\n" + body
}

/// Sends bytes and reads until the connection ends, `most` bytes came or patience runs out.
pub fn exchange(port: u16, bytes: &[u8], patience: Duration, most: usize) -> Answer {
    let start = Instant::now();
    let mut socket = TcpStream::connect(("127.0.0.1", port)).unwrap();
    socket.write_all(bytes).unwrap();
    let (raw, end) = read_out(&mut socket, patience, most);
    take_apart(raw, end, start.elapsed())
}

pub fn read_out(socket: &mut TcpStream, patience: Duration, most: usize) -> (Vec<u8>, End) {
    let start = Instant::now();
    let mut raw = Vec::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let left = patience.saturating_sub(start.elapsed());
        if left.is_zero() || raw.len() >= most {
            return (raw, End::Open);
        }
        socket.set_read_timeout(Some(left)).unwrap();
        match socket.read(&mut buffer) {
            Ok(0) => return (raw, End::Closed),
            Ok(n) => raw.extend_from_slice(&buffer[..n]),
            Err(e) if e.kind() == ErrorKind::ConnectionReset => return (raw, End::Reset),
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(e) => panic!("{e}"),
        }
    }
}

pub fn take_apart(raw: Vec<u8>, end: End, took: Duration) -> Answer {
    let split = raw.windows(4).position(|w| w == b"\r\n\r\n");
    let head = String::from_utf8_lossy(&raw[..split.unwrap_or(0)]).into_owned();
    let mut lines = head.lines();
    let first = lines.next().unwrap_or("");
    let is_http = first.starts_with("HTTP/1.1 ");
    let status = if is_http { first[9..12].parse().unwrap() } else { 0 };
    let headers = lines.filter_map(|line| line.split_once(": "));
    let headers = headers.map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
    let body = split.map(|at| raw[at + 4..].to_vec()).unwrap_or_default();
    Answer { status, headers, body, raw, end, took }
}

/// A plain request and its answer.
pub fn send(
    sim: &Simulator,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Answer {
    let text = request(method, path, headers, body);
    exchange(sim.port(), text.as_bytes(), Duration::from_secs(10), usize::MAX)
}

/// An API call with the development key; `body` null means none.
pub fn call(sim: &Simulator, method: &str, path: &str, body: Value) -> Answer {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    send(sim, method, &format!("/v3{path}"), &[("apikey", DEV_API_KEY)], &body)
}

pub fn get(sim: &Simulator, path: &str) -> Answer {
    call(sim, "GET", path, Value::Null)
}

/// A control request.
pub fn control(sim: &Simulator, method: &str, path: &str, body: Value) -> Answer {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    send(sim, method, &format!("/_control{path}"), &[], &body)
}

/// Whether it comes to be so, in ten seconds or a little more.
pub fn eventually(is_so: impl Fn() -> bool) -> bool {
    (0..2000).any(|_| {
        std::thread::sleep(Duration::from_millis(5));
        is_so()
    })
}
