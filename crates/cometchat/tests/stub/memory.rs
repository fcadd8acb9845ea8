//! A ureq transport without sockets: plays a script of reads. Fast enough for fuzzing,
//! and the way to produce errors that a real socket seldom gives.

use std::io;
use std::sync::{Arc, Mutex};

use cometchat::Client;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, Transport,
};
use ureq::Error;

/// What a read gives.
#[derive(Debug, Clone)]
pub enum Step {
    Bytes(Vec<u8>),
    Fail(io::ErrorKind),
    /// As a transport under TLS has to hide it, see `transport_error.rs`.
    FailHidden(io::ErrorKind),
    /// These bytes again and again, for ever.
    Forever(Vec<u8>),
}

/// Plays the same script on every connection, then reports the end of the stream.
#[derive(Debug, Clone)]
pub struct Script(Arc<Mutex<(Vec<Step>, usize)>>);

impl Script {
    pub fn new(steps: Vec<Step>) -> Script {
        Script(Arc::new(Mutex::new((steps, 0))))
    }

    /// These bytes in pieces, as a network delivers them.
    pub fn playing(bytes: &[u8]) -> Script {
        let piece = if bytes.len() < 10_000 { 97 } else { 16_000 };
        Script::new(bytes.chunks(piece).map(|piece| Step::Bytes(piece.to_vec())).collect())
    }

    /// Connections made so far.
    pub fn connections(&self) -> usize {
        self.0.lock().unwrap().1
    }

    pub fn agent(&self) -> ureq::Agent {
        let config = ureq::Agent::config_builder().proxy(None).build();
        ureq::Agent::with_parts(config, self.clone(), NoResolver)
    }

    pub fn client(&self) -> Client {
        super::client(self.agent(), "http://127.0.0.1:1/v3")
    }
}

/// Nothing is looked up: ureq's own resolver would start a thread for each request.
#[derive(Debug)]
struct NoResolver;

impl Resolver for NoResolver {
    fn resolve(&self, _: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        Ok(self.empty())
    }
}

impl Connector for Script {
    type Out = Player;

    fn connect(&self, _: &ConnectionDetails, _: Option<()>) -> Result<Option<Player>, Error> {
        let mut state = self.0.lock().unwrap();
        state.1 += 1;
        let steps = state.0.iter().rev().cloned().collect();
        Ok(Some(Player { steps, buffers: LazyBuffers::new(64 * 1024, 64 * 1024) }))
    }
}

#[derive(Debug)]
pub struct Player {
    /// The next one last.
    steps: Vec<Step>,
    buffers: LazyBuffers,
}

impl Transport for Player {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, _: usize, _: NextTimeout) -> Result<(), Error> {
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        if timeout.after.is_zero() {
            return Err(Error::Timeout(timeout.reason));
        }
        match self.steps.pop() {
            Some(Step::Bytes(mut bytes)) => {
                let room = self.buffers.input_append_buf();
                let n = bytes.len().min(room.len());
                room[..n].copy_from_slice(&bytes[..n]);
                self.buffers.input_appended(n);
                if n < bytes.len() {
                    self.steps.push(Step::Bytes(bytes.split_off(n)));
                }
                Ok(n > 0)
            }
            Some(Step::Forever(bytes)) => {
                self.steps.extend([Step::Forever(bytes.clone()), Step::Bytes(bytes)]);
                self.await_input(timeout)
            }
            Some(Step::Fail(kind)) => Err(Error::Io(kind.into())),
            Some(Step::FailHidden(kind)) => Err(Error::Other(Box::new(io::Error::from(kind)))),
            None => Ok(false),
        }
    }

    fn is_open(&mut self) -> bool {
        false
    }
}
