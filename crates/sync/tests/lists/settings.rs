//! The settings, as src/config/gucs.rs declares them, where others repeat them.

use crate::document;

const SOURCE: &str = "src/config/gucs.rs";

struct Setting {
    name: String,
    /// As `pg_settings.boot_val` and `unit` would show it, without the quotes; empty for none.
    default: String,
    in_ms: bool,
}

/// Read from the source's text: without a server nothing else says.
fn declared() -> Vec<Setting> {
    let text = document::read(SOURCE);
    let mut names: Vec<&str> =
        text.split("c\"cometchat.").skip(1).filter_map(|s| s.split('"').next()).collect();
    names.sort_unstable();
    assert!(names.len() > 10, "{SOURCE} is not understood: {names:?}");
    let statics = text.matches("\npub(super) static ").count();
    assert_eq!(statics, names.len(), "{SOURCE}: a static without a row, or a row without a static");
    names.into_iter().map(|name| setting(&text, name)).collect()
}

fn setting(text: &str, name: &str) -> Setting {
    let constant = name.to_uppercase();
    let declaration = text.split_once(&format!("static {constant}:")).map(|(_, rest)| rest);
    let declaration =
        declaration.unwrap_or_else(|| panic!("{SOURCE}: no static {constant} for {name}"));
    let start = declaration.split_once("::new(").expect("::new").1;
    let value = start.split_once(';').expect(";").0.trim_end_matches(')');
    let default = match value.trim_start_matches("Some(") {
        "None" => String::new(),
        "true" => "on".to_owned(),
        "false" => "off".to_owned(),
        "NAME_FIELDS" => text
            .split_once("NAME_FIELDS: &CStr = c\"")
            .expect(value)
            .1
            .split('"')
            .next()
            .unwrap()
            .to_owned(),
        other => match other.split_once("::") {
            Some((_, variant)) => variant.to_lowercase(),
            None => other.replace('_', ""),
        },
    };
    let in_ms = name.ends_with("_timeout"); // the golden has the unit
    Setting { name: format!("cometchat.{name}"), default, in_ms }
}

/// Settings without a default have none in the README either, or words instead of it.
#[test]
fn readme() {
    let rows = document::table("README.md", "## Configuration");
    let row = |row: &Vec<String>| {
        let defaults = document::quoted(&row[1]);
        let names = document::quoted(&row[0]).into_iter().enumerate();
        let default = |n: usize| defaults.get(n).cloned().unwrap_or_default();
        names.map(|(n, name)| (name, default(n))).collect::<Vec<_>>()
    };
    let shown: Vec<(String, String)> = rows.iter().flat_map(row).collect();
    let names =
        |list: &[(String, String)]| list.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    let wanted: Vec<String> = declared().into_iter().map(|setting| setting.name).collect();
    document::same("README.md", "the table of settings", &names(&shown), &wanted);

    for setting in declared() {
        let (name, default) = shown.iter().find(|(name, _)| *name == setting.name).unwrap();
        let wanted = match (setting.in_ms, setting.default.parse::<u32>()) {
            (true, Ok(ms)) if ms % 1000 == 0 => format!("{}s", ms / 1000),
            (true, Ok(ms)) => format!("{ms}ms"),
            _ => setting.default,
        };
        if !wanted.is_empty() {
            assert_eq!(*default, wanted, "README.md: the default of {name}");
        }
    }
}

/// `pg_settings` in the golden, but for the key, which no list shows.
#[test]
fn golden() {
    let file = "tests/pg_regress/expected/interface.out";
    let text = document::read(file);
    let header = " name              |  context  | unit |";
    let rows = text.split_once(header).unwrap_or_else(|| panic!("{file}: no pg_settings")).1;
    let rows = rows.lines().skip(2).take_while(|line| line.starts_with(" cometchat."));
    let row = |line: &str| line.split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
    let shown: Vec<String> =
        rows.map(row).map(|cells| format!("{} {} {}", cells[0], cells[2], cells[3])).collect();
    let wanted = declared().into_iter().filter(|setting| setting.name != "cometchat.api_key");
    let unit = |setting: &Setting| if setting.in_ms { "ms" } else { "" };
    let wanted: Vec<String> =
        wanted.map(|s| format!("{} {} {}", s.name, unit(&s), s.default)).collect();
    document::same(file, "pg_settings (name, unit, default)", &shown, &wanted);
}

/// Each is read by a function, and no SQL names one that does not exist.
#[test]
fn accessors() {
    let text = document::read("src/config/mod.rs");
    for setting in declared() {
        let name = setting.name.trim_start_matches("cometchat.").to_uppercase();
        let read = text.matches(&format!("&{name}")).count()
            + text.matches(&format!("{name}.get()")).count();
        assert!(read > 0, "src/config/mod.rs: no function reads {name}");
    }
    let known: Vec<String> = declared().into_iter().map(|setting| setting.name).collect();
    for (file, text) in document::sql() {
        let named = text.split("current_setting('cometchat.").skip(1);
        for name in named.filter_map(|s| s.split('\'').next()).map(|s| format!("cometchat.{s}")) {
            assert!(known.contains(&name), "{file}: {name} is no setting");
        }
    }
}

/// docs/settings.md: what the source says of each.
#[test]
fn reference() {
    let text = document::read(SOURCE);
    let mut table =
        String::from("| setting | default | values | set by | meaning |\n|---|---|---|---|---|\n");
    for setting in declared() {
        let (short, long) = described(&text, &setting.name);
        let default = match (setting.default.as_str(), setting.in_ms) {
            ("", _) => String::new(),
            (ms, true) => format!("`{ms}ms`"),
            (default, false) => format!("`{default}`"),
        };
        let (values, set_by) = (values(&text, &setting), set_by(&text, &setting));
        let meaning = format!("{short} {long}");
        table += &format!(
            "| `{}` | {default} | {values} | {set_by} | {} |\n",
            setting.name,
            meaning.trim().replace('|', "\\|")
        );
    }
    document::has_generated("docs/settings.md", "settings", &table);
}

/// The two literals after the name: short and long description.
fn described(text: &str, name: &str) -> (String, String) {
    let (_, rest) = text.split_once(&format!("c\"{name}\",")).expect(name);
    let mut literals = rest.split("c\"").skip(1).filter_map(|literal| literal.split('"').next());
    let mut next = || literals.next().expect(name).to_owned();
    (next(), next())
}

/// The array that a setting's row is in, or `init`.
fn group<'a>(text: &'a str, setting: &Setting) -> &'a str {
    let (before, _) = text.split_once(&format!("c\"{}\"", setting.name)).expect(&setting.name);
    let arrays =
        ["SUPERUSER_TEXTS: [", "TIMEOUTS: [", "NUMBERS: [", "SWITCHES: [", "pub fn init()"];
    let start = arrays.iter().filter_map(|array| before.rfind(array)).max().expect("an array");
    text[start..].split([':', '(']).next().expect("its name")
}

fn values(text: &str, setting: &Setting) -> String {
    match group(text, setting) {
        "TIMEOUTS" => "1ms to 60s".to_owned(),
        "SWITCHES" => "on, off".to_owned(),
        "NUMBERS" => {
            let (_, row) = text.split_once(&format!("c\"{}\"", setting.name)).expect("the row");
            let (_, bounds) = row.split_once("),\n").expect("its bounds");
            let mut bounds = bounds.split(',').map(|bound| bound.trim().replace('_', ""));
            format!("{} to {}", bounds.next().expect("least"), bounds.next().expect("most"))
        }
        _ if setting.name == "cometchat.on_delete" => "deactivate, delete, keep".to_owned(),
        _ => "text".to_owned(),
    }
}

fn set_by(text: &str, setting: &Setting) -> &'static str {
    match group(text, setting) {
        "TIMEOUTS" => "everybody",
        _ if setting.name == "cometchat.api_key" => "the configuration file",
        _ => "superusers",
    }
}
