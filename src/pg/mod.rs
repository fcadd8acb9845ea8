//! Everything unsafe, each piece small and alone: what Postgres offers only through its C API.

pub mod bgworker;
pub mod deadline;
pub mod latch;
pub mod lock;
pub mod planning;
pub mod process;
pub mod record;
pub mod revoked;
pub mod rights;
pub mod session;
pub mod shared;
pub mod spi;
pub mod subxact;
pub mod text;
pub mod transaction;
pub mod turn;
mod undoable;
pub mod undone;
mod values;
pub mod wake;
