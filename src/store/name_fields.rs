//! Which values of the metadata may be a user's name: keys, paths, and several joined.
//!
//! An entry of `cometchat.display_name_fields` is a key; where there is no such key, a dot leads into
//! a nested object, and a plus joins what is there with a space: `profile.nick`,
//! `given_name+family_name`.

use std::cell::RefCell;
use std::rc::Rc;

use crate::config::{self, DisplayNameFields};

/// What the setting's default stands for, besides the keys that it lists: where Supabase's own
/// dashboard and the providers' answers have a name. Who changes the setting says exactly which keys
/// others may see, and none of these is added.
const FURTHER: &[&str] = &[
    "displayName",
    "custom_claims.display_name",
    "custom_claims.displayName",
    "fullName",
    "custom_claims.full_name",
    "custom_claims.fullName",
    "custom_claims.name",
    "custom_claims.global_name",
    "given_name+family_name",
    "first_name+last_name",
    "givenName+familyName",
    "firstName+lastName",
    "custom_claims.given_name+custom_claims.family_name",
    "custom_claims.first_name+custom_claims.last_name",
    "custom_claims.givenName+custom_claims.familyName",
    "custom_claims.firstName+custom_claims.lastName",
    "surname",
    "custom_claims.surname",
];

/// The values to read, and how names are made of them.
pub struct NameFields {
    /// Where each value is, key by key.
    pub paths: Vec<Vec<String>>,
    /// The candidates, best first; each in several ways, of which the first that is there counts.
    names: Vec<Vec<Vec<usize>>>,
    /// How many of them the setting names.
    pub own: usize,
}

impl NameFields {
    /// As the setting says now.
    pub fn in_force() -> Rc<Self> {
        thread_local! {
            static LAST: RefCell<Option<(DisplayNameFields, Rc<NameFields>)>> = RefCell::default();
        }
        let setting = config::display_name_fields();
        LAST.with_borrow_mut(|last| match last {
            Some((same, fields)) if *same == setting => Rc::clone(fields),
            _ => {
                let fields = Rc::new(NameFields::from(&setting));
                *last = Some((setting, Rc::clone(&fields)));
                fields
            }
        })
    }

    fn from(fields: &DisplayNameFields) -> Self {
        let more = if fields.is_the_default { FURTHER } else { &[] };
        let mut all = NameFields { paths: vec![], names: vec![], own: 0 };
        for field in &fields.keys {
            all.add(field);
        }
        all.own = all.names.len();
        for field in more {
            all.add(field);
        }
        all
    }

    fn add(&mut self, field: &str) {
        let literal = vec![self.value(field, &[])];
        let mut ways = vec![literal];
        if field.contains(['.', '+']) {
            let joined = field.split('+').map(|part| {
                let mut path = part.trim().split('.');
                let key = path.next().unwrap_or_default();
                self.value(key, &path.collect::<Vec<_>>())
            });
            ways.push(joined.collect());
        }
        self.names.push(ways);
    }

    /// The number of the value at this place, which is read once.
    fn value(&mut self, key: &str, deeper: &[&str]) -> usize {
        let path: Vec<String> = [&[key], deeper].concat().into_iter().map(str::to_owned).collect();
        self.paths.iter().position(|known| *known == path).unwrap_or_else(|| {
            self.paths.push(path);
            self.paths.len() - 1
        })
    }

    /// The first key of each path.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.paths.iter().map(|path| path.first().map_or("", String::as_str))
    }

    /// The rest of each path, as Postgres writes a `text[]`.
    pub fn rests(&self) -> impl Iterator<Item = String> + '_ {
        let quoted =
            |step: &String| format!("\"{}\"", step.replace('\\', "\\\\").replace('"', "\\\""));
        let rest = move |path: &Vec<String>| path.iter().skip(1).map(quoted).collect::<Vec<_>>();
        self.paths.iter().map(move |path| format!("{{{}}}", rest(path).join(",")))
    }

    /// The candidates for the name, best first, from the values that were read.
    pub fn names(&self, values: &[Option<String>]) -> Vec<Option<String>> {
        let value = |at: &usize| values.get(*at)?.as_deref().filter(|v| !v.trim().is_empty());
        let way = |parts: &Vec<usize>| {
            let there: Vec<&str> = parts.iter().filter_map(value).collect();
            (!there.is_empty()).then(|| there.join(" "))
        };
        self.names.iter().map(|ways| ways.iter().find_map(way)).collect()
    }
}
