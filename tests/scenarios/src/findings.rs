//! What is wrong with hundreds of cases of one test, told together.

use std::fmt::Debug;

use serde_json::Value;
use simulator::{Recorded, DEV_API_KEY};

use crate::wait::slowness;

/// Cases that were looked at, and what was wrong with some.
#[derive(Default)]
pub struct Findings {
    looked: usize,
    wrong: Vec<String>,
    secrets: Vec<String>,
}

impl Findings {
    /// Looks at one more case.
    pub fn look<T: PartialEq + Debug>(&mut self, case: &[u8], got: T, want: T) {
        self.looked += 1;
        if got != want {
            let case = case[case.len().saturating_sub(40)..].escape_ascii();
            self.wrong.push(format!("{case}:\n   got {got:?}\n  want {want:?}"));
        }
    }

    /// What a case raised where it had to answer.
    pub fn raised(&mut self, case: &[u8], error: &postgres::Error) {
        let error = error.as_db_error().map_or(error.to_string(), ToString::to_string);
        self.look(case, format!("raised {error}"), "an answer".to_owned());
    }

    /// Nobody's secrets in what was sent, but for what is `mine` in each request: the key, and an
    /// e-mail address of the test's, `…@example.com`.
    pub fn look_for_secrets(&mut self, requests: &[Recorded], mine: impl Fn(&Recorded) -> String) {
        for request in requests {
            let said = format!("{}{}", request.path, request.body);
            let others = said.replace(&mine(request), "").contains("@example.com");
            if others || said.contains(DEV_API_KEY) {
                self.secrets.push(said.chars().take(2000).collect());
            }
            let odd = matches!(request.body, Value::String(_)); // it was no JSON
            self.look(said.as_bytes(), odd, false);
        }
    }

    /// Fails with the first few, and how many there were, if there were any.
    #[track_caller]
    pub fn are_none(self, at_least: usize) {
        let (wrong, looked) = (self.wrong.len(), self.looked);
        let first: Vec<String> = self.wrong.into_iter().take(6).collect();
        let (secrets, one) = (self.secrets.len(), self.secrets.first());
        assert_eq!(secrets, 0, "{secrets} requests with secrets, and {wrong} of {looked}: {one:?}");
        assert_eq!(wrong, 0, "{wrong} of {looked} are wrong, such as\n{}", first.join("\n"));
        assert!(looked * slowness() as usize >= at_least, "only {looked} were looked at");
    }
}
