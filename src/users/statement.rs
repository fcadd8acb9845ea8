//! A statement that is planned once in a session and kept.
//!
//! Postgres plans it again by itself when a table changes, the extension being dropped and
//! created anew included.

use std::cell::RefCell;
use std::collections::HashMap;

use pgrx::datum::DatumWithOid;
use pgrx::pg_sys::{self, PgOid};
use pgrx::spi::{OwnedPreparedStatement, SpiResult, SpiTupleTable};
use pgrx::Spi;

/// SQL text with the types of its parameters.
pub struct Statement {
    sql: &'static str,
    types: &'static [pg_sys::Oid],
}

thread_local! {
    // Leaked on purpose: freeing plans while the process exits would be too late for Postgres.
    static PLANS: RefCell<HashMap<*const u8, &'static OwnedPreparedStatement>> =
        RefCell::default();
}

impl Statement {
    pub const fn new(sql: &'static str, types: &'static [pg_sys::Oid]) -> Self {
        Statement { sql, types }
    }

    /// Reads with it. `read` gets the first row; `None` when there is none.
    pub fn first<T>(
        &self,
        args: &[DatumWithOid<'_>],
        read: impl FnOnce(&SpiTupleTable<'_>) -> SpiResult<T>,
    ) -> Option<T> {
        self.select(Some(1), args, |rows| {
            let rows = rows.first();
            (!rows.is_empty()).then(|| ours(read(&rows)))
        })
    }

    /// Reads all its rows.
    pub fn all<T>(
        &self,
        args: &[DatumWithOid<'_>],
        read: impl Fn(&SpiTupleTable<'_>) -> SpiResult<T>,
    ) -> Vec<T> {
        self.select(None, args, |rows| each(rows, read))
    }

    /// Writes with it, and reads what it returns.
    pub fn returning<T>(
        &self,
        args: &[DatumWithOid<'_>],
        read: impl Fn(&SpiTupleTable<'_>) -> SpiResult<T>,
    ) -> Vec<T> {
        self.update(args, |rows| each(rows, read))
    }

    /// Writes with it. Returns the number of rows.
    pub fn write(&self, args: &[DatumWithOid<'_>]) -> usize {
        self.update(args, |rows| rows.len())
    }

    fn select<T>(
        &self,
        limit: Option<i64>,
        args: &[DatumWithOid<'_>],
        take: impl FnOnce(SpiTupleTable<'_>) -> T,
    ) -> T {
        Spi::connect(|client| {
            let plan = self.plan(|sql, types| Ok(client.prepare(sql, types)?.keep()));
            take(ours(plan.and_then(|plan| client.select(plan, limit, args))))
        })
    }

    fn update<T>(&self, args: &[DatumWithOid<'_>], take: impl FnOnce(SpiTupleTable<'_>) -> T) -> T {
        Spi::connect_mut(|client| {
            let plan = self.plan(|sql, types| Ok(client.prepare_mut(sql, types)?.keep()));
            take(ours(plan.and_then(|plan| client.update(plan, None, args))))
        })
    }

    fn plan(
        &self,
        prepare: impl FnOnce(&'static str, &[PgOid]) -> SpiResult<OwnedPreparedStatement>,
    ) -> SpiResult<&'static OwnedPreparedStatement> {
        let key = self.sql.as_ptr();
        if let Some(plan) = PLANS.with_borrow(|plans| plans.get(&key).copied()) {
            return Ok(plan);
        }
        let types: Vec<PgOid> = self.types.iter().copied().map(PgOid::from).collect();
        let plan: &'static _ = Box::leak(Box::new(prepare(self.sql, &types)?));
        PLANS.with_borrow_mut(|plans| plans.insert(key, plan));
        Ok(plan)
    }
}

fn each<T>(
    mut rows: SpiTupleTable<'_>,
    read: impl Fn(&SpiTupleTable<'_>) -> SpiResult<T>,
) -> Vec<T> {
    let mut all = Vec::with_capacity(rows.len());
    while rows.next().is_some() {
        all.push(ours(read(&rows)));
    }
    all
}

/// Postgres raises what is wrong with the data; what SPI returns is a mistake of this module.
fn ours<T>(result: SpiResult<T>) -> T {
    match result {
        Ok(value) => value,
        Err(e) => pgrx::error!("cometchat_ext: internal statement failed: {e}"),
    }
}
