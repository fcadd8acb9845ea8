//! A network of a known length: passes on what it is sent, as late as it takes to get there.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// Listens until the program ends.
pub struct Relay {
    port: u16,
}

impl Relay {
    /// In front of `target`, `one_way` from there.
    pub fn start(target: u16, one_way: Duration) -> Relay {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = listener.local_addr().expect("its number").port();
        thread::spawn(move || {
            for near in listener.incoming().flatten() {
                let Ok(far) = TcpStream::connect((Ipv4Addr::LOCALHOST, target)) else { continue };
                let back = (far.try_clone(), near.try_clone());
                pass_on(near, far, one_way);
                if let (Ok(far), Ok(near)) = back {
                    pass_on(far, near, one_way);
                }
            }
        });
        Relay { port }
    }

    pub fn port(&self) -> u16 {
        self.port
    }
}

/// One direction of a connection: read at once, written when its time has come.
fn pass_on(mut from: TcpStream, mut to: TcpStream, one_way: Duration) {
    let (sender, arriving) = mpsc::channel::<(Instant, Vec<u8>)>();
    let _ = to.set_nodelay(true);
    thread::spawn(move || {
        let mut buffer = [0; 16 * 1024];
        while let Ok(length) = from.read(&mut buffer) {
            let on_its_way = (Instant::now() + one_way, buffer[..length].to_vec());
            if length == 0 || sender.send(on_its_way).is_err() {
                break;
            }
        }
    });
    thread::spawn(move || {
        for (arrives, bytes) in arriving {
            thread::sleep(arrives.saturating_duration_since(Instant::now()));
            if to.write_all(&bytes).is_err() {
                break;
            }
        }
        let _ = to.shutdown(std::net::Shutdown::Write);
    });
}
