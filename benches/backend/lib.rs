//! The extension's transport alone, behind one SQL function, for `make bench`.
//!
//! A library of its own, so that nothing of this is ever in the extension. It waits with the very
//! same code: src/pg/latch.rs and wait_event.rs.

#[allow(dead_code)] // the extension uses all of it
#[path = "../../src/pg/latch.rs"]
mod latch;
#[allow(dead_code)]
#[path = "../../src/pg/wait_event.rs"]
mod wait_event;

use std::cell::OnceCell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pgrx::prelude::*;
use transport::AgentOptions;

::pgrx::pg_module_magic!();

thread_local! {
    static AGENT: OnceCell<ureq::Agent> = const { OnceCell::new() };
}

/// Makes `n` GET requests, one after the other; the nanoseconds that they took together.
#[pg_extern(sql = false)]
fn cometchat_bench_get(url: &str, n: i32) -> i64 {
    let agent = AGENT.with(|agent| agent.get_or_init(new_agent).clone());
    let started = Instant::now();
    for _ in 0..n {
        let body = agent.get(url).call().and_then(|answer| answer.into_body().read_to_vec());
        latch::rethrow_pending_error();
        if let Err(e) = body {
            error!("request failed: {e}");
        }
    }
    started.elapsed().as_nanos() as i64
}

fn new_agent() -> ureq::Agent {
    let options = AgentOptions {
        ca_pem: None,
        proxy: None,
        connect_timeout: Duration::from_secs(60),
        https_only: false,
        keep_idle: 2,
    };
    let agent = transport::agent(&options, Arc::new(latch::LatchWait));
    agent.unwrap_or_else(|e| error!("{e}"))
}
