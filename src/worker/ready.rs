//! Users that are claimed and not handed to a thread yet: people first, then the backlog.

use std::collections::VecDeque;

use sync::job::Job;
use uuid::Uuid;

use crate::http::WorkerClient;

/// A worker's, until its process ends.
#[derive(Default)]
pub struct Ready {
    people: VecDeque<(WorkerClient, Job)>,
    backlog: VecDeque<(WorkerClient, Job)>,
    /// Of the backlog, those who are to be created together.
    import: Option<(WorkerClient, Vec<Job>)>,
}

impl Ready {
    pub fn push(&mut self, client: WorkerClient, job: Job) {
        let queue = if job.backlog { &mut self.backlog } else { &mut self.people };
        queue.push_back((client, job));
    }

    pub fn set_import(&mut self, client: WorkerClient, jobs: Vec<Job>) {
        self.import = Some((client, jobs));
    }

    pub fn has_import(&self) -> bool {
        self.import.is_some()
    }

    /// Takes those who are to be created together, once nobody of the people is left.
    pub fn pop_import(&mut self) -> Option<(WorkerClient, Vec<Job>)> {
        self.import.take_if(|_| self.people.is_empty())
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
        let backlog = std::mem::take(&mut self.backlog);
        let import = self.import.take().map(|(_, jobs)| jobs).unwrap_or_default();
        people.into_iter().chain(backlog).map(|(_, job)| job).chain(import)
    }

    /// All that wait.
    pub fn users(&self) -> impl Iterator<Item = Uuid> + use<'_> {
        let singly = self.people.iter().chain(&self.backlog).map(|(_, job)| job.user);
        singly.chain(self.import.iter().flat_map(|(_, jobs)| jobs).map(|job| job.user))
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
        self.people.is_empty() && self.backlog.is_empty() && self.import.is_none()
    }
}
