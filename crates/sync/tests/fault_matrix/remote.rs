//! CometChat (the simulator's rules, in memory), what goes wrong on the way, and what it must not see.

use serde_json::json;
use simulator::{InProcess, Settings, DEV_API_KEY};

/// How an answer ends once its bytes were read.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Failure {
    #[default]
    Closed,
    Reset,
    Timeout,
}

/// When a request takes effect whose answer is not CometChat's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Performed {
    Never,
    /// Before the answer is lost.
    Now,
    /// After the answer is lost, within the time that a request may be in flight.
    Later,
}

/// What goes wrong with a request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fault {
    /// No connection.
    Refused,
    /// A status with CometChat's error code, or a gateway's page without one.
    Status(u16, Option<&'static str>, Performed),
    /// The connection breaks, before the first byte.
    Lost(Performed),
    /// The same in the middle of the answer.
    CutOff,
    /// No answer in time.
    Timeout(Performed),
    /// 200 and a page of HTML.
    Garbage(Performed),
    /// 200 and another user's data; of an operation whose answer shows no user, a page of HTML. (What is
    /// only done, not shown, may be answered with any object: no document says what is in it.)
    WrongUser(Performed),
    /// A redirect.
    Redirect(Performed),
    /// Nothing is wrong with it, but others deactivated the user just before.
    OthersDeactivate,
    /// The same: deleted for good.
    OthersDelete,
    /// The same: created.
    OthersCreate,
}

impl Fault {
    /// It is others who change something.
    pub fn is_by_others(self) -> bool {
        matches!(self, Fault::OthersDeactivate | Fault::OthersDelete | Fault::OthersCreate)
    }
}

/// A fault, and which requests meet it.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub fault: Fault,
    /// The first one, counted from 0.
    pub from: usize,
    pub times: usize,
}

/// A request: method, target, body.
type Request = (String, String, Vec<u8>);

pub struct Remote {
    cometchat: InProcess,
    uid: String,
    pub plan: Option<Plan>,
    /// The operations that were asked for, those that met a fault too.
    pub requests: Vec<&'static str>,
    /// Lost on the way and not arrived yet; whether a trusted caller sent it.
    late: Vec<(Request, bool)>,
    /// The user is deactivated, and it was not us.
    pub deactivated_by_others: bool,
    /// Reactivating such a user is asked for by a trusted caller.
    pub may_reactivate: bool,
    /// What must not happen and did.
    pub violations: Vec<String>,
}

impl std::fmt::Debug for Remote {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Remote({:?})", self.requests)
    }
}

impl Remote {
    pub fn new(uid: &str) -> Self {
        Remote {
            cometchat: InProcess::new(Settings::default()),
            uid: uid.to_owned(),
            plan: None,
            requests: Vec::new(),
            late: Vec::new(),
            deactivated_by_others: false,
            may_reactivate: false,
            violations: Vec::new(),
        }
    }

    /// `None`: no such account. Else its name, and whether it is active.
    pub fn user(&self) -> Option<(String, bool)> {
        let user = self.cometchat.users().user(&self.uid)?;
        let active = user["deactivatedAt"].as_u64().unwrap_or(0) == 0;
        Some((user["name"].as_str().unwrap_or_default().to_owned(), active))
    }

    pub fn tokens(&self) -> Vec<String> {
        self.cometchat.users().tokens(&self.uid)
    }

    pub fn others_create(&mut self) {
        let _ = self.cometchat.users().add_user(json!({ "uid": self.uid, "name": "Theirs" }));
    }

    pub fn others_deactivate(&mut self) {
        self.deactivated_by_others |= self.cometchat.users().deactivate(&self.uid);
    }

    pub fn others_delete(&mut self) {
        self.cometchat.users().delete(&self.uid);
        self.deactivated_by_others = false;
    }

    /// What was lost and is under way still arrives.
    pub fn deliver_late(&mut self) {
        for ((method, target, body), may_reactivate) in std::mem::take(&mut self.late) {
            let now = std::mem::replace(&mut self.may_reactivate, may_reactivate);
            self.perform(&method, &target, &body);
            self.may_reactivate = now;
        }
    }

    pub fn has_late(&self) -> bool {
        !self.late.is_empty()
    }

    pub fn refuses_connection(&mut self) -> bool {
        let refuses = self.fault() == Some(Fault::Refused);
        if refuses {
            self.requests.push("refused");
        }
        refuses
    }

    fn fault(&self) -> Option<Fault> {
        let (plan, n) = (self.plan?, self.requests.len());
        (plan.from..plan.from + plan.times).contains(&n).then_some(plan.fault)
    }

    /// Answers a request, or does what the plan says.
    pub fn exchange(&mut self, method: &str, target: &str, body: &[u8]) -> (Vec<u8>, Failure) {
        let fault = self.fault();
        self.requests.push(InProcess::operation(method, target));
        let request = (method.to_owned(), target.to_owned(), body.to_vec());
        let page = |status, body: &str| (http(status, &[], body.as_bytes()), Failure::Closed);
        match fault {
            None | Some(Fault::Refused) => {}
            Some(Fault::OthersDeactivate) => self.others_deactivate(),
            Some(Fault::OthersDelete) => self.others_delete(),
            Some(Fault::OthersCreate) => self.others_create(),
            Some(Fault::Status(status, code, performed)) => {
                self.take_effect(request, performed);
                let Some(code) = code else { return page(status, "<html>gateway</html>") };
                let body = json!({ "error": { "code": code, "message": "a fault" } }).to_string();
                let headers: &[_] = if status == 429 { &[("retry-after", "2")] } else { &[] };
                return (http(status, headers, body.as_bytes()), Failure::Closed);
            }
            Some(Fault::Lost(performed)) => {
                self.take_effect(request, performed);
                return (Vec::new(), Failure::Reset);
            }
            Some(Fault::Timeout(performed)) => {
                self.take_effect(request, performed);
                return (Vec::new(), Failure::Timeout);
            }
            Some(Fault::CutOff) => {
                let mut answer = self.perform(method, target, body);
                answer.truncate(answer.len() - 3);
                return (answer, Failure::Reset);
            }
            Some(Fault::Garbage(performed)) => {
                self.take_effect(request, performed);
                return page(200, "<html>hello</html>");
            }
            Some(Fault::WrongUser(performed)) => {
                self.take_effect(request, performed);
                let shows_a_user =
                    ["create_user", "get_user", "update_user", "create_token", "get_token"];
                if self.requests.last().is_some_and(|last| shows_a_user.contains(last)) {
                    return page(200, r#"{"data":{"uid":"eve","name":"Eve","authToken":"eve_1"}}"#);
                }
                return page(200, "<html>hello</html>");
            }
            Some(Fault::Redirect(performed)) => {
                self.take_effect(request, performed);
                let to = [("location", "http://127.0.0.1:2/")];
                return (http(302, &to, b""), Failure::Closed);
            }
        }
        (self.perform(method, target, body), Failure::Closed)
    }

    fn take_effect(&mut self, request: Request, performed: Performed) {
        match performed {
            Performed::Never => {}
            Performed::Now => drop(self.perform(&request.0, &request.1, &request.2)),
            Performed::Later => self.late.push((request, self.may_reactivate)),
        }
    }

    fn perform(&mut self, method: &str, target: &str, body: &[u8]) -> Vec<u8> {
        let was_active = self.user().map(|(_, active)| active);
        let answer = self.cometchat.answer(method, target, DEV_API_KEY, body);
        match (was_active, self.user().map(|(_, active)| active)) {
            (Some(false), Some(true)) => {
                if self.deactivated_by_others && !self.may_reactivate {
                    self.violations.push("reactivated a user whom others deactivated".to_owned());
                }
                self.deactivated_by_others = false;
            }
            (Some(true), Some(false)) | (_, None) => self.deactivated_by_others = false,
            _ => {}
        }
        let headers: Vec<(&str, &str)> =
            answer.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        http(answer.status, &headers, &answer.body)
    }
}

fn http(status: u16, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n", body.len());
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    [head.as_bytes(), b"\r\n", body].concat()
}
