//! Several users per request: deactivate, reactivate, import.

use serde_json::{json, Map, Value};

use crate::answer::Answer;
use crate::client::Client;
use crate::error::Error;
use crate::exchange::{Method, Request};
use crate::kind::{classify, ErrorKind};
use crate::observe::Operation;
use crate::path::segment;
use crate::user::{NewUser, User};
use crate::value::{flag_at, texts_at};

/// "Reactivate users" takes at most 25 uids; deactivation documents no limit and gets the same.
pub const MAX_BULK_UIDS: usize = 25;
/// "Import users" takes at most 50 users per request.
pub const MAX_IMPORT_USERS: usize = 50;

/// What became of the uids of a bulk request. The documentation shows the first list only;
/// the others were observed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct BulkOutcome {
    /// Changed by this request.
    pub done: Vec<String>,
    /// Were so before.
    pub already: Vec<String>,
    /// Unknown to CometChat.
    pub not_found: Vec<String>,
}

/// What became of one user of an import.
#[derive(Debug, Clone, PartialEq)]
pub struct ImportRow {
    /// As it was sent.
    pub uid: String,
    /// What CometChat says about it.
    pub outcome: RowOutcome,
}

/// See [`ImportRow`].
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum RowOutcome {
    /// Imported; the stored user if the answer shows it.
    Imported(Option<Box<User>>),
    /// Refused, or there already (see [`ImportRow::kind`]).
    Failed {
        /// CometChat's `error.code`.
        code: Option<String>,
        /// Its words, cleaned.
        message: Option<String>,
    },
    /// The answer does not mention this user.
    Missing,
}

impl ImportRow {
    /// `None` when imported. A user that was not mentioned counts as
    /// [`ErrorKind::Server`]: to be tried again.
    pub fn kind(&self) -> Option<ErrorKind> {
        match &self.outcome {
            RowOutcome::Imported(_) => None,
            RowOutcome::Failed { code, .. } => Some(classify(400, code.as_deref())),
            RowOutcome::Missing => Some(ErrorKind::Server),
        }
    }

    /// The user exists in CometChat now. Whether an import overwrites the profile of one
    /// that existed before is not documented.
    pub fn exists(&self) -> bool {
        matches!(self.kind(), None | Some(ErrorKind::UidExists))
    }
}

impl Client {
    /// Deactivates up to [`MAX_BULK_UIDS`] users; an empty slice needs no request.
    pub fn deactivate_users(&self, uids: &[&str]) -> Result<BulkOutcome, Error> {
        self.bulk(Operation::DeactivateUsers, Method::Delete, "uidsToDeactivate", uids, |data| {
            BulkOutcome {
                done: texts_at(data, "deactivatedUids"),
                already: texts_at(data, "alreadyDeactivatedUids"),
                not_found: texts_at(data, "notFound"),
            }
        })
    }

    /// Reactivates up to [`MAX_BULK_UIDS`] users; their tokens and groups come back too.
    pub fn reactivate_users(&self, uids: &[&str]) -> Result<BulkOutcome, Error> {
        self.bulk(Operation::ReactivateUsers, Method::Put, "uidsToActivate", uids, |data| {
            // Documented as `nonDeactivatedUids`, observed as `reactivatedUids`. Should both
            // come, the one that says what was done wins.
            let active = texts_at(data, "nonDeactivatedUids");
            let (done, already) = match data.contains_key("reactivatedUids") {
                true => (texts_at(data, "reactivatedUids"), active),
                false => (active, texts_at(data, "alreadyActiveUids")),
            };
            BulkOutcome { done, already, not_found: texts_at(data, "notFound") }
        })
    }

    fn bulk(
        &self,
        operation: Operation,
        method: Method,
        field: &str,
        uids: &[&str],
        read: fn(&Map<String, Value>) -> BulkOutcome,
    ) -> Result<BulkOutcome, Error> {
        if uids.is_empty() {
            return Ok(BulkOutcome::default());
        }
        if uids.len() > MAX_BULK_UIDS {
            return Err(Error::InvalidRequest { what: "more than 25 uids" });
        }
        for uid in uids {
            segment(uid)?;
        }
        let request = Request::new(operation, method, "/users".into());
        self.exchange(request.json(&json!({ field: uids }))?, |answer| {
            let mut outcome = read(&answer.done()?);
            // SECURITY: no uid that was not asked for, whatever the answer names.
            let asked = |named: &String| uids.iter().any(|uid| uid.eq_ignore_ascii_case(named));
            for list in [&mut outcome.done, &mut outcome.already, &mut outcome.not_found] {
                list.retain(asked);
            }
            Ok(outcome)
        })
    }

    /// Imports up to [`MAX_IMPORT_USERS`] users and returns one row for each, in order.
    ///
    /// # Errors
    /// An error of the whole request does not prove that nothing was imported: such a
    /// request was seen to fail with 500 after storing its rows. Repeating it is safe.
    pub fn import_users(&self, users: &[NewUser]) -> Result<Vec<ImportRow>, Error> {
        if users.is_empty() {
            return Ok(Vec::new());
        }
        if users.len() > MAX_IMPORT_USERS {
            return Err(Error::InvalidRequest { what: "more than 50 users" });
        }
        let mut by_uid = Map::new();
        for user in users {
            segment(&user.uid)?;
            let row = NewUser { status_message: None, ..user.clone() };
            let row = serde_json::to_value(row)
                .map_err(|_| Error::InvalidRequest { what: "user cannot be written as JSON" })?;
            if by_uid.insert(user.uid.clone(), row).is_some() {
                return Err(Error::InvalidRequest { what: "a uid twice in one import" });
            }
        }
        let path = "/data_import/users".into();
        let request = Request::new(Operation::ImportUsers, Method::Post, path);
        self.exchange(request.json(&json!({ "users": by_uid }))?, |answer| rows(answer, users))
    }
}

fn rows(answer: &Answer, users: &[NewUser]) -> Result<Vec<ImportRow>, Error> {
    let mut reported = match answer.data_any_status()? {
        Value::Object(map) => map,
        _ => return Err(answer.unexpected_body("no rows in it")),
    };
    // CometChat lower-cases uids, so the answer's keys may differ from ours in case.
    let keys: Vec<String> = reported.keys().cloned().collect();
    let rows = users.iter().map(|user| {
        let key = keys.iter().find(|k| k.eq_ignore_ascii_case(&user.uid));
        let found = key.and_then(|k| reported.remove(k));
        let outcome = found.map_or(RowOutcome::Missing, |v| row(answer, v, &user.uid));
        ImportRow { uid: user.uid.clone(), outcome }
    });
    Ok(rows.collect())
}

fn row(answer: &Answer, v: Value, uid: &str) -> RowOutcome {
    let Value::Object(mut row) = v else { return RowOutcome::Missing };
    let error = row.remove("error").filter(|e| !e.is_null());
    match (flag_at(&row, "success"), error) {
        (Some(true), _) | (None, None) => {
            let user = row.remove("data").or(Some(Value::Object(row))).and_then(User::from_value);
            // SECURITY: never another user's data, see `expect_user`.
            let user = user.filter(|user| user.uid.eq_ignore_ascii_case(uid));
            RowOutcome::Imported(user.map(Box::new))
        }
        (_, error) => {
            let (code, message) = error.as_ref().map(|e| answer.row_error(e)).unwrap_or_default();
            RowOutcome::Failed { code, message }
        }
    }
}
