//! What Postgres offers only through its C API, each piece small and alone. Mechanism: it imports
//! nothing else of this library.

pub mod activity; // what is shown of a long statement
pub mod arguments; // types of our SQL functions' arguments and results
mod audit; // what pgaudit logs of our statements
pub mod background; // what a background process does as Postgres's own do
pub mod databases; // the databases of the cluster
pub mod deadline; // when a call has to be done
pub mod grants; // what a role is and may execute
pub mod jsonb; // a jsonb value, read where it is
pub mod latch; // waiting on the latch, serving interrupts
pub mod lock; // one call at a time for one user
pub mod planning; // the planner's settings for our statements
pub mod process; // what each process that loads the library does once
pub mod record; // two versions of a row compared
mod relation; // a relation by its name, locked
pub mod rights; // the rights that a statement runs with
pub mod session; // facts about the session
pub mod spi; // statements: arguments in, rows out
mod stored_row; // a row, column by column
pub mod subxact; // statements whose failure is a value
pub mod text; // bytes to text, and back
pub mod transaction; // a background worker's transactions
mod unguarded; // what cannot raise an error
pub mod unique_key; // one row by its key, without a statement
mod values; // values in statements and rows
pub mod wait_event; // what a wait is shown as
