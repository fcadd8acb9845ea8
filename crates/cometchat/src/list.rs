//! Listing users, a page at a time ("List users").

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::answer::Answer;
use crate::client::Client;
use crate::error::Error;
use crate::exchange::{Method, Request, SMALL_BODY};
use crate::observe::Operation;
use crate::tree::{Budget, Tree};
use crate::user::User;
use crate::value::count_at;

/// The largest page ("List users").
pub const MAX_PER_PAGE: u32 = 1000;

/// Memory for one entry of a page, in bytes: more than the densest 5 KB of metadata take.
const MAX_ENTRY: usize = 1 << 20;
/// Memory for all the metadata of a page.
const MAX_METADATA: usize = 32 << 20;

/// Which users to list. The default is the first 100 that are not deactivated.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListUsers {
    /// Users per page, 1 to [`MAX_PER_PAGE`]; CometChat's default is 100.
    pub per_page: Option<u32>,
    /// From 1.
    pub page: Option<u32>,
    /// Show tags.
    pub with_tags: bool,
    /// Deactivated users as well.
    pub with_deactivated: bool,
}

/// One page of users.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct UserPage {
    /// In CometChat's order. Where the metadata of a page take more than 32 MB of memory, those of
    /// its last users are left out.
    pub users: Vec<User>,
    /// Entries that had no uid, or were larger than any user can be, and were left out.
    pub unreadable: usize,
    /// What CometChat says about all pages.
    pub pagination: Option<Pagination>,
}

/// `meta.pagination`; anything may be absent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pagination {
    /// This page, from 1.
    pub current_page: Option<u64>,
    /// Number of pages.
    pub total_pages: Option<u64>,
}

impl UserPage {
    /// Another page is worth asking for: this one is not empty, and CometChat either says
    /// that more follow or does not say.
    pub fn has_more(&self) -> bool {
        let nothing = self.users.is_empty() && self.unreadable == 0;
        let p = self.pagination.unwrap_or_default();
        !nothing && p.current_page.zip(p.total_pages).is_none_or(|(at, of)| at < of)
    }
}

impl ListUsers {
    fn path(&self) -> Result<String, Error> {
        if self.per_page.is_some_and(|n| n == 0 || n > MAX_PER_PAGE) {
            return Err(Error::InvalidRequest { what: "users per page" });
        }
        let number = |name: &str, n: Option<u32>| n.map(|n| format!("{name}={n}"));
        let flag = |name: &str, on: bool| on.then(|| format!("{name}=true"));
        let pairs: Vec<String> = [
            number("perPage", self.per_page),
            number("page", self.page),
            flag("withTags", self.with_tags),
            flag("withDeactivated", self.with_deactivated),
        ]
        .into_iter()
        .flatten()
        .collect();
        let mark = if pairs.is_empty() { "" } else { "?" };
        Ok(format!("/users{mark}{}", pairs.join("&")))
    }
}

impl Client {
    /// One page of users.
    ///
    /// # Errors
    /// `InvalidRequest` when `per_page` is out of range.
    pub fn list_users(&self, query: &ListUsers) -> Result<UserPage, Error> {
        let request = Request::new(Operation::ListUsers, Method::Get, query.path()?);
        self.exchange(request, read_page)
    }
}

/// Reads a page user by user, so that megabytes of answer are never a tree in memory.
fn read_page(answer: &Answer) -> Result<UserPage, Error> {
    if answer.is_success() {
        if let Ok(Page { data: Some(found), error: None, meta }) =
            serde_json::from_slice(&answer.body)
        {
            let pagination = meta.as_ref().and_then(|m| m.0.get("pagination")?.as_object());
            return Ok(UserPage {
                users: found.users,
                unreadable: found.unreadable,
                pagination: pagination.map(read_pagination),
            });
        }
    }
    // Not a page: let the envelope say what it is instead, unless it is too big to be one.
    if answer.body.len() as u64 > SMALL_BODY {
        return Err(answer.unexpected_body("no list in it"));
    }
    answer.data().and_then(|_| Err(answer.unexpected_body("no list in it")))
}

fn read_pagination(map: &Map<String, Value>) -> Pagination {
    Pagination {
        current_page: count_at(map, "current_page"),
        total_pages: count_at(map, "total_pages"),
    }
}

#[derive(Deserialize)]
struct Page {
    data: Option<Users>,
    error: Option<IgnoredAny>,
    meta: Option<Meta>,
}

/// What is said about a page; nothing when it says too much.
struct Meta(Value);

impl<'de> Deserialize<'de> for Meta {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Ok(Meta(Tree(&Budget::new(MAX_ENTRY)).deserialize(d)?.unwrap_or_default()))
    }
}

struct Users {
    users: Vec<User>,
    unreadable: usize,
    /// What is left for metadata.
    budget: Budget,
}

impl Default for Users {
    fn default() -> Self {
        Users { users: vec![], unreadable: 0, budget: Budget::new(MAX_METADATA) }
    }
}

impl Users {
    /// More than the largest page is not a page: it bounds memory.
    fn add<E: serde::de::Error>(&mut self, v: Option<Value>, taken: usize) -> Result<(), E> {
        if self.users.len() + self.unreadable >= MAX_PER_PAGE as usize {
            return Err(E::custom("too many users"));
        }
        match v.and_then(User::from_value) {
            Some(mut user) => {
                if user.metadata.is_some() && !self.budget.take(taken) {
                    user.metadata = None;
                }
                self.users.push(user);
            }
            None => self.unreadable += 1,
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Users {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct List;
        impl<'de> Visitor<'de> for List {
            type Value = Users;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of users")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Users, A::Error> {
                let mut users = Users::default();
                let mut entry = Budget::new(MAX_ENTRY);
                while let Some(v) = seq.next_element_seed(Tree(&entry))? {
                    users.add(v, MAX_ENTRY - entry.left())?;
                    entry = Budget::new(MAX_ENTRY);
                }
                Ok(users)
            }
            // A PHP list with gaps: `{"0": {..}, "2": {..}}`. Any other object, one user say, is no list: taken
            // for one, its users would be missing in CometChat.
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Users, A::Error> {
                let mut users = Users::default();
                while let Some(key) = map.next_key::<String>()? {
                    if key.parse::<u32>().is_err() {
                        return Err(serde::de::Error::custom("an object that is no list"));
                    }
                    let entry = Budget::new(MAX_ENTRY);
                    let v = map.next_value_seed(Tree(&entry))?;
                    users.add(v, MAX_ENTRY - entry.left())?;
                }
                Ok(users)
            }
        }
        d.deserialize_any(List)
    }
}
