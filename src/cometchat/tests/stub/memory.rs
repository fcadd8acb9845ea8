//! A ureq transport without sockets: plays a script of reads. Fast enough for fuzzing,
//! and the way to produce errors that a real socket seldom gives.

use std::io;
use std::sync::{Arc, Mutex};

use cometchat::Client;
use ureq::unversioned::resolver::DefaultResolver;
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
}

/// Plays the same script on every connection, then reports the end of the stream.
#[derive(Debug, Clone)]
pub struct Script(Arc<Mutex<(Vec<Step>, usize)>>);

impl Script {
    pub fn new(steps: Vec<Step>) -> Script {
        Script(Arc::new(Mutex::new((steps, 0))))
    }

    /// Connections made so far.
    pub fn connections(&self) -> usize {
        self.0.lock().unwrap().1
    }

    pub fn client(&self) -> Client {
        let config = ureq::Agent::config_builder().proxy(None).build();
        let agent = ureq::Agent::with_parts(config, self.clone(), DefaultResolver::default());
        super::client(agent, "http://127.0.0.1:1/v3")
    }
}

impl Connector for Script {
    type Out = Player;

    fn connect(&self, _: &ConnectionDetails, _: Option<()>) -> Result<Option<Player>, Error> {
        let mut state = self.0.lock().unwrap();
        state.1 += 1;
        let steps = state.0.clone().into_iter();
        Ok(Some(Player { steps, buffers: LazyBuffers::new(64 * 1024, 64 * 1024) }))
    }
}

#[derive(Debug)]
pub struct Player {
    steps: std::vec::IntoIter<Step>,
    buffers: LazyBuffers,
}

impl Transport for Player {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, _: usize, _: NextTimeout) -> Result<(), Error> {
        Ok(())
    }

    fn await_input(&mut self, _: NextTimeout) -> Result<bool, Error> {
        match self.steps.next() {
            Some(Step::Bytes(bytes)) => {
                let room = self.buffers.input_append_buf();
                let n = bytes.len().min(room.len());
                room[..n].copy_from_slice(&bytes[..n]);
                self.buffers.input_appended(n);
                Ok(n > 0)
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
