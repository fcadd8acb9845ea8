//! A CONNECT proxy of the smallest kind.

use std::io::{self, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::fault_server::read_request;
use crate::FaultServer;

/// Connects whoever asks to whatever they ask for, and keeps what they said.
pub struct ConnectProxy {
    server: FaultServer,
    heads: Arc<Mutex<Vec<String>>>,
}

impl ConnectProxy {
    pub fn start() -> ConnectProxy {
        let heads: Arc<Mutex<Vec<String>>> = Arc::default();
        let kept = heads.clone();
        let server = FaultServer::serving(move |client| {
            let _ = serve(client, &kept); // either side may go at any time
        });
        ConnectProxy { server, heads }
    }

    /// For `cometchat.proxy`.
    pub fn url(&self) -> String {
        format!("http://{}", self.server.addr())
    }

    /// The heads of the requests that came, CONNECT or not.
    pub fn heads(&self) -> Vec<String> {
        self.heads.lock().expect("no panic while it is held").clone()
    }
}

fn serve(mut client: TcpStream, heads: &Mutex<Vec<String>>) -> io::Result<()> {
    let head = read_request(&mut client).ok_or(io::ErrorKind::UnexpectedEof)?;
    heads.lock().expect("no panic while it is held").push(head.clone());
    let target = head.strip_prefix("CONNECT ").and_then(|rest| rest.split(' ').next());
    let Some(target) = target else {
        return client.write_all(b"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n");
    };
    let server = TcpStream::connect(target)?;
    client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
    let (to, from) = (server.try_clone()?, client.try_clone()?);
    thread::spawn(move || pass_on(&from, &to));
    pass_on(&server, &client);
    Ok(())
}

fn pass_on(mut from: &TcpStream, mut to: &TcpStream) {
    let _ = io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Write);
}
