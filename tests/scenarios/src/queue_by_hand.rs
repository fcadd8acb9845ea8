//! The hosted edition's queue, run when a test says so and not by pg_cron.

use crate::Stack;

impl Stack {
    /// With the trigger on `auth.users` attached, and without pg_cron.
    pub fn syncing_by_hand(self) -> Stack {
        self.edition().stop_cron();
        self.execute("SELECT cometchat.enable_auth_trigger(), cometchat.resume()");
        self
    }

    /// Runs the queue once, as pg_cron does; the message of an error.
    pub fn run_queue(&self) -> Option<String> {
        self.run_queue_with("")
    }

    /// The same in a session with these settings.
    pub fn run_queue_with(&self, settings: &str) -> Option<String> {
        let mut session = self.db.connect("postgres");
        session.batch_execute(settings).expect(settings);
        let ran = session.batch_execute("CALL cometchat.process_queue()");
        ran.err().and_then(|error| Some(error.as_db_error()?.message().to_owned()))
    }
}
