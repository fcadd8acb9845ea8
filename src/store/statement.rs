//! A statement that is planned once in a session and kept.
//!
//! Postgres plans it again by itself when a table changes, the extension being dropped and
//! created anew included.

use std::cell::RefCell;
use std::collections::HashMap;

use crate::pg::rights::{Lock, Rights};
use crate::pg::spi::{self, Arg, Plan, Row, Sees};

/// SQL text, and whose rights it is planned and run with.
pub struct Statement {
    sql: &'static str,
    rights: Rights,
    sees: Sees,
}

thread_local! {
    // By the statement's own address: equal texts of two statements may share one. Plans are never
    // freed: while the process exits would be too late for Postgres.
    static PLANS: RefCell<HashMap<*const Statement, Plan>> = RefCell::default();
}

impl Statement {
    /// On the extension's own tables.
    pub const fn new(sql: &'static str) -> Self {
        Statement::with_rights(Rights::Ours, sql)
    }

    /// On what may belong to others, or on the catalogs alone.
    pub const fn with_rights(rights: Rights, sql: &'static str) -> Self {
        Statement { sql, rights, sees: Sees::Transaction }
    }

    /// It reads what is committed now, whatever the transaction's snapshot: what another call, or the
    /// worker, has brought about at CometChat is a fact.
    pub const fn seeing_now(self) -> Self {
        Statement { sees: Sees::Now, ..self }
    }

    /// Reads with it. `read` gets the first row; `None` when there is none.
    pub fn first<T>(&'static self, args: &[Arg], read: impl FnOnce(&Row) -> T) -> Option<T> {
        self.run(args, 1, |rows| rows.next().map(|row| read(&row))).0
    }

    /// Reads or writes with it: all rows that it returns.
    pub fn all<T>(&'static self, args: &[Arg], read: impl Fn(&Row) -> T) -> Vec<T> {
        self.run(args, 0, |rows| rows.map(|row| read(&row)).collect()).0
    }

    /// Writes with it. Returns the number of rows.
    pub fn write(&'static self, args: &[Arg]) -> usize {
        self.run(args, 0, |_| ()).1
    }

    fn run<T>(
        &'static self,
        args: &[Arg],
        limit: i64,
        take: impl FnOnce(&mut dyn Iterator<Item = Row>) -> T,
    ) -> (T, usize) {
        // Every statement of ours that names the mapping says so in full.
        let rights = match self.rights {
            Rights::Ours if self.sql.contains("public.cometchat_users") => {
                let reads = self.sql.starts_with("SELECT") && !self.sql.contains("FOR UPDATE");
                Rights::OursOnMapping(if reads { Lock::Read } else { Lock::Write })
            }
            rights => rights,
        };
        rights
            .run(|| spi::connected(|| spi::execute(self.plan(args), args, limit, self.sees, take)))
    }

    fn plan(&'static self, args: &[Arg]) -> Plan {
        let key = std::ptr::from_ref(self);
        if let Some(plan) = PLANS.with_borrow(|plans| plans.get(&key).copied()) {
            return plan;
        }
        let plan = spi::prepare(self.sql, args);
        PLANS.with_borrow_mut(|plans| plans.insert(key, plan));
        plan
    }
}
