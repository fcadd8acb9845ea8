//! The worker's threads: they send, and touch nothing of Postgres.
//!
//! Jobs go in through a channel, outcomes come back through another, and an eventfd tells the
//! main thread, which waits on it beside its latch. Signals are blocked in the threads; they are
//! joined before the process exits.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::signal::{SigSet, SigmaskHow};

use crate::http::WorkerClient;
use cometchat::Effect;
use sync::error::INTERNAL;
use sync::import::{self, Imported};
use sync::job::{Job, JobResult, Outcome};
use sync::policy::RetryDecision;
use uuid::Uuid;

/// What one thread does at a time.
pub enum Work {
    User(Box<Job>),
    /// Users who are to be created together.
    Import(Vec<Job>),
}

/// What came of it.
pub enum Done {
    User(Box<JobResult>),
    Import(Imported),
}

impl Work {
    fn users(&self) -> impl Iterator<Item = Uuid> + use<'_> {
        let jobs = match self {
            Work::User(job) => std::slice::from_ref(&**job),
            Work::Import(jobs) => jobs.as_slice(),
        };
        jobs.iter().map(|job| job.user)
    }
}

impl Done {
    fn users(&self) -> impl Iterator<Item = Uuid> + use<'_> {
        let results = match self {
            Done::User(result) => std::slice::from_ref(&**result),
            Done::Import(imported) => imported.results.as_slice(),
        };
        results.iter().map(|result| result.job.user)
    }
}

/// Threads that send.
///
/// Owned by the main thread, which alone hands jobs over and takes results back.
pub struct Pool {
    /// The way in; `None` once the pool is being dropped, which ends the threads.
    jobs: Option<Sender<(WorkerClient, Work)>>,
    /// The way out.
    done: Receiver<Done>,
    /// Written by a thread after each result, read empty by the main thread.
    wakeup_fd: Arc<EventFd>,
    /// Readable for good once the pool is being dropped; the threads' requests wait on it.
    stop: Arc<OwnedFd>,
    /// The same for a thread that waits for its turn to send.
    stopping: Arc<AtomicBool>,
    /// Joined when the pool is dropped.
    threads: Vec<JoinHandle<()>>,
    /// Work handed over and not taken back. Only the main thread uses it.
    in_flight: Cell<usize>,
    /// Whom it is about.
    users: RefCell<HashSet<Uuid>>,
}

impl Pool {
    /// Starts `size` threads.
    pub fn start(size: usize) -> std::io::Result<Pool> {
        let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
        let wakeup_fd = Arc::new(EventFd::from_flags(flags)?);
        let stop: OwnedFd = EventFd::from_flags(flags)?.into();
        let (jobs, queue) = mpsc::channel::<(WorkerClient, Work)>();
        let (sender, done) = mpsc::channel();
        let queue = Arc::new(Mutex::new(queue));
        let mut pool = Pool {
            jobs: Some(jobs),
            done,
            wakeup_fd: wakeup_fd.clone(),
            stop: Arc::new(stop),
            stopping: Arc::new(AtomicBool::new(false)),
            threads: Vec::with_capacity(size),
            in_flight: Cell::new(0),
            users: RefCell::default(),
        };
        // A new thread inherits this mask: Postgres's handlers must run on its main thread only.
        let before = SigSet::all().thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
        for n in 0..size {
            let (queue, sender, wakeup_fd) = (queue.clone(), sender.clone(), wakeup_fd.clone());
            let thread = thread::Builder::new()
                .name(format!("cometchat-{n}"))
                .stack_size(1024 * 1024)
                .spawn(move || work(&queue, &sender, &wakeup_fd));
            match thread {
                Ok(thread) => pool.threads.push(thread),
                Err(_) if n > 0 => break, // fewer will do
                Err(e) => {
                    before.thread_set_mask()?;
                    return Err(e);
                }
            }
        }
        before.thread_set_mask()?;
        Ok(pool)
    }

    /// Readable once `Pool` is being dropped: hand it to the waiters of the threads' requests.
    pub fn stop_signal(&self) -> Arc<OwnedFd> {
        self.stop.clone()
    }

    /// The same as a flag.
    pub fn stopping(&self) -> Arc<AtomicBool> {
        self.stopping.clone()
    }

    /// Readable while there may be outcomes to take.
    pub fn wakeup_fd(&self) -> Arc<EventFd> {
        self.wakeup_fd.clone()
    }

    /// Hands over work.
    pub fn send(&self, client: WorkerClient, work: Work) {
        if let Some(jobs) = &self.jobs {
            self.in_flight.set(self.in_flight.get() + 1);
            self.users.borrow_mut().extend(work.users());
            // Cannot fail: the threads hold the receiver until `jobs` is dropped.
            let _ = jobs.send((client, work));
        }
    }

    /// Takes what is done by now.
    pub fn take(&self) -> Vec<Done> {
        let _ = self.wakeup_fd.read(); // fails when it is empty
        let taken: Vec<Done> = self.done.try_iter().collect();
        self.in_flight.set(self.in_flight.get().saturating_sub(taken.len()));
        let mut users = self.users.borrow_mut();
        for user in taken.iter().flat_map(Done::users) {
            users.remove(&user);
        }
        taken
    }

    /// How much work was handed over and not taken back yet: so many threads are busy.
    pub fn in_flight(&self) -> usize {
        self.in_flight.get()
    }

    /// Adds those whom that work is about.
    pub fn add_users(&self, to: &mut HashSet<Uuid>) {
        to.extend(self.users.borrow().iter());
    }

    /// How many threads there are.
    pub fn size(&self) -> usize {
        self.threads.len()
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::Relaxed);
        // Interrupts what is being awaited, and lets no new job begin.
        let _ = nix::unistd::write(&self.stop, &1u64.to_ne_bytes());
        self.jobs = None;
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn work(queue: &Mutex<Receiver<(WorkerClient, Work)>>, done: &Sender<Done>, wakeup_fd: &EventFd) {
    loop {
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((client, work)) = next else { return };
        let result = match work {
            Work::User(job) => Done::User(Box::new(run(&client, *job))),
            Work::Import(jobs) => Done::Import(run_import(&client, jobs)),
        };
        if done.send(result).is_err() {
            return;
        }
        let _ = wakeup_fd.write(1); // fails only when its counter is full, which wakes as well
    }
}

/// Runs one job. A panic would be a bug of ours: the user is tried again, and the thread goes on.
fn run(client: &WorkerClient, job: Job) -> JobResult {
    let (mut fallback, started) = (job.clone(), Instant::now());
    fallback.remote.effect = Effect::UnderWay;
    let request_sent = Arc::new(AtomicBool::new(false));
    let client = client.start(job.backlog, request_sent.clone());
    let run = std::panic::AssertUnwindSafe(move || job.run(&client));
    let mut result = std::panic::catch_unwind(run).unwrap_or_else(|_| JobResult {
        job: fallback,
        outcome: Outcome::Failed {
            decision: RetryDecision::Retry,
            pause: None,
            code: INTERNAL.to_owned(),
            status: None,
            reason: INTERNAL.to_owned(),
            message: None,
        },
        started,
        took: started.elapsed(),
        request_sent: false,
    });
    result.request_sent = request_sent.load(Ordering::Relaxed);
    result
}

/// The same for users who are created together.
fn run_import(client: &WorkerClient, jobs: Vec<Job>) -> Imported {
    let (fallback, started) = (jobs.clone(), Instant::now());
    let request_sent = Arc::new(AtomicBool::new(false));
    let client = client.start_import(request_sent.clone());
    let sent = move || request_sent.load(Ordering::Relaxed);
    let run = std::panic::AssertUnwindSafe(move || import::run(jobs, &client, sent));
    std::panic::catch_unwind(run).unwrap_or_else(|_| import::all_singly(fallback, started))
}
