//! What the tests talk to: listeners on loopback that do exactly one thing.
#![allow(dead_code)] // each test file uses a part of it

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::eventfd::{EfdFlags, EventFd};
use proptest::prelude::ProptestConfig;
use socket2::{Domain, Socket, Type};
use transport::{AgentOptions, PollWait};
use ureq::Agent;

/// A listener; each connection is served by a thread of its own.
pub struct Listener {
    pub addr: SocketAddr,
    connections: Arc<AtomicUsize>,
    closed: Arc<AtomicUsize>,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Listener {
    /// Serves every connection with `serve`, which gets the connection's number, from 0.
    pub fn new(serve: impl Fn(usize, &mut TcpStream) + Send + Sync + 'static) -> Listener {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let closed = Arc::new(AtomicUsize::new(0));
        let (count, serve) = (connections.clone(), Arc::new(serve));
        let ended = closed.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let number = count.fetch_add(1, Ordering::SeqCst);
                let (serve, ended) = (serve.clone(), ended.clone());
                thread::spawn(move || {
                    serve(number, &mut stream.unwrap());
                    ended.fetch_add(1, Ordering::SeqCst);
                });
            }
        });
        Listener { addr, connections, closed, heads: Arc::default() }
    }

    /// Answers each request on each connection with these bytes.
    pub fn answering(bytes: impl Into<Vec<u8>>) -> Listener {
        let bytes = bytes.into();
        Listener::recording(move |_, stream| stream.write_all(&bytes).is_ok())
    }

    /// Calls `answer` for each request read, and keeps the heads; `false` closes the connection.
    pub fn recording(
        answer: impl Fn(&str, &mut TcpStream) -> bool + Send + Sync + 'static,
    ) -> Listener {
        let heads: Arc<Mutex<Vec<String>>> = Arc::default();
        let kept = heads.clone();
        let listener = Listener::new(move |_, stream| {
            while let Some(head) = read_head(stream) {
                kept.lock().unwrap().push(head.clone());
                if !answer(&head, stream) {
                    break;
                }
            }
        });
        Listener { heads, ..listener }
    }

    /// Answers with a header that has no end.
    pub fn endless_header() -> Listener {
        Listener::new(|_, stream| {
            read_head(stream);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nX-Filler: ");
            while stream.write_all(&[b'x'; 1000]).is_ok() {}
        })
    }

    /// Accepts and says nothing.
    pub fn silent() -> Listener {
        Listener::new(|_, stream| drain(stream))
    }

    pub fn url(&self) -> String {
        format!("http://{}/", self.addr)
    }

    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Waits until the server has closed so many connections.
    pub fn wait_for_closed(&self, count: usize) {
        let give_up = Instant::now() + LONG;
        while self.closed.load(Ordering::SeqCst) < count {
            assert!(Instant::now() < give_up, "a connection stays open");
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// The heads of the requests that were read.
    pub fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

/// Reads up to the empty line; `None` at the end of the stream.
pub fn read_head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            _ => return None,
        }
    }
    Some(String::from_utf8_lossy(&head).into_owned())
}

/// Reads and forgets until the peer goes.
pub fn drain(stream: &mut TcpStream) {
    let _ = std::io::copy(stream, &mut std::io::sink());
}

/// A port whose backlog is full: a connect to it neither succeeds nor fails.
pub struct FullBacklog {
    pub addr: SocketAddr,
    _listener: Socket,
    _fillers: Vec<Socket>,
}

impl FullBacklog {
    pub fn new() -> FullBacklog {
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        listener.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        listener.listen(1).unwrap();
        let addr = listener.local_addr().unwrap();
        let fillers = (0..8)
            .map(|_| {
                let filler = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
                filler.set_nonblocking(true).unwrap();
                let _ = filler.connect(&addr); // under way: that is the point
                filler
            })
            .collect();
        thread::sleep(Duration::from_millis(20));
        FullBacklog { addr: addr.as_socket().unwrap(), _listener: listener, _fillers: fillers }
    }
}

/// So many cases for each property, or as many as `PROPTEST_CASES` says (to look for long).
pub fn cases(few: u32) -> ProptestConfig {
    let usual = ProptestConfig::default();
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { usual.cases } else { few };
    ProptestConfig { cases, failure_persistence: None, ..usual }
}

/// Options for plain http and short waits.
pub fn options() -> AgentOptions {
    AgentOptions {
        ca_pem: None,
        proxy: None,
        connect_timeout: Duration::from_secs(10),
        https_only: false,
        keep_idle: 2,
    }
}

pub fn agent() -> Agent {
    transport::agent(&options(), Arc::new(PollWait::default())).unwrap()
}

/// An agent and what stops its requests.
pub fn stoppable_agent() -> (Agent, Arc<EventFd>) {
    let stop = Arc::new(EventFd::from_flags(EfdFlags::EFD_NONBLOCK).unwrap());
    let waiter = PollWait::stopped_by(Arc::new(stop.as_fd().try_clone_to_owned().unwrap()));
    (transport::agent(&options(), Arc::new(waiter)).unwrap(), stop)
}

/// `GET` with a limit on the whole; the body as text.
pub fn get(agent: &Agent, url: &str, within: Duration) -> Result<String, ureq::Error> {
    let request = agent.get(url).config().timeout_global(Some(within)).build();
    request.call()?.into_body().read_to_string()
}

pub const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
pub const LONG: Duration = Duration::from_secs(10);
pub const SHORT: Duration = Duration::from_millis(100);
