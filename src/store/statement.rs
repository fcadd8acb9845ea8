//! A query of `src/store/sql` that is planned once in a session and kept.
//!
//! Postgres plans it again by itself when a table changes, the extension being dropped and
//! created anew included.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashMap;

use crate::pg::rights::{Lock, Rights};
use crate::pg::spi::{self, Input, Plan, Row, Sees};

/// A query's text, and with whose rights it is planned and run.
pub struct Statement {
    sql: &'static str,
    /// Which alternative of its lines counts; see [`Statement::variant`].
    tag: Option<&'static str>,
    rights: Rights,
    sees: Sees,
}

thread_local! {
    // By the statement's own address: equal texts of two statements may share one. Plans are never
    // freed: while the process exits would be too late for Postgres.
    static PLANS: RefCell<HashMap<*const Statement, Plan>> = RefCell::default();
}

/// The table that needs [`Statement::on_mapping`].
const MAPPING: &str = "public.cometchat_users";

impl Statement {
    /// On the extension's own tables in the schema cometchat.
    pub const fn new(sql: &'static str) -> Self {
        // SECURITY: looked at when this library is compiled.
        assert!(!contains(sql, MAPPING), "a statement on the mapping says so");
        Statement::with_rights(Rights::Ours, sql)
    }

    /// On `public.cometchat_users`, and the other tables of ours.
    pub const fn on_mapping(lock: Lock, sql: &'static str) -> Self {
        Statement::with_rights(Rights::OursOnMapping(lock), sql)
    }

    /// On what may belong to others, or on the catalogs alone.
    pub const fn with_rights(rights: Rights, sql: &'static str) -> Self {
        Statement { sql, tag: None, rights, sees: Sees::Transaction }
    }

    /// It reads what is committed now, whatever the transaction's snapshot: what another call, or the
    /// worker, has brought about at CometChat is a fact.
    pub const fn seeing_now(self) -> Self {
        Statement { sees: Sees::Now, ..self }
    }

    /// The same query with its lines' alternatives of this name: of a line that ends with
    /// `-- name: other` only `other` counts.
    pub const fn variant(self, tag: &'static str) -> Self {
        assert!(contains(self.sql, tag), "the query has such an alternative");
        Statement { tag: Some(tag), ..self }
    }

    /// Reads with it. `read` gets the first row; `None` when there is none.
    pub fn first<T>(&'static self, inputs: &[Input], read: impl FnOnce(&Row) -> T) -> Option<T> {
        self.run(inputs, 1, |rows| rows.next().map(|row| read(&row))).0
    }

    /// Reads or writes with it: all rows that it returns.
    pub fn all<T>(&'static self, inputs: &[Input], read: impl Fn(&Row) -> T) -> Vec<T> {
        self.run(inputs, 0, |rows| rows.map(|row| read(&row)).collect()).0
    }

    /// Writes with it. Returns the number of rows.
    pub fn write(&'static self, inputs: &[Input]) -> usize {
        self.run(inputs, 0, |_| ()).1
    }

    fn run<T>(
        &'static self,
        inputs: &[Input],
        limit: i64,
        take: impl FnOnce(&mut dyn Iterator<Item = Row>) -> T,
    ) -> (T, usize) {
        self.rights.run(|| {
            spi::connected(|| spi::execute(self.plan(inputs), inputs, limit, self.sees, take))
        })
    }

    fn plan(&'static self, inputs: &[Input]) -> Plan {
        let key = std::ptr::from_ref(self);
        if let Some(plan) = PLANS.with_borrow(|plans| plans.get(&key).copied()) {
            return plan;
        }
        let sql = match self.tag {
            None => Cow::Borrowed(self.sql),
            Some(tag) => with_alternatives(self.sql, tag).into(),
        };
        let plan = spi::prepare(&sql, inputs);
        PLANS.with_borrow_mut(|plans| plans.insert(key, plan));
        plan
    }
}

fn with_alternatives(sql: &str, tag: &str) -> String {
    let mark = format!("-- {tag}: ");
    let line = |line| match str::split_once(line, &mark) {
        Some((_, other)) => other,
        None => line,
    };
    sql.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// `str::contains` for constants.
const fn contains(text: &str, part: &str) -> bool {
    let (text, part) = (text.as_bytes(), part.as_bytes());
    let mut at = 0;
    while at + part.len() <= text.len() {
        let mut same = 0;
        while same < part.len() && text[at + same] == part[same] {
            same += 1;
        }
        if same == part.len() {
            return true;
        }
        at += 1;
    }
    false
}
