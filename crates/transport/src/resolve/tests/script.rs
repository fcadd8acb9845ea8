//! A resolver whose look-ups answer as the test says, and when.

use super::*;

/// A look-up that takes its answers from a channel, one for each time it is asked, and blocks
/// until there is one.
pub(super) struct Script {
    pub(super) answers: Sender<Vec<SocketAddr>>,
    pub(super) asked: Arc<AtomicUsize>,
    pub(super) resolver: Arc<CachingResolver>,
}

impl Script {
    pub(super) fn new() -> Script {
        let (answers, todo): (_, Receiver<Vec<SocketAddr>>) = mpsc::channel();
        let todo = Mutex::new(todo);
        let asked = Arc::new(AtomicUsize::new(0));
        let count = asked.clone();
        let look_up = move |_: &str, _| {
            count.fetch_add(1, Ordering::SeqCst);
            todo.lock().unwrap().recv().unwrap_or_default()
        };
        let waiter = Arc::new(PollWait::default());
        let resolver = Arc::new(CachingResolver::with_look_up(Arc::new(look_up), waiter));
        Script { answers, asked, resolver }
    }

    pub(super) fn will_answer(&self, addrs: &[SocketAddr]) {
        self.answers.send(addrs.to_vec()).unwrap();
    }

    pub(super) fn resolve(&self, uri: &str, within: Duration) -> Result<Vec<SocketAddr>, Error> {
        resolve(&self.resolver, uri, within)
    }

    pub(super) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// Waits until the look-up thread runs: a caller may give up before it does.
    pub(super) fn wait_until_asked(&self) {
        wait_until(|| self.asked() > 0);
    }

    /// Waits until the look-up under way has its answer, which no caller has taken yet.
    pub(super) fn wait_until_answered(&self) {
        let lookup = self.resolver.state().running.clone().expect("one is under way");
        wait_until(|| lookup.result.get().is_some());
    }

    /// Makes every answer that is known as old as one that has to be asked for again.
    pub(super) fn age(&self) {
        for known in self.resolver.state().known.values_mut() {
            known.fresh_until = Instant::now();
        }
    }
}

pub(super) fn wait_until(done: impl Fn() -> bool) {
    let give_up = Instant::now() + LONG;
    while !done() {
        assert!(Instant::now() < give_up, "it does not happen");
        thread::sleep(Duration::from_millis(1));
    }
}

pub(super) fn resolve(
    resolver: &CachingResolver,
    uri: &str,
    within: Duration,
) -> Result<Vec<SocketAddr>, Error> {
    let host = Host::from_uri(&uri.parse().unwrap())?;
    resolver.addresses(&host.name, host.port, Some(Instant::now() + within), &timeout(within))
}

pub(super) fn timeout(within: Duration) -> NextTimeout {
    NextTimeout { after: within.into(), reason: Timeout::Resolve, ..NextTimeout::default() }
}

pub(super) fn addr(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

pub(super) const LONG: Duration = Duration::from_secs(10);
pub(super) const SHORT: Duration = Duration::from_millis(60);
