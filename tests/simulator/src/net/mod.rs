//! Sockets and HTTP: table of contents.

pub mod listener;
pub mod service;
pub mod stream;
pub mod switch;
pub mod tls;
pub mod wire;
