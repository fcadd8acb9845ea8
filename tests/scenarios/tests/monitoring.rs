//! packaging/monitoring with the real postgres_exporter and Prometheus: every query is answered, every
//! panel of the dashboard shows something, every alert can be evaluated. `make monitoring` runs it.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use scenarios::{eventually, within, Stack};
use serde_json::Value;

fn file(name: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../packaging/monitoring")).join(name)
}

fn read(name: &str) -> String {
    fs::read_to_string(file(name)).expect(name)
}

/// Whether Debian's programs are there; `tools/monitoring.sh` fetches them.
fn installed() -> bool {
    let there = |program: &&str| Command::new(program).arg("--version").output().is_ok();
    let programs = ["prometheus", "promtool", "prometheus-postgres-exporter"];
    let all = programs.iter().all(there);
    if !all {
        println!("skipped: Prometheus and postgres_exporter are not installed");
    }
    all
}

/// A program that ends with the test.
struct Program(Child);

impl Program {
    fn start(command: &mut Command, log: &Path) -> Program {
        let log = fs::File::create(log).expect("a log");
        let command = command.stdin(Stdio::null()).stdout(log.try_clone().expect("a log"));
        Program(command.stderr(log).spawn().expect("the program starts"))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("its number").port()
}

/// A database that is monitored.
struct Monitored {
    stack: Stack,
    prometheus: u16,
    dir: PathBuf,
    _programs: [Program; 2],
}

impl Monitored {
    fn start() -> Monitored {
        let stack = Stack::syncing();
        stack.execute(&read("role.sql"));
        let dir = std::env::temp_dir().join(format!("monitoring-{}", stack.db.name()));
        fs::create_dir_all(&dir).expect("a folder");
        let (exporter, prometheus) = (free_port(), free_port());
        let queries = dir.join("queries.yaml");
        // Nobody waits here for what is looked at seldom.
        let mut lines: Vec<String> = read("queries.yaml").lines().map(str::to_owned).collect();
        lines.retain(|line| !line.contains("cache_seconds:"));
        fs::write(&queries, lines.join("\n")).expect("queries");
        let config = format!(
            "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\n\
             rule_files: ['{}']\n\
             scrape_configs:\n\
             - {{job_name: postgres, static_configs: [{{targets: ['127.0.0.1:{exporter}']}}]}}\n",
            fs::canonicalize(file("alerts.yaml")).expect("alerts").display()
        );
        fs::write(dir.join("prometheus.yaml"), config).expect("a configuration");
        let address = format!(
            "host={} user=cometchat_monitor dbname={} sslmode=disable",
            stack.db.cluster().dir().display(),
            stack.db.name()
        );
        let exporter = Program::start(
            Command::new("prometheus-postgres-exporter")
                .arg(format!("--extend.query-path={}", queries.display()))
                .arg(format!("--web.listen-address=127.0.0.1:{exporter}"))
                .arg("--disable-settings-metrics")
                .env("DATA_SOURCE_NAME", address),
            &dir.join("exporter.log"),
        );
        let server = Program::start(
            Command::new("prometheus")
                .arg(format!("--config.file={}", dir.join("prometheus.yaml").display()))
                .arg(format!("--storage.tsdb.path={}", dir.join("data").display()))
                .arg(format!("--web.listen-address=127.0.0.1:{prometheus}")),
            &dir.join("prometheus.log"),
        );
        Monitored { stack, prometheus, dir, _programs: [exporter, server] }
    }

    /// What Prometheus's API answers; `None` while it does not.
    fn api(&self, path: &str, query: Option<&str>) -> Option<Value> {
        let url = format!("http://127.0.0.1:{}/api/v1/{path}", self.prometheus);
        let mut request = ureq::get(url);
        if let Some(query) = query {
            request = request.query("query", query);
        }
        let text = request.call().ok()?.body_mut().read_to_string().ok()?;
        let answer: Value = serde_json::from_str(&text).expect("JSON");
        (answer["status"] == "success").then(|| answer["data"].clone())
    }

    /// The series that an expression results in.
    fn series(&self, expression: &str) -> Vec<Value> {
        let data = self.api("query", Some(expression));
        data.and_then(|data| data["result"].as_array().cloned()).unwrap_or_default()
    }

    #[track_caller]
    fn shows_something(&self, expression: &str) {
        within(Duration::from_secs(60), expression, || !self.series(expression).is_empty());
    }
}

impl Drop for Monitored {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for log in ["exporter.log", "prometheus.log"] {
                let text = fs::read_to_string(self.dir.join(log)).unwrap_or_default();
                let end: Vec<&str> = text.lines().rev().take(20).collect();
                println!("{log}, last line first: {end:#?}");
            }
        }
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// The metrics that the queries promise: namespace and column, labels left out.
fn promised() -> Vec<String> {
    let mut namespace = String::new();
    let mut metrics = Vec::new();
    for line in read("queries.yaml").lines() {
        if let Some(name) = line.strip_suffix(':').filter(|name| !name.starts_with([' ', '#'])) {
            namespace = name.to_owned();
        } else if let Some((column, usage)) =
            line.trim().strip_prefix("- ").and_then(|line| line.split_once(": {usage: "))
        {
            if !usage.starts_with("LABEL") {
                metrics.push(format!("{namespace}_{column}"));
            }
        }
    }
    metrics
}

/// The expressions of the dashboard, as Grafana sends them for all jobs and instances.
fn expressions() -> Vec<String> {
    let dashboard: Value = serde_json::from_str(&read("dashboard.json")).expect("JSON");
    let targets = dashboard["panels"].as_array().expect("panels").iter().flat_map(|panel| {
        panel["targets"].as_array().expect("targets").iter().map(|target| target["expr"].clone())
    });
    let expression = |expr: Value| {
        let expr = expr.as_str().expect("an expression").replace("$__rate_interval", "30s");
        expr.replace("$job", ".*").replace("$instance", ".*")
    };
    targets.map(expression).collect()
}

#[test]
fn every_query_panel_and_alert_works_with_the_real_programs() {
    if !installed() {
        return;
    }
    let monitored = Monitored::start();
    let stack = &monitored.stack;
    stack.sign_up("Ada Lovelace");

    let metrics = promised();
    assert!(metrics.len() > 20, "{metrics:?}");
    for metric in &metrics {
        monitored.shows_something(metric);
    }
    let expressions = expressions();
    assert!(expressions.len() > 15);
    for expression in &expressions {
        assert!(!expression.contains('$'), "{expression}: unknown to this test");
        monitored.shows_something(expression);
    }
    monitored.shows_something("pg_exporter_last_scrape_error == 0");
    monitored.shows_something("cometchat_stats_requests > 0");
    monitored.shows_something("cometchat_progress_users_total == 1");

    let rules = monitored.api("rules", None).expect("the rules");
    let rules = rules["groups"][0]["rules"].as_array().expect("a group").clone();
    assert_eq!(rules.len(), read("alerts.yaml").matches("- alert:").count());
    assert!(rules.iter().all(|rule| rule["health"] == "ok"), "{rules:#?}");
    // One that comes in seconds, the others' waits are tried by promtool.
    let pending = "ALERTS{alertname=\"CometChatPausedByOperator\", alertstate=\"pending\"}";
    assert!(monitored.series(pending).is_empty());
    stack.execute("SELECT cometchat.pause()");
    monitored.shows_something(pending);
}

#[test]
fn the_alerts_fire_when_they_should_and_not_when_they_should_not() {
    if !installed() {
        return;
    }
    for arguments in [["check", "rules", "alerts.yaml"], ["test", "rules", "alerts_test.yaml"]] {
        let [what, rules, name] = arguments;
        let output = Command::new("promtool").args([what, rules]).arg(file(name)).output();
        let output = output.expect("promtool");
        let text =
            String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{text}");
    }
    // Of each alert that is declared, which the document explains.
    let tested = read("alerts_test.yaml");
    let document = read("../../docs/monitoring.md");
    for alert in
        read("alerts.yaml").lines().filter_map(|line| line.trim().strip_prefix("- alert: "))
    {
        let fires = tested.split("alertname: ").any(|rest| {
            rest.strip_prefix(alert).is_some_and(|rest| rest.trim_start().starts_with("exp_alerts"))
        });
        assert!(fires, "alerts_test.yaml: {alert} never fires");
        assert!(document.contains(&format!("| `{alert}` | ")), "docs/monitoring.md: {alert}");
    }
}

#[test]
fn the_exporters_role_reads_nothing_about_a_person() {
    let stack = Stack::syncing();
    stack.execute(&read("role.sql"));
    stack.execute(&read("role.sql")); // again does no harm
    stack.sign_up("Ada Lovelace");
    eventually("she is synced", || {
        stack.value("SELECT synced FROM cometchat.progress").as_deref() == Some("1")
    });
    let mut monitor = stack.db.connect("cometchat_monitor");
    for private in [
        "SELECT name_argument FROM cometchat.sync_state",
        "SELECT * FROM cometchat.sync_state",
        "SELECT * FROM public.cometchat_users",
        "SELECT * FROM auth.users",
        "SELECT cometchat.pause()",
        "SELECT cometchat.enqueue(gen_random_uuid())",
        "SELECT cometchat.reconcile(true)",
    ] {
        let refused = monitor.batch_execute(private).unwrap_err();
        assert_eq!(refused.code().expect(private).code(), "42501", "{private}");
    }
    // What the queries read, it may read, with no exporter at hand, too.
    for query in read("queries.yaml").split("query: |\n").skip(1) {
        let sql: Vec<&str> = query.lines().take_while(|line| line.starts_with("    ")).collect();
        monitor.batch_execute(&sql.join("\n")).expect(query);
    }
}
