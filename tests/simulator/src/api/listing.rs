//! `GET /users`: pages, filters and their arithmetic.

use super::error::ApiError;
use super::handle::Call;
use super::reply::Reply;
use crate::state::store::Which;
use crate::state::user::{User, UserView};
use serde::Serialize;
use serde_json::{json, Value};

/// Query parameters.
pub struct Query(Vec<(String, String)>);

impl Query {
    pub fn of(text: Option<&str>) -> Query {
        let pairs = form_urlencoded::parse(text.unwrap_or("").as_bytes());
        Query(pairs.map(|(name, value)| (name.into_owned(), value.into_owned())).collect())
    }

    pub fn last(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// A list, however it is spelt: `a=x,y`, `a=x&a=y`, `a[]=x&a[]=y`, `a[0]=x`.
    fn list(&self, name: &str) -> Vec<&str> {
        let matching = self.0.iter().filter(|(n, _)| n.split('[').next() == Some(name));
        matching.flat_map(|(_, value)| value.split(',')).filter(|item| !item.is_empty()).collect()
    }

    fn flag(&self, name: &str) -> Result<bool, ApiError> {
        match self.last(name) {
            None | Some("" | "0" | "false") => Ok(false),
            Some("1" | "true") => Ok(true),
            Some(_) => {
                Err(ApiError::field(name, format!("The {name} field must be true or false.")))
            }
        }
    }

    fn number(&self, name: &str, default: usize, most: usize) -> Result<usize, ApiError> {
        let Some(text) = self.last(name) else { return Ok(default) };
        match text.parse() {
            Ok(number) if (1..=most).contains(&number) => Ok(number),
            _ => Err(ApiError::field(name, format!("The {name} must be from 1 to {most}."))),
        }
    }
}

/// A page of some size.
pub struct Page {
    pub number: usize,
    pub size: usize,
}

impl Page {
    /// 100 a page unless asked otherwise, 1000 at most (OA).
    pub fn of(query: &Query) -> Result<Page, ApiError> {
        let size = query.number("perPage", 100, 1000)?;
        Ok(Page { number: query.number("page", 1, u32::MAX as usize)?, size })
    }

    pub fn offset(&self) -> usize {
        (self.number - 1).saturating_mul(self.size)
    }

    pub fn meta(&self, total: usize, count: usize) -> Value {
        json!({ "pagination": {
            "total": total,
            "count": count,
            "per_page": self.size,
            "current_page": self.number,
            "total_pages": total.div_ceil(self.size).max(1),
        } })
    }
}

/// Conditions on users; all must hold.
struct Filters<'a> {
    search: Option<String>,
    search_in: Vec<&'a str>,
    roles: Vec<&'a str>,
    tags: Vec<&'a str>,
    available: bool,
}

impl<'a> Filters<'a> {
    fn of(query: &'a Query) -> Result<Self, ApiError> {
        let mut roles = query.list("roles");
        roles.extend(query.list("role"));
        let available = match query.last("status") {
            None | Some("" | "offline") => false,
            Some("available") => true,
            Some(_) => return Err(ApiError::field("status", "The selected status is invalid.")),
        };
        let search = query.last("searchKey").filter(|key| !key.is_empty());
        Ok(Filters {
            search: search.map(str::to_lowercase),
            search_in: query.list("searchIn"),
            roles,
            tags: query.list("tags"),
            available,
        })
    }

    fn is_empty(&self) -> bool {
        self.search.is_none() && self.roles.is_empty() && self.tags.is_empty() && !self.available
    }

    fn hold(&self, user: &User) -> bool {
        // Everybody is offline here.
        if self.available {
            return false;
        }
        let within = |field| self.search_in.is_empty() || self.search_in.contains(&field);
        // A prefix search: the parameter is described as LIKE with a trailing % (OA).
        let found = self.search.as_deref().is_none_or(|key| {
            (within("uid") && user.uid.starts_with(key))
                || (within("name") && user.name.to_lowercase().starts_with(key))
        });
        found
            && (self.roles.is_empty() || self.roles.contains(&&*user.role))
            && self.tags.iter().all(|tag| user.tags.iter().any(|own| &**own == *tag))
    }
}

pub fn list(call: &Call<'_>) -> Result<Reply, ApiError> {
    let query = Query::of(call.query);
    let page = Page::of(&query)?;
    let filters = Filters::of(&query)?;
    let with_tags = query.flag("withTags")?;
    let which = match (query.flag("onlyDeactivated")?, query.flag("withDeactivated")?) {
        (true, _) => Which::Deactivated,
        (_, true) => Which::All,
        _ => Which::Active,
    };
    let mut world = call.shared.world();
    let store = &world.app(call.app).store;
    let (total, users): (usize, Vec<&User>) = if filters.is_empty() {
        (store.count(which), store.page(which, page.offset(), page.size).collect())
    } else {
        // Filters look at every user; only unfiltered listings are quick with a million of them.
        let mut total = 0;
        let mut users = Vec::new();
        for user in store.page(which, 0, usize::MAX).filter(|user| filters.hold(user)) {
            if total >= page.offset() && users.len() < page.size {
                users.push(user);
            }
            total += 1;
        }
        (total, users)
    };
    let updated_at = users.last().map(|user| user.updated_at.max(user.created_at));
    let views: Vec<UserView<'_>> =
        users.into_iter().map(|user| UserView { with_tags, ..UserView::plain(user) }).collect();
    #[derive(Serialize)]
    struct Listing<'a> {
        data: &'a [UserView<'a>],
        meta: Value,
        #[serde(skip_serializing_if = "Option::is_none")]
        cursor: Option<Value>,
    }
    let cursor = updated_at.map(|at| json!({ "updatedAt": at, "affix": "prepend" }));
    let meta = page.meta(total, views.len());
    Ok(Reply::json(200, &Listing { data: &views, meta, cursor }))
}
