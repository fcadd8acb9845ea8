//! A name server for one test: it answers, refuses or keeps silent, as it is told.

use std::net::{Ipv4Addr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// What it makes of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names {
    /// Every name has this address.
    Are(Ipv4Addr),
    /// SERVFAIL.
    Fail,
    /// No answer at all.
    Hang,
}

/// It listens on port 53 of an address of its own in 127.0.0.0/8.
pub struct NameServer {
    address: Ipv4Addr,
    names: Arc<Mutex<Names>>,
    questions: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
}

impl NameServer {
    /// `None` where the port needs rights that we do not have.
    pub fn start(names: Names) -> Option<NameServer> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let [.., high, low] = std::process::id().to_be_bytes();
        let n = COUNT.fetch_add(1, Ordering::SeqCst) as u8;
        let address = Ipv4Addr::new(127, 100 + n, high, low);
        let socket = UdpSocket::bind((address, 53)).ok()?;
        socket.set_read_timeout(Some(Duration::from_millis(50))).ok()?;
        let server = NameServer {
            address,
            names: Arc::new(Mutex::new(names)),
            questions: Arc::default(),
            stop: Arc::default(),
        };
        let (names, questions) = (server.names.clone(), server.questions.clone());
        let stop = server.stop.clone();
        thread::spawn(move || {
            let mut packet = [0; 1500];
            while !stop.load(Ordering::SeqCst) {
                let Ok((length, from)) = socket.recv_from(&mut packet) else { continue };
                questions.fetch_add(1, Ordering::SeqCst);
                let names = *names.lock().expect("no panic while it is held");
                if let Some(answer) = answer(&packet[..length], names) {
                    let _ = socket.send_to(&answer, from);
                }
            }
        });
        Some(server)
    }

    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Changes what it makes of questions from now on.
    pub fn set(&self, names: Names) {
        *self.names.lock().expect("no panic while it is held") = names;
    }

    pub fn questions(&self) -> usize {
        self.questions.load(Ordering::SeqCst)
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
    }
}

/// RFC 1035, section 4: the question goes back with flags, counts and at most one address.
fn answer(question: &[u8], names: Names) -> Option<Vec<u8>> {
    const RECURSIVE_ANSWER: u16 = 0x8180;
    const SERVFAIL: u16 = 2;
    let name_end = 12 + question.get(12..)?.iter().position(|byte| *byte == 0)?;
    let kind = question.get(name_end + 1..name_end + 3)?;
    let asked = question.get(12..name_end + 5)?;
    let (flags, address) = match names {
        Names::Hang => return None,
        Names::Fail => (RECURSIVE_ANSWER | SERVFAIL, None),
        Names::Are(address) => (RECURSIVE_ANSWER, (kind == [0, 1]).then_some(address)),
    };
    let mut answer = question.get(..2)?.to_vec();
    for field in [flags, 1, u16::from(address.is_some()), 0, 0] {
        answer.extend(field.to_be_bytes());
    }
    answer.extend(asked);
    if let Some(address) = address {
        // The name by reference; type A, class IN, a minute to live, four bytes.
        answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
        answer.extend(address.octets());
    }
    Some(answer)
}
