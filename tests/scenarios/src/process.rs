//! What the kernel says about a server process.

use std::fs;

/// A process of the server, looked at through /proc.
#[derive(Clone, Copy, Debug)]
pub struct Process(pub i32);

impl Process {
    /// The backend of a session.
    pub fn of(client: &mut postgres::Client) -> Process {
        Process(client.query_one("SELECT pg_backend_pid()", &[]).expect("the backend's pid").get(0))
    }

    /// Anonymous memory in use, in kilobytes.
    pub fn rss_anon(self) -> u64 {
        self.status("RssAnon:")
    }

    pub fn threads(self) -> u64 {
        self.status("Threads:")
    }

    /// Processor time used so far, in the kernel's ticks: hundredths of a second.
    pub fn cpu_ticks(self) -> u64 {
        let stat =
            fs::read_to_string(format!("/proc/{}/stat", self.0)).expect("the process's stat");
        // The second field, the program's name, may have spaces in it.
        let (_, after_name) = stat.rsplit_once(')').expect("a name in parentheses");
        let fields: Vec<&str> = after_name.split_whitespace().collect();
        fields[11..13].iter().map(|ticks| ticks.parse::<u64>().expect("a number")).sum()
    }

    /// Open sockets, epoll sets, eventfds and the like: everything but files, of which Postgres
    /// keeps open what it likes.
    pub fn descriptors(self) -> Vec<String> {
        let kind = |link: String| link.split(':').next().map(str::to_owned);
        let is_file = |link: &String| link.starts_with('/');
        let mut kinds: Vec<String> =
            self.links().into_iter().filter(|link| !is_file(link)).filter_map(kind).collect();
        kinds.sort();
        kinds
    }

    /// Open IP sockets (a backend's connection to its client here is a Unix one).
    pub fn ip_sockets(self) -> usize {
        let tables: Vec<String> = ["tcp", "tcp6", "udp", "udp6"]
            .map(|table| fs::read_to_string(format!("/proc/{}/net/{table}", self.0)))
            .into_iter()
            .flatten()
            .collect();
        let inodes: Vec<&str> = tables
            .iter()
            .flat_map(|table| table.lines().skip(1))
            .filter_map(|line| line.split_whitespace().nth(9))
            .collect();
        let inode = |link: &String| {
            link.strip_prefix("socket:[").and_then(|l| l.strip_suffix(']')).map(str::to_owned)
        };
        self.links().iter().filter_map(inode).filter(|i| inodes.contains(&i.as_str())).count()
    }

    fn links(self) -> Vec<String> {
        let dir = fs::read_dir(format!("/proc/{}/fd", self.0)).expect("the process's descriptors");
        dir.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok())
            .map(|link| link.to_string_lossy().into_owned())
            .collect()
    }

    fn status(self, field: &str) -> u64 {
        let status =
            fs::read_to_string(format!("/proc/{}/status", self.0)).expect("the process's status");
        let line = status.lines().find_map(|line| line.strip_prefix(field)).expect(field);
        line.split_whitespace().next().and_then(|n| n.parse().ok()).expect("a number")
    }
}
