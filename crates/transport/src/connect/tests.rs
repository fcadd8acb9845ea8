//! Which address is taken, and which failure is told.

use std::net::TcpListener;

use super::*;
use crate::PollWait;

fn connector() -> TcpConnector {
    let waiter: Arc<dyn Wait> = Arc::new(PollWait::default());
    let names = Arc::new(CachingResolver::new(waiter.clone()));
    TcpConnector { waiter, names, proxy: None }
}

fn connect(addrs: &[&str]) -> Result<TcpStream, Error> {
    let addrs: Vec<SocketAddr> = addrs.iter().map(|addr| addr.parse().unwrap()).collect();
    let until = Some(Instant::now() + Duration::from_secs(10));
    connector().connect_any(&addrs, until, &NextTimeout::default())
}

/// Nobody listens there.
const REFUSES: &str = "127.0.0.1:1";
/// A multicast group: TCP is told that there is no route.
const UNREACHABLE: &str = "224.0.0.1:1";

#[test]
fn the_next_address_is_tried_whatever_the_first_one_lacks() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let good = listener.local_addr().unwrap().to_string();
    for bad in [REFUSES, UNREACHABLE] {
        let stream = connect(&[bad, &good]).unwrap();
        assert_eq!(stream.peer_addr().unwrap(), listener.local_addr().unwrap(), "{bad}");
    }
}

#[test]
fn what_one_address_did_is_told_rather_than_that_there_is_no_way_to_another() {
    for addrs in [[REFUSES, UNREACHABLE], [UNREACHABLE, REFUSES]] {
        match connect(&addrs) {
            Err(Error::Io(e)) => {
                assert_eq!(e.kind(), io::ErrorKind::ConnectionRefused, "{addrs:?}")
            }
            other => panic!("{addrs:?}: {other:?}"),
        }
    }
    assert!(is_unreachable(&connect(&[UNREACHABLE]).unwrap_err()));
}
