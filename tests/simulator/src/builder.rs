//! Options of a simulator, and its start.

use crate::net::tls::{self, Https};
use crate::net::{listener, switch::ListenerState};
use crate::settings::{Key, Limits, RecordMode, Scope, Settings};
use crate::shared::Shared;
use crate::simulator::{Parts, Simulator};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::net::TcpListener;

/// Options; the defaults are a plain-HTTP server on a free port of 127.0.0.1.
#[derive(Clone, Debug)]
pub struct Builder {
    address: IpAddr,
    port: u16,
    control_port: Option<u16>,
    https: Option<Https>,
    ca_file: Option<PathBuf>,
    threads: usize,
    settings: Settings,
}

impl Default for Builder {
    fn default() -> Self {
        Builder {
            address: Ipv4Addr::LOCALHOST.into(),
            port: 0,
            control_port: None,
            https: None,
            ca_file: None,
            threads: 2,
            settings: Settings::default(),
        }
    }
}

impl Builder {
    /// The address to listen on; anything but loopback opens the control API to others.
    pub fn address(mut self, address: IpAddr) -> Self {
        self.address = address;
        self
    }

    /// The port; 0 takes a free one.
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// A second, plain-HTTP port with the control API alone; 0 takes a free one. Needed to pause
    /// or close the API's port from outside.
    pub fn control_port(mut self, port: u16) -> Self {
        self.control_port = Some(port);
        self
    }

    /// Serve HTTPS under a certificate for `localhost`, `127.0.0.1` and `::1`.
    pub fn https(mut self) -> Self {
        self.https.get_or_insert_default();
        self
    }

    /// Serve HTTPS under a certificate for these names and addresses instead.
    pub fn https_names(mut self, names: &[&str]) -> Self {
        self.https.get_or_insert_default().names = names.iter().map(|n| n.to_string()).collect();
        self
    }

    /// Serve HTTPS under a certificate that has run out.
    pub fn https_expired(mut self) -> Self {
        self.https.get_or_insert_default().expired = true;
        self
    }

    /// Where to write the CA certificate; by default a temporary file that goes with the simulator.
    pub fn ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.ca_file = Some(path.into());
        self
    }

    /// Worker threads of the server.
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = threads.max(1);
        self
    }

    /// All settings at once.
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// Accept only this app id (and others given likewise).
    pub fn app(mut self, app: &str) -> Self {
        self.settings.apps.push(app.into());
        self
    }

    /// The app of requests that name none.
    pub fn default_app(mut self, app: &str) -> Self {
        self.settings.default_app = app.into();
        self
    }

    /// Accept this key for every app. The first one replaces the development key.
    pub fn key(mut self, key: &str, scope: Scope) -> Self {
        if self.settings.keys == Settings::default().keys {
            self.settings.keys.clear();
        }
        self.settings.keys.push(Key { key: key.into(), scope, app: None });
        self
    }

    /// A role that exists besides `default`.
    pub fn role(mut self, role: &str) -> Self {
        self.settings.roles.push(role.to_lowercase());
        self
    }

    pub fn limits(mut self, limits: Limits) -> Self {
        self.settings.limits = limits;
        self
    }

    pub fn quota(mut self, users: usize) -> Self {
        self.settings.quota = Some(users);
        self
    }

    pub fn record(mut self, mode: RecordMode) -> Self {
        self.settings.record = mode;
        self
    }

    pub fn latency_ms(mut self, ms: u64) -> Self {
        self.settings.latency_ms = ms;
        self
    }

    /// Starts the server; it answers when this returns.
    pub fn start(self) -> io::Result<Simulator> {
        let (acceptor, ca_pem) = match &self.https {
            Some(https) => {
                let (acceptor, pem) = tls::acceptor(https)?;
                (Some(acceptor), Some(pem))
            }
            None => (None, None),
        };
        let api = listener::bind(SocketAddr::new(self.address, self.port))?;
        let address = api.local_addr()?;
        let control = match self.control_port {
            Some(port) => Some(listener::bind(SocketAddr::new(self.address, port))?),
            None => None,
        };
        let control_address = control.as_ref().map(|c| c.local_addr()).transpose()?;
        let ca_file = match (&ca_pem, self.ca_file) {
            (None, _) => None,
            (Some(_), Some(path)) => Some((path, false)),
            (Some(_), None) => {
                let (process, port) = (std::process::id(), address.port());
                let name = format!("cometchat-simulator-{process}-{port}-ca.pem");
                Some((std::env::temp_dir().join(name), true))
            }
        };
        if let (Some(pem), Some((path, _))) = (&ca_pem, &ca_file) {
            std::fs::write(path, pem)?;
        }
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(self.threads)
            .thread_name("simulator")
            .enable_all()
            .build()?;
        let shared = Arc::new(Shared::new(self.settings, ca_pem));
        shared.switch.want(ListenerState::Open);
        {
            let _inside = runtime.enter();
            let api = TcpListener::from_std(api)?;
            runtime.spawn(listener::serve(shared.clone(), api, acceptor));
            if let Some(control) = control {
                let control = TcpListener::from_std(control)?;
                runtime.spawn(listener::serve_control(shared.clone(), control));
            }
        }
        let https = self.https.is_some();
        let runtime = Some(runtime);
        Ok(Simulator::new(Parts { shared, runtime, address, control_address, https, ca_file }))
    }
}
