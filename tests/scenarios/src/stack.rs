//! Everything a scenario needs: a database with the extension, configured for a simulator.

use serde_json::{json, Value};
use simulator::{AppView, Recorded, Simulator, DEV_API_KEY};
use uuid::Uuid;

use crate::edition::Edition;
use crate::wait::slowness;
use crate::{eventually, Cluster, Database, Encoding, Session};

/// The app id that a stack is configured for.
pub const APP: &str = "app1";

/// What [`Stack::asked`] returns when CometChat was left alone.
pub const NOTHING: [&str; 0] = [];

/// A database like Supabase's with the extension in it, and the CometChat it talks to.
pub struct Stack {
    pub db: Database,
    pub chat: Simulator,
    edition: Edition,
}

impl Stack {
    /// In the shared cluster.
    pub fn new() -> Stack {
        Stack::on(Database::like_supabase(Cluster::shared()), Simulator::start())
    }

    /// In a cluster of its own: no other database waits for the process of its worker, which would make
    /// room, and its successor knows less.
    pub fn alone() -> Stack {
        let cluster = Cluster::start(&["shared_preload_libraries = 'cometchat_ext'"]);
        Stack::on(Database::like_supabase(cluster), Simulator::start())
    }

    /// With the trigger on `auth.users` attached and the worker at work.
    pub fn syncing() -> Stack {
        Stack::new().sync()
    }

    /// Attaches the trigger and has the worker work.
    pub fn sync(self) -> Stack {
        self.execute("SELECT cometchat.enable_auth_trigger(), cometchat.resume()");
        self
    }

    /// Without `auth.users` and Supabase's default privileges.
    pub fn plain() -> Stack {
        Stack::on(Database::plain(Cluster::shared()), Simulator::start())
    }

    /// In a database of another encoding than UTF-8.
    pub fn in_encoding(encoding: Encoding) -> Stack {
        Stack::on(Database::in_encoding(Cluster::shared(), encoding), Simulator::start())
    }

    /// In a given database, with a given simulator.
    pub fn on(db: Database, chat: Simulator) -> Stack {
        match Edition::of_this_run() {
            Edition::Native => Stack::native_on(db, chat),
            edition => Stack::hosted_on(db, chat, edition),
        }
    }

    /// The edition for supabase.com, whatever edition this run is about.
    pub fn hosted() -> Stack {
        Stack::hosted_in(Cluster::shared())
    }

    /// The same, on a given server.
    pub fn hosted_in(cluster: Cluster) -> Stack {
        Stack::hosted_on(Database::like_supabase(cluster), Simulator::start(), Edition::hosted())
    }

    /// The extension, whatever edition this run is about.
    pub fn native() -> Stack {
        Stack::native_on(Database::like_supabase(Cluster::shared()), Simulator::start())
    }

    /// As it is: the extension, if it comes, is a test's own business.
    pub fn bare(db: Database, chat: Simulator) -> Stack {
        Stack { db, chat, edition: Edition::Native }
    }

    fn hosted_on(db: Database, chat: Simulator, edition: Edition) -> Stack {
        edition.install(&db);
        let set = |name, value| db.set(name, Some(value));
        set("cometchat.app_id", APP);
        set("cometchat.region", "us");
        set("cometchat.request_timeout", "7500ms");
        set("cometchat.connect_timeout", "7500ms");
        set("cometchat.user_rate_limit", "-1");
        set("cometchat.api_base_url", &chat.base_url());
        edition.set_key(&db, DEV_API_KEY);
        db.admin().batch_execute("SELECT cometchat.pause()").expect("pause");
        edition.start_cron(&db);
        Stack { db, chat, edition }
    }

    /// Which edition it is.
    pub fn edition(&self) -> &Edition {
        &self.edition
    }

    fn native_on(db: Database, chat: Simulator) -> Stack {
        let key =
            db.cluster().secret_file(&format!("key-{}", db.name()), format!("{DEV_API_KEY}\n"));
        // Before there is a worker: for a change of settings it would start anew.
        db.set("cometchat.app_id", Some(APP));
        db.set("cometchat.region", Some("us"));
        // As much as Supabase's eight seconds leave: few tests are about a machine's speed.
        db.set("cometchat.request_timeout", Some("7500ms"));
        db.set("cometchat.connect_timeout", Some("7500ms"));
        db.set("cometchat.api_key_file", key.to_str());
        // A test is one user in a hurry; those about the limit set their own.
        db.set("cometchat.user_rate_limit", Some("-1"));
        db.set("cometchat.rate_limit", Some("-1"));
        db.set("cometchat.api_base_url", Some(&chat.base_url()));
        if let Some(ca) = chat.ca_pem() {
            let ca = db.cluster().secret_file(&format!("ca-{}", db.name()), ca);
            db.set("cometchat.ca_file", ca.to_str());
        }
        // The worker sleeps, unless a test is about it: what is asked is then the call's own doing.
        // In one transaction, so that none begins to work.
        let create = "CREATE EXTENSION cometchat_ext; SELECT cometchat.pause()";
        db.admin().batch_execute(create).expect(create);
        let stack = Stack { db, chat, edition: Edition::Native };
        if slowness() > 1 {
            stack.without_deadlines();
            return stack.with_long_timeouts();
        }
        stack
    }

    /// With a user, "Ada Lovelace", who was ensured; nothing was asked since.
    pub fn with_ada() -> (Stack, Uuid) {
        let stack = Stack::new();
        let ada = stack.sign_up("Ada Lovelace");
        stack.session(ada).ensure(None, None, None).token();
        stack.asked();
        (stack, ada)
    }

    /// Signs somebody up, as the Auth server does: `auth.users` gets a row, nobody tells CometChat.
    pub fn sign_up(&self, name: &str) -> Uuid {
        let email = format!("{}@example.com", name.to_lowercase().replace(' ', "."));
        self.sign_up_with(&email, json!({ "full_name": name }))
    }

    pub fn sign_up_with(&self, email: &str, metadata: Value) -> Uuid {
        let id = Uuid::new_v4();
        let sql = "INSERT INTO auth.users (id, email, raw_user_meta_data) VALUES ($1, $2, $3)";
        self.db.connect("supabase_auth_admin").execute(sql, &[&id, &email, &metadata]).expect(sql);
        id
    }

    /// Changes somebody's row of `auth.users`, as the Auth server does.
    #[track_caller]
    pub fn change(&self, user: Uuid, assignments: &str) {
        let sql = format!("UPDATE auth.users SET {assignments} WHERE id = '{user}'");
        self.db.connect("supabase_auth_admin").batch_execute(&sql).expect(&sql);
    }

    /// Inserts a mapping by hand, as an operator would.
    #[track_caller]
    pub fn map(&self, user: Uuid, uid: &str, token: Option<&str>) {
        let sql =
            "INSERT INTO public.cometchat_users (user_id, cometchat_uid, cometchat_auth_token)
                   VALUES ($1, $2, $3)";
        self.service().client.execute(sql, &[&user, &uid, &token]).expect(sql);
    }

    /// Overrides a part of somebody's profile.
    #[track_caller]
    pub fn enqueue(&self, user: Uuid, profile: &Value) {
        let sql = "SELECT cometchat.enqueue($1, $2)";
        self.service().client.execute(sql, &[&user, profile]).expect(sql);
    }

    /// A signed-in user's session.
    pub fn session(&self, user: Uuid) -> Session {
        Session::authenticated(self.db.connect("authenticator"), user)
    }

    /// A trusted session: the service key's role.
    pub fn service(&self) -> Session {
        let mut client = self.db.connect("authenticator");
        client.batch_execute("SET ROLE service_role").expect("set role");
        Session::of(client)
    }

    /// Callers have all the time in the world: Supabase gives them eight seconds.
    pub fn without_deadlines(&self) {
        for name in ["statement_timeout", "lock_timeout"] {
            let database = self.db.name();
            self.execute(&format!(
                "ALTER ROLE authenticator IN DATABASE {database} SET {name} = 0"
            ));
        }
    }

    /// The worker's process, if there is one and it has looked around.
    pub fn worker(&self) -> Option<i32> {
        let pid = self.value("SELECT cometchat.worker_status() ->> 'worker_pid'")?;
        Some(pid.parse().expect("a number"))
    }

    /// Requests have a minute: what a test does meanwhile, or a handshake, may take its time.
    pub fn with_long_timeouts(self) -> Stack {
        for name in ["cometchat.request_timeout", "cometchat.connect_timeout"] {
            self.db.set(name, Some("60s"));
        }
        self
    }

    /// Lets `process_queue` send, while the worker stays away. Nobody may be queued yet.
    #[track_caller]
    pub fn unpause_all_but_the_worker(&self) {
        if self.edition.stop_cron() {
            return self.execute("SELECT cometchat.resume()");
        }
        // One that is still on its way would find itself unpaused: it comes, and falls asleep.
        self.execute("SELECT cometchat.resume()");
        eventually("there is a worker", || self.worker().is_some());
        self.execute("SELECT cometchat.pause()");
        eventually("the worker is asleep", || self.worker().is_none());
        self.execute("UPDATE cometchat.control SET paused = false WHERE true");
    }

    /// The operations that CometChat was asked for since the last look, in order.
    pub fn asked(&self) -> Vec<String> {
        self.chat.take_requests().iter().map(operation).collect()
    }

    /// Whether such a request has come, be it answered or not.
    pub fn was_asked(&self, operation: &str) -> bool {
        self.chat.requests().iter().any(|request| request.operation == operation)
    }

    /// The users of our app as CometChat has them.
    pub fn app(&self) -> AppView<'_> {
        self.chat.app(APP)
    }

    /// The user as CometChat has it.
    #[track_caller]
    pub fn chat_user(&self, uid: impl ToString) -> Value {
        let uid = uid.to_string();
        self.app().user(&uid).unwrap_or_else(|| panic!("{uid} is not in CometChat"))
    }

    /// The one value that a superuser's query returns, as text.
    #[track_caller]
    pub fn value(&self, sql: &str) -> Option<String> {
        self.db.admin().query_one(&format!("SELECT ({sql})::text"), &[]).expect(sql).get(0)
    }

    /// Runs statements as a superuser.
    #[track_caller]
    pub fn execute(&self, sql: &str) {
        self.db.admin().batch_execute(sql).expect(sql);
    }
}

impl Default for Stack {
    fn default() -> Self {
        Stack::new()
    }
}

fn operation(request: &Recorded) -> String {
    request.operation.to_string()
}
