//! A CONNECT proxy of the smallest kind.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::fault_server::read_request;
use crate::FaultServer;

/// Connects whoever asks to whatever they ask for, and keeps what they said.
pub struct ConnectProxy {
    server: FaultServer,
    heard: Arc<Heard>,
}

#[derive(Default)]
struct Heard {
    heads: Mutex<Vec<String>>,
    tunnelled: Mutex<Vec<u8>>,
}

impl ConnectProxy {
    pub fn start() -> ConnectProxy {
        let heard: Arc<Heard> = Arc::default();
        let kept = heard.clone();
        let server = FaultServer::serving(move |client| {
            let _ = serve(client, &kept); // either side may go at any time
        });
        ConnectProxy { server, heard }
    }

    /// For `cometchat.proxy`.
    pub fn url(&self) -> String {
        format!("http://{}", self.server.addr())
    }

    /// The heads of the requests that came, CONNECT or not.
    pub fn heads(&self) -> Vec<String> {
        self.heard.heads.lock().expect("no panic while it is held").clone()
    }

    /// What clients sent through their tunnels.
    pub fn tunnelled(&self) -> Vec<u8> {
        self.heard.tunnelled.lock().expect("no panic while it is held").clone()
    }
}

fn serve(mut client: TcpStream, heard: &Arc<Heard>) -> io::Result<()> {
    let head = read_request(&mut client).ok_or(io::ErrorKind::UnexpectedEof)?;
    heard.heads.lock().expect("no panic while it is held").push(head.clone());
    let target = head.strip_prefix("CONNECT ").and_then(|rest| rest.split(' ').next());
    let Some(target) = target else {
        return client.write_all(b"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n");
    };
    let server = TcpStream::connect(target)?;
    client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
    let (to, from) = (server.try_clone()?, client.try_clone()?);
    let heard = heard.clone();
    thread::spawn(move || {
        pass_on(&from, &to, |bytes| {
            heard.tunnelled.lock().expect("no panic while it is held").extend(bytes);
        });
    });
    pass_on(&server, &client, |_| ());
    Ok(())
}

fn pass_on(mut from: &TcpStream, mut to: &TcpStream, keep: impl Fn(&[u8])) {
    let mut chunk = [0; 16 * 1024];
    while let Ok(n @ 1..) = from.read(&mut chunk) {
        keep(&chunk[..n]);
        if to.write_all(&chunk[..n]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}
