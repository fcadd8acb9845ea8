//! The accept loop, and one connection from its first byte to its last.

use super::service::{self, Door};
use super::stream::Stream;
use super::switch::ListenerState;
use super::wire::{play, Script};
use crate::shared::{lock, Shared};
use crate::state::gauges::{InFlight, Open};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use socket2::{Domain, Socket, Type};
use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// What requests of one connection share.
pub struct Line {
    pub door: Door,
    pub number: u64,
    /// Counts the connection as open, once an API request came by it.
    pub open: OnceLock<Open>,
    /// Where a request leaves the bytes that are to follow it past the HTTP server. The guard
    /// keeps the request counted as in flight until they are out.
    pub takeover: Mutex<Option<(Script, InFlight)>>,
}

impl Line {
    fn new(door: Door, number: u64) -> Arc<Line> {
        Arc::new(Line { door, number, open: OnceLock::new(), takeover: Mutex::new(None) })
    }
}

/// Binds with the address reusable, so that the port can be closed and opened again.
pub fn bind(address: SocketAddr) -> std::io::Result<std::net::TcpListener> {
    let listener = std::net::TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Keeps the port from everybody else while nobody listens: connections are refused.
fn reserve(address: SocketAddr) -> std::io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

/// Listens at a port that was reserved.
fn listen(reserved: Socket) -> std::io::Result<TcpListener> {
    reserved.listen(1024)?;
    reserved.set_nonblocking(true)?;
    TcpListener::from_std(reserved.into())
}

/// Serves the API's port and follows its switch.
pub async fn serve(shared: Arc<Shared>, listener: TcpListener, tls: Option<TlsAcceptor>) {
    let Ok(address) = listener.local_addr() else { return };
    let mut wanted = shared.switch.wanted();
    let mut listener = Some(listener);
    let mut reserved = None;
    let mut connections = JoinSet::new();
    loop {
        let state = *wanted.borrow_and_update();
        let moved = match state {
            ListenerState::Closed if reserved.is_none() => {
                listener = None;
                // The port is closed once the last of them has ended, and answers no more.
                connections.shutdown().await;
                reserve(address).map(|socket| reserved = Some(socket))
            }
            ListenerState::Open | ListenerState::Paused if listener.is_none() => {
                let opened = reserved.take().map_or_else(|| reserve(address), Ok).and_then(listen);
                opened.map(|opened| listener = Some(opened))
            }
            _ => Ok(()),
        };
        if moved.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        }
        shared.switch.reached(state);
        match &listener {
            Some(listener) if state == ListenerState::Open => tokio::select! {
                accepted = listener.accept() => {
                    while connections.try_join_next().is_some() {}
                    if let Ok((socket, _)) = accepted {
                        connections.spawn(connection(shared.clone(), socket, tls.clone()));
                    }
                }
                _ = wanted.changed() => {}
            },
            _ => {
                if wanted.changed().await.is_err() {
                    return;
                }
            }
        }
    }
}

/// Serves the control port, which no switch or fault touches.
pub async fn serve_control(shared: Arc<Shared>, listener: TcpListener) {
    loop {
        if let Ok((socket, _)) = listener.accept().await {
            let line = Line::new(Door::Control, 0);
            tokio::spawn(http(shared.clone(), Stream::Plain(socket), line));
        }
    }
}

async fn connection(shared: Arc<Shared>, socket: TcpStream, tls: Option<TlsAcceptor>) {
    let line = Line::new(Door::Api, shared.gauges.accepted.fetch_add(1, Relaxed) + 1);
    let _ = socket.set_nodelay(true);
    let stream = match tls {
        None => Stream::Plain(socket),
        Some(tls) => match tls.accept(socket).await {
            Ok(stream) => Stream::Tls(Box::new(stream)),
            Err(_) => return,
        },
    };
    http(shared, stream, line).await;
}

/// HTTP/1.1 until it ends, or until a request takes the connection over.
async fn http(shared: Arc<Shared>, stream: Stream, line: Arc<Line>) {
    let service =
        service_fn(|request| Box::pin(service::answer(shared.clone(), request, line.clone())));
    let mut connection = http1::Builder::new()
        .keep_alive(true)
        .header_read_timeout(None)
        .serve_connection(TokioIo::new(stream), service);
    // Without shutdown, so that the socket is still usable when a request took it over.
    let _ = poll_fn(|cx| connection.poll_without_shutdown(cx)).await;
    let script = lock(&line.takeover).take();
    let mut stream = connection.into_parts().io.into_inner();
    match script {
        Some((script, _in_flight)) => play(script, stream).await,
        None => {
            let _ = tokio::io::AsyncWriteExt::shutdown(&mut stream).await;
        }
    }
}
