//! Servers that fall silent or say the wrong thing, at a place of the test's choice.
//!
//! The simulator answers like CometChat, faults included; these do what no HTTP server does.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

/// Where a call hangs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The backlog is full: SYNs are not answered.
    Connect,
    /// TCP is there, the TLS hello is not answered.
    Handshake,
    /// The request is read and not answered.
    Header,
    /// The answer stops in the middle of its body.
    Body,
}

impl Stage {
    pub const ALL: [Stage; 4] = [Stage::Connect, Stage::Handshake, Stage::Header, Stage::Body];
}

/// A server on loopback whose connections are served by a thread each.
pub struct FaultServer {
    addr: SocketAddr,
    scheme: &'static str,
    connections: Arc<AtomicUsize>,
    requests: Arc<Mutex<Vec<String>>>,
    stop: Arc<AtomicBool>,
    /// For [`Stage::Connect`]: the listener that is not served, and what fills its backlog.
    _backlog: Vec<Socket>,
}

impl FaultServer {
    /// Hangs there.
    pub fn hanging(stage: Stage) -> FaultServer {
        match stage {
            Stage::Connect => FaultServer::full(),
            Stage::Handshake => {
                let mut server = FaultServer::serving(|stream| drain(&stream));
                server.scheme = "https";
                server
            }
            Stage::Header => FaultServer::answering(|_| Vec::new()),
            Stage::Body => FaultServer::answering(|_| {
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{\"da"
                    .to_vec()
            }),
        }
    }

    /// Serves each connection with `serve`; the connection ends with it.
    pub fn serving(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> FaultServer {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("listen on loopback");
        let addr = listener.local_addr().expect("an address");
        let server = FaultServer {
            addr,
            scheme: "http",
            connections: Arc::default(),
            requests: Arc::default(),
            stop: Arc::default(),
            _backlog: Vec::new(),
        };
        let (connections, stop) = (server.connections.clone(), server.stop.clone());
        let serve = Arc::new(serve);
        thread::spawn(move || {
            for stream in listener.incoming() {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                connections.fetch_add(1, Ordering::SeqCst);
                let serve = serve.clone();
                thread::spawn(move || serve(stream));
            }
        });
        server
    }

    /// Reads requests (head and body) and answers each with the bytes that `answer` makes of its
    /// number, from 0; without bytes it says nothing more.
    pub fn answering(answer: impl Fn(usize) -> Vec<u8> + Send + Sync + 'static) -> FaultServer {
        let requests: Arc<Mutex<Vec<String>>> = Arc::default();
        let kept = requests.clone();
        let mut server = FaultServer::serving(move |mut stream| {
            while let Some(request) = read_request(&mut stream) {
                let number = {
                    let mut kept = kept.lock().expect("no panic while it is held");
                    kept.push(request);
                    kept.len() - 1
                };
                let bytes = answer(number);
                if bytes.is_empty() || stream.write_all(&bytes).is_err() {
                    break;
                }
            }
            drain(&stream);
        });
        server.requests = requests;
        server
    }

    fn full() -> FaultServer {
        let socket = || Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        let listener = socket();
        listener.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).expect("bind");
        listener.listen(1).expect("listen");
        let addr = listener.local_addr().expect("an address");
        let mut backlog = vec![listener];
        for _ in 0..8 {
            let filler = socket();
            filler.set_nonblocking(true).expect("non-blocking");
            let _ = filler.connect(&addr); // under way, and most of them for ever
            backlog.push(filler);
        }
        thread::sleep(Duration::from_millis(20));
        FaultServer {
            addr: addr.as_socket().expect("an IP address"),
            scheme: "http",
            connections: Arc::default(),
            requests: Arc::default(),
            stop: Arc::new(AtomicBool::new(true)),
            _backlog: backlog,
        }
    }

    /// For `cometchat.api_base_url`.
    pub fn base_url(&self) -> String {
        self.url_at("127.0.0.1")
    }

    /// The same under another name for this machine.
    pub fn url_at(&self, host: &str) -> String {
        format!("{}://{host}:{}/v3", self.scheme, self.addr.port())
    }

    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// What was asked, head and body.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().expect("no panic while it is held").clone()
    }

    /// Waits until something is connected; what cannot be seen from here is given a moment.
    pub fn wait_until_busy(&self, before: usize) {
        let give_up = Instant::now() + Duration::from_secs(30);
        while self._backlog.is_empty() && self.connections() <= before {
            assert!(Instant::now() < give_up, "nobody connects");
            thread::sleep(Duration::from_millis(1));
        }
        thread::sleep(Duration::from_millis(15));
    }
}

impl Drop for FaultServer {
    fn drop(&mut self) {
        if !self.stop.swap(true, Ordering::SeqCst) {
            let _ = TcpStream::connect(self.addr); // wakes the thread that accepts
        }
    }
}

/// Reads one request with its body; `None` at the end of the stream. (What a client sends before
/// it has an answer is one request, so nothing after it is read by mistake.)
pub fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 16 * 1024];
    loop {
        if let Some(length) = length_of_request(&bytes) {
            if bytes.len() >= length {
                return Some(String::from_utf8_lossy(&bytes).into_owned());
            }
        }
        match stream.read(&mut chunk) {
            Ok(0) | Err(_) => return None,
            Ok(n) => bytes.extend_from_slice(&chunk[..n]),
        }
    }
}

/// The length of head and body, once the head is there.
fn length_of_request(bytes: &[u8]) -> Option<usize> {
    let head = bytes.windows(4).position(|end| end == b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(&bytes[..head]).to_ascii_lowercase();
    let length = text.lines().find_map(|line| line.strip_prefix("content-length:"));
    Some(head + length.and_then(|n| n.trim().parse().ok()).unwrap_or(0))
}

/// Reads and forgets until the peer goes.
pub fn drain(mut stream: &TcpStream) {
    let _ = std::io::copy(&mut stream, &mut std::io::sink());
}
