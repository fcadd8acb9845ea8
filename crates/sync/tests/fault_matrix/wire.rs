//! A ureq transport that ends in memory: hands a request to [`Remote`] and reads its answer.

use std::io;
use std::sync::{Arc, Mutex};

use cometchat::{ApiKey, Client};
use simulator::{DEFAULT_APP, DEV_API_KEY};
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, Transport,
};
use ureq::Error;

use crate::remote::{Failure, Remote};

/// A client whose requests end at `remote`.
pub fn client(remote: &Arc<Mutex<Remote>>) -> Client {
    let config = ureq::Agent::config_builder().proxy(None).build();
    let agent = ureq::Agent::with_parts(config, Wire(remote.clone()), NoResolver);
    let key = ApiKey::new(DEV_API_KEY.to_owned()).unwrap_or_else(|_| panic!("the key is fine"));
    Client::new(agent, "http://127.0.0.1:1/v3", DEFAULT_APP, Arc::new(key))
}

#[derive(Clone, Debug)]
struct Wire(Arc<Mutex<Remote>>);

/// ureq's own resolver would start a thread for each request.
#[derive(Debug)]
struct NoResolver;

impl Resolver for NoResolver {
    fn resolve(&self, _: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        Ok(self.empty())
    }
}

impl Connector for Wire {
    type Out = Line;

    fn connect(&self, _: &ConnectionDetails, _: Option<()>) -> Result<Option<Line>, Error> {
        if self.0.lock().unwrap().refuses_connection() {
            return Err(Error::Io(io::ErrorKind::ConnectionRefused.into()));
        }
        let buffers = LazyBuffers::new(8 * 1024, 8 * 1024);
        Ok(Some(Line { remote: self.0.clone(), request: Vec::new(), answer: None, buffers }))
    }
}

/// One connection, for one request.
#[derive(Debug)]
struct Line {
    remote: Arc<Mutex<Remote>>,
    request: Vec<u8>,
    /// What is still to be read, once the request was answered.
    answer: Option<(Vec<u8>, Failure)>,
    buffers: LazyBuffers,
}

impl Transport for Line {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, _: NextTimeout) -> Result<(), Error> {
        let sent = self.buffers.output()[..amount].to_vec();
        self.request.extend(sent);
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        if self.answer.is_none() {
            let (method, target, body) = parse(&self.request);
            self.answer = Some(self.remote.lock().unwrap().exchange(&method, &target, &body));
        }
        let (left, failure) = self.answer.get_or_insert_with(Default::default);
        if left.is_empty() {
            return match failure {
                Failure::Closed => Ok(false),
                Failure::Reset => Err(Error::Io(io::ErrorKind::ConnectionReset.into())),
                Failure::Timeout => Err(Error::Timeout(timeout.reason)),
            };
        }
        let room = self.buffers.input_append_buf();
        let n = left.len().min(room.len());
        room[..n].copy_from_slice(&left[..n]);
        left.drain(..n);
        self.buffers.input_appended(n);
        Ok(n > 0)
    }

    fn is_open(&mut self) -> bool {
        false
    }
}

fn parse(request: &[u8]) -> (String, String, Vec<u8>) {
    let end = request.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(request[..end].to_vec()).unwrap();
    let mut words = head.split_whitespace().map(str::to_owned);
    (words.next().unwrap(), words.next().unwrap(), request[end + 4..].to_vec())
}
