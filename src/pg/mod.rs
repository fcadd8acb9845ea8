//! Everything unsafe, each piece small and alone: what Postgres offers only through its C API.

pub mod deadline;
pub mod latch;
pub mod lock;
pub mod planning;
pub mod process;
pub mod record;
pub mod rights;
pub mod session;
pub mod spi;
pub mod subxact;
pub mod text;
pub mod transaction;
mod values;
