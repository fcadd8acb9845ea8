//! What teams use instead: the same flow in PL/pgSQL with pgsql-http, and in a server route on Node.

mod pgsql_http;
mod relay;
mod server_route;

use crate::report::Report;
use crate::scale::Scale;

/// Measures the parts that `chosen` wants.
pub fn measure(scale: &Scale, chosen: impl Fn(&str) -> bool, report: &mut Report) {
    if chosen("http") {
        pgsql_http::measure(scale, report);
    }
    if chosen("route") {
        server_route::measure(scale, report);
    }
    if chosen("pg_net") {
        report.heading("pg_net");
        report.elsewhere(
            "pg_net",
            "not measured: no registry that is used here has it",
            "by hand elsewhere: 198 requests/s drained, 15 µs a row enqueued, 7.4 s for DROP DATABASE",
        );
    }
}
