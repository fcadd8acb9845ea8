//! Everything unsafe, each piece small and alone: what Postgres offers only through its C API.

pub mod bgworker;
pub mod deadline;
pub mod latch;
pub mod lock;
pub mod process;
pub mod revoked;
pub mod rights;
pub mod session;
pub mod shared;
pub mod spi;
pub mod subxact;
pub mod text;
pub mod transaction;
mod values;
pub mod wake;
