//! `cometchat-simulator`: the stand-in as a program.

use clap::{Parser, ValueEnum};
use simulator::{HeaderStyle, Key, Limits, RecordMode, Scope, Settings, Simulator, DEV_API_KEY};
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;

const ABOUT: &str = "\
A local stand-in for CometChat's REST v3 users API: develop and test without an account.

It keeps users and auth tokens in memory, answers as the real API is known to, and can be told
to fail in many ways. Nothing is sent anywhere. Steer it while it runs with JSON over HTTP under
/_control; the README of the crate lists the endpoints.";

#[derive(Parser)]
#[command(name = "cometchat-simulator", version, about = ABOUT)]
struct Options {
    /// Port of the API (0 takes a free one)
    #[arg(long, default_value_t = 8090)]
    port: u16,

    /// Address to listen on; anything but loopback lets others steer the simulator
    #[arg(long, default_value = "127.0.0.1", value_name = "IP")]
    address: IpAddr,

    /// Serve /_control on a second port too, needed to pause or close the API's port
    #[arg(long, value_name = "PORT")]
    control_port: Option<u16>,

    /// Serve HTTPS under a certificate made for this run
    #[arg(long)]
    https: bool,

    /// Where to write the certificate that clients must trust
    #[arg(long, value_name = "FILE", default_value = "cometchat-simulator-ca.pem")]
    ca_file: PathBuf,

    /// Accept only this app id (repeatable) [default: any, each with its own users]
    #[arg(long, value_name = "ID")]
    app: Vec<String>,

    /// App of requests that name none [default: the first --app, else "simulator"]
    #[arg(long, value_name = "ID")]
    default_app: Option<String>,

    /// Accept this key, optionally as KEY:authOnly (repeatable) [default: the development key]
    #[arg(long, value_name = "KEY", value_parser = parse_key)]
    key: Vec<Key>,

    /// A role that exists besides "default" (repeatable)
    #[arg(long, value_name = "ROLE")]
    role: Vec<String>,

    /// Rate limits: those of the free plan, of a paid plan, or none
    #[arg(long, value_enum, default_value_t = Plan::Off)]
    limits: Plan,

    /// Length of a rate-limit window in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 60_000)]
    window_ms: u64,

    /// Spelling of the rate-limit headers
    #[arg(long, value_enum, default_value_t = Spelling::Joined)]
    limit_headers: Spelling,

    /// Users per app before 402 ERR_PLAN_QUOTA_RESTRICTION
    #[arg(long, value_name = "USERS")]
    quota: Option<usize>,

    /// Milliseconds added to every answer
    #[arg(long, value_name = "MS", default_value_t = 0)]
    latency_ms: u64,

    /// What to remember of requests
    #[arg(long, value_enum, default_value_t = Record::Full)]
    record: Record,

    /// Other settings as JSON, put over the options above, such as '{"duplicate_status":409}'
    #[arg(long, value_name = "JSON")]
    settings: Option<String>,

    /// Add this many users "user-1", "user-2", ... at the start
    #[arg(long, value_name = "USERS", default_value_t = 0)]
    seed: usize,

    /// Write a JSON file with the addresses once the server answers, for scripts
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,

    /// Worker threads
    #[arg(long, value_name = "N", default_value_t = 2)]
    threads: usize,
}

#[derive(Clone, Copy, ValueEnum)]
enum Plan {
    Off,
    Build,
    Paid,
}

#[derive(Clone, Copy, ValueEnum)]
enum Spelling {
    Dashed,
    Joined,
    Both,
    None,
}

#[derive(Clone, Copy, ValueEnum)]
enum Record {
    Full,
    Counts,
    Off,
}

fn parse_key(text: &str) -> Result<Key, String> {
    let (key, scope) = match text.rsplit_once(':') {
        None => (text, Scope::FullAccess),
        Some((key, "fullAccess")) => (key, Scope::FullAccess),
        Some((key, "authOnly")) => (key, Scope::AuthOnly),
        Some((_, other)) => return Err(format!("no scope {other}: fullAccess or authOnly")),
    };
    Ok(Key { key: key.into(), scope, app: None })
}

fn settings(options: &Options) -> Result<Settings, String> {
    let mut settings = Settings::default();
    let first = options.default_app.as_ref().or(options.app.first());
    settings.default_app = first.cloned().unwrap_or(settings.default_app);
    settings.apps = options.app.clone();
    if !options.key.is_empty() {
        settings.keys = options.key.clone();
    }
    settings.roles.extend(options.role.iter().map(|role| role.to_lowercase()));
    settings.limits = match options.limits {
        Plan::Off => Limits::default(),
        Plan::Build => Limits::build_plan(),
        Plan::Paid => Limits::paid_plan(),
    };
    settings.limits.window_ms = options.window_ms;
    settings.limits.headers = match options.limit_headers {
        Spelling::Dashed => HeaderStyle::Dashed,
        Spelling::Joined => HeaderStyle::Joined,
        Spelling::Both => HeaderStyle::Both,
        Spelling::None => HeaderStyle::None,
    };
    settings.quota = options.quota;
    settings.latency_ms = options.latency_ms;
    settings.record = match options.record {
        Record::Full => RecordMode::Full,
        Record::Counts => RecordMode::Counts,
        Record::Off => RecordMode::Off,
    };
    let Some(patch) = &options.settings else { return Ok(settings) };
    let patch = serde_json::from_str(patch).map_err(|e| format!("--settings: {e}"))?;
    settings.patched(&patch).map_err(|e| format!("--settings: {e}"))
}

fn start(options: &Options) -> Result<Simulator, String> {
    let settings = settings(options)?;
    let mut builder = Simulator::builder()
        .address(options.address)
        .port(options.port)
        .threads(options.threads)
        .settings(settings);
    if let Some(port) = options.control_port {
        builder = builder.control_port(port);
    }
    if options.https {
        builder = builder.https().ca_file(&options.ca_file);
    }
    let simulator = builder.start().map_err(|error| error.to_string())?;
    if options.seed > 0 {
        simulator.seed("user-", options.seed)?;
    }
    Ok(simulator)
}

/// Says where it is: in words, and then in the ready file. In this order, because a script that sees
/// the file reads the words at once.
fn tell(options: &Options, simulator: &Simulator) -> Result<(), String> {
    println!("base URL     {}", simulator.base_url());
    println!("control URL  {}", simulator.control_url());
    if let Some(path) = simulator.ca_file() {
        println!("CA file      {}", path.display());
    }
    if options.key.is_empty() {
        println!("API key      {DEV_API_KEY}");
    }
    let Some(path) = &options.ready_file else { return Ok(()) };
    let ready = serde_json::json!({
        "base_url": simulator.base_url(),
        "control_url": simulator.control_url(),
        "ca_file": simulator.ca_file(),
    });
    // Written aside and renamed, so that a script waiting for the file never reads half of it.
    let aside = path.with_extension("partial");
    std::fs::write(&aside, format!("{ready}\n"))
        .and_then(|()| std::fs::rename(&aside, path))
        .map_err(|e| format!("--ready-file: {e}"))
}

fn main() -> ExitCode {
    let options = Options::parse();
    let started =
        start(&options).and_then(|simulator| tell(&options, &simulator).map(|()| simulator));
    let _simulator = match started {
        Ok(simulator) => simulator,
        Err(problem) => {
            eprintln!("cometchat-simulator: {problem}");
            return ExitCode::FAILURE;
        }
    };
    loop {
        // Until a signal ends the process; the server has threads of its own.
        std::thread::park();
    }
}
