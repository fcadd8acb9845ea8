//! What `pg_stat_activity.wait_event` shows while a process of ours waits: names of our own from
//! PostgreSQL 17 on, `Extension` before.

/// What is waited for.
#[derive(Clone, Copy, Debug)]
pub enum WaitEvent {
    /// A call: CometChat's answer.
    Http,
    /// A call: another process that is at the same user, or a request that the rate limit allows.
    Turn,
    /// The worker: work, its threads, or the time of the next attempt.
    WorkerMain,
    /// The launcher: databases without a worker.
    LauncherMain,
}

#[cfg(any(feature = "pg15", feature = "pg16"))]
impl WaitEvent {
    /// As `WaitLatch` takes it.
    pub(super) fn number(self) -> u32 {
        pgrx::pg_sys::PG_WAIT_EXTENSION
    }
}

#[cfg(not(any(feature = "pg15", feature = "pg16")))]
impl WaitEvent {
    /// As `WaitLatch` takes it.
    pub(super) fn number(self) -> u32 {
        use std::cell::Cell;
        thread_local! {
            // Of the main thread: the numbers that Postgres gave, from the first wait on.
            static NUMBERS: Cell<[u32; 4]> = const { Cell::new([0; 4]) };
        }
        let (name, mut numbers) = (self.name(), NUMBERS.get());
        let number = &mut numbers[self as usize];
        if *number == 0 {
            // SAFETY: a NUL-terminated literal; called with no lock held.
            *number = unsafe { pgrx::pg_sys::WaitEventExtensionNew(name.as_ptr()) };
        }
        let number = *number;
        NUMBERS.set(numbers);
        number
    }

    fn name(self) -> &'static std::ffi::CStr {
        match self {
            WaitEvent::Http => c"CometChatHttp",
            WaitEvent::Turn => c"CometChatTurn",
            WaitEvent::WorkerMain => c"CometChatWorkerMain",
            WaitEvent::LauncherMain => c"CometChatLauncherMain",
        }
    }
}
