//! The background processes: whatever was committed reaches CometChat by itself.
//!
//! By state, not by event: a row in `cometchat.sync_state` says what CometChat should have and what
//! it has. A worker claims the rows that differ ([`crate::store::claim`]), has threads bring them to
//! agreement (`sync::job`) with no transaction open, and writes the results
//! ([`crate::store::complete`]).

pub mod begin; // whether there is anything to serve in the database that a worker was sent to
pub mod bgworker; // how our background processes are started, known and ended
pub mod completions; // results that are not written yet
mod dispatch; // hands users to the threads, and takes the results back
pub mod foreground; // the same work in a session: process_queue()
mod import; // when the backlog is created together
pub mod launcher; // starts a worker for each database that has the extension
mod notice; // what operators are told
mod on_poll; // what the worker does about each result of a poll
pub mod poll; // one poll of the queue
pub mod pool; // threads that send
mod ready; // users that are claimed and not handed to a thread yet
mod room; // making room for other databases' workers
pub mod run; // the worker's loop
pub mod sweep; // compares with auth.users, for changes that no trigger saw
pub mod threads; // this process's threads, and the agent that they share
