//! All that the extension has made of a database, and how two databases differ in it.

use std::collections::BTreeMap;

use crate::Database;

/// A property of an object, and its value.
pub type Catalog = BTreeMap<(String, String), String>;

/// What the catalogs say about the extension and all that is its own.
#[track_caller]
pub fn catalog(db: &Database) -> Catalog {
    let rows = db.admin().query(include_str!("catalog.sql"), &[]).expect("the catalogs");
    let read = |row: &postgres::Row| ((row.get(0), row.get(1)), row.get(2));
    let catalog: Catalog = rows.iter().map(read).collect();
    assert_eq!(catalog.len(), rows.len(), "a property that comes twice");
    catalog
}

/// What differs, a paragraph for each property of an object.
#[must_use]
pub fn differences(upgraded: &Catalog, fresh: &Catalog) -> Vec<String> {
    let all: BTreeMap<_, _> = upgraded.iter().chain(fresh).collect();
    all.keys()
        .filter_map(|key| {
            let (object, property) = key;
            let [upgraded, fresh] = [upgraded, fresh].map(|catalog| catalog.get(*key));
            let show =
                |value: Option<&String>| value.map_or("(is not there)".into(), String::clone);
            (upgraded != fresh).then(|| {
                let (upgraded, fresh) = first_difference(&show(upgraded), &show(fresh));
                format!("{object}: {property}\n  upgraded: {upgraded}\n  fresh:    {fresh}")
            })
        })
        .collect()
}

/// Of two texts of many lines, the first lines that differ.
fn first_difference(one: &str, other: &str) -> (String, String) {
    if one.lines().count() < 2 || other.lines().count() < 2 {
        return (one.to_owned(), other.to_owned());
    }
    let same = one.lines().zip(other.lines()).take_while(|(one, other)| one == other).count();
    let line = |text: &str| text.lines().nth(same).unwrap_or("(ends here)").to_owned();
    let after = |text: &str| format!("line {}: {}", same + 1, line(text));
    (after(one), after(other))
}
