//! Users that are claimed and not handed to a thread yet: people first, then the backlog.

use std::collections::VecDeque;

use sync::job::Job;

use crate::http::WorkerClient;

/// A worker's, until its process ends.
#[derive(Default)]
pub struct Ready {
    people: VecDeque<(WorkerClient, Job)>,
    backlog: VecDeque<(WorkerClient, Job)>,
}

impl Ready {
    pub fn push(&mut self, client: WorkerClient, job: Job) {
        let queue = if job.backlog { &mut self.backlog } else { &mut self.people };
        queue.push_back((client, job));
    }

    /// The next to be sent.
    pub fn pop(&mut self, backlog_may_go: impl FnOnce() -> bool) -> Option<(WorkerClient, Job)> {
        self.people.pop_front().or_else(|| {
            if !self.backlog.is_empty() && backlog_may_go() {
                self.backlog.pop_front()
            } else {
                None
            }
        })
    }

    /// Takes all that wait.
    pub fn take(&mut self) -> impl Iterator<Item = Job> {
        let people = std::mem::take(&mut self.people);
        people.into_iter().chain(std::mem::take(&mut self.backlog)).map(|(_, job)| job)
    }

    /// Takes the backlog.
    pub fn take_backlog(&mut self) -> impl Iterator<Item = Job> {
        std::mem::take(&mut self.backlog).into_iter().map(|(_, job)| job)
    }

    pub fn people(&self) -> usize {
        self.people.len()
    }

    pub fn backlog(&self) -> usize {
        self.backlog.len()
    }

    pub fn is_empty(&self) -> bool {
        self.people.is_empty() && self.backlog.is_empty()
    }
}
