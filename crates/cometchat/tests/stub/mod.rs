//! A tiny HTTP server on a thread: records what it is sent, answers what it is told.
#![allow(dead_code)]

pub mod everything;
pub mod json;
pub mod memory;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use cometchat::{ApiKey, Client};

pub const KEY: &str = "0123456789abcdef0123456789abcdef01234567";

/// One request as it arrived.
#[derive(Debug, Clone)]
pub struct Seen {
    pub connection: usize,
    pub method: String,
    pub target: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Seen {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    pub fn line(&self) -> String {
        format!("{} {} {}", self.method, self.target, self.body).trim_end().to_owned()
    }
}

/// What to do with a request.
pub enum Act {
    /// Send these bytes and keep the connection.
    Send(Vec<u8>),
    /// Send these bytes and close.
    SendAndClose(Vec<u8>),
    /// Send these bytes one by one, slowly.
    Drip(Vec<u8>),
    /// Send nothing for a long time.
    Stall,
}

pub struct Stub {
    pub base: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Stub {
    pub fn new(act: impl Fn(usize) -> Act + Send + Sync + 'static) -> Stub {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}/v3", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (log, act) = (seen.clone(), Arc::new(act));
        thread::spawn(move || {
            for (number, stream) in listener.incoming().flatten().enumerate() {
                let (log, act) = (log.clone(), act.clone());
                thread::spawn(move || serve(number, stream, &log, &*act));
            }
        });
        Stub { base, seen }
    }

    /// Always the same JSON.
    pub fn json(status: u16, body: &str) -> Stub {
        let bytes = reply(status, &[], body);
        Stub::new(move |_| Act::Send(bytes.clone()))
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub fn client(&self) -> Client {
        client(ureq::Agent::config_builder().proxy(None).build().into(), &self.base)
    }
}

pub fn client(agent: ureq::Agent, base: &str) -> Client {
    let key = ApiKey::new(KEY.to_owned()).unwrap_or_else(|_| panic!("test key"));
    Client::new(agent, base, "app1", Arc::new(key))
}

pub fn reply(status: u16, headers: &[(&str, &str)], body: &str) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n", body.len());
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    format!("{head}\r\n{body}").into_bytes()
}

fn serve(
    connection: usize,
    mut out: TcpStream,
    log: &Mutex<Vec<Seen>>,
    act: &dyn Fn(usize) -> Act,
) {
    let mut input = BufReader::new(out.try_clone().unwrap());
    while let Some(seen) = read_request(connection, &mut input) {
        let number = {
            let mut log = log.lock().unwrap();
            log.push(seen);
            log.len() - 1
        };
        // The client may have gone away; that is what some tests are about.
        match act(number) {
            Act::Send(bytes) => drop(out.write_all(&bytes)),
            Act::SendAndClose(bytes) => {
                let _ = out.write_all(&bytes);
                return;
            }
            Act::Drip(bytes) => {
                for b in bytes {
                    if out.write_all(&[b]).is_err() {
                        return;
                    }
                    thread::sleep(Duration::from_millis(20));
                }
            }
            Act::Stall => thread::sleep(Duration::from_secs(20)),
        }
    }
}

fn read_request(connection: usize, input: &mut BufReader<TcpStream>) -> Option<Seen> {
    let mut line = String::new();
    input.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace().map(str::to_owned);
    let (method, target) = (words.next()?, words.next()?);
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        input.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.push((name.to_ascii_lowercase(), value.to_owned()));
    }
    let length = headers.iter().find(|(n, _)| n == "content-length");
    let length = length.and_then(|(_, v)| v.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    input.read_exact(&mut body).ok()?;
    let body = String::from_utf8(body).ok()?;
    Some(Seen { connection, method, target, headers, body })
}
