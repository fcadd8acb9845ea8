//! The error codes, where others repeat them.

use sync::error::{ErrorCode, Passes, INTERNAL, INVALID_DATA};

use crate::document;

fn all() -> Vec<String> {
    ErrorCode::ALL.iter().map(|code| code.as_str().to_owned()).collect()
}

#[test]
fn readme() {
    let mut table =
        "| `errorCode` | `error` begins | what to do | passes |\n|---|---|---|---|\n".to_owned();
    for code in ErrorCode::ALL {
        let (text, begins) = (code.as_str(), code.phrases().join(", or "));
        let passes = code.passes().as_str();
        table += &format!("| `{text}` | {begins} | {} | {passes} |\n", code.what_to_do());
    }
    document::has_generated("README.md", "error codes", &table);
}

#[test]
fn error_codes_document() {
    let file = "docs/error-codes.md";
    let mut table = "| code | when |\n|---|---|\n".to_owned();
    for code in ErrorCode::ALL {
        table += &format!("| `{}` | {} |\n", code.as_str(), code.when());
    }
    document::has_generated(file, "error codes", &table);
    for own in [INVALID_DATA, INTERNAL] {
        assert!(document::read(file).contains(&format!("\n| `{own}` |")), "{file}: no row {own}");
    }
}

#[test]
fn typescript_client() {
    let with = |passes: Passes| -> String {
        let codes = ErrorCode::ALL.iter().filter(|code| code.passes() == passes);
        codes.map(|code| format!("  '{}',\n", code.as_str())).collect()
    };
    let source = format!(
        "// The extension's error codes. Generated from its table, crates/sync/src/error/code.rs, by
// BLESS=1 cargo test -p sync --test lists

/** A call that failed so is likely to succeed within seconds: `ensureUser` asks again by itself. */
export const SOON = [
{}] as const;

/** A call that failed so may succeed after a while, without any change. */
export const LATER = [
{}] as const;

/** A call that failed so needs a change first: in the call, the server's set-up or CometChat. */
export const LASTING = [
{}] as const;

/** Whether the same call may succeed later without any change. A code that is not known here: no. */
export function isTransient(errorCode: string): boolean {{
  return isSoon(errorCode) || LATER.some((code) => code === errorCode);
}}

/** Whether it is likely to within seconds. */
export function isSoon(errorCode: string): boolean {{
  return SOON.some((code) => code === errorCode);
}}

/** The codes that the extension answers with. Its README says what to do about each. */
export type DatabaseErrorCode = (typeof SOON)[number] | (typeof LATER)[number] | (typeof LASTING)[number];
",
        with(Passes::Soon),
        with(Passes::Later),
        with(Passes::No),
    );
    document::is_generated("clients/typescript/src/codes.ts", &source);
}

/// Its README says what is asked again, and which codes it answers with itself.
#[test]
fn typescript_clients_readme() {
    let file = "clients/typescript/README.md";
    let rows = document::table(file, "## What is asked again");
    let row = rows.iter().find(|row| row[0].starts_with("the extension says")).expect("the row");
    let soon = ErrorCode::ALL.iter().filter(|code| code.passes() == Passes::Soon);
    for code in soon {
        let code = code.as_str();
        assert!(row[0].contains(code), "{file}: {code} is not among what is asked again");
    }
    let rows = document::table(file, "## Codes");
    let own = rows.iter().flat_map(|row| document::quoted(&row[0])).filter(|c| c != "ABORTED");
    let known = all();
    for code in own {
        assert!(known.contains(&code), "{file}: {code} is no code");
    }
}

#[test]
fn words_of_the_example() {
    let file = "examples/web/src/words.ts";
    let text = document::read(file);
    let list = text.split_once("const CHAT:").expect("CHAT").1.split_once("\n};").expect("its end");
    let keys = list.0.lines().filter_map(|line| Some(line.strip_prefix("  ")?.split_once(':')?.0));
    let keys: Vec<String> = keys.filter(|key| *key != "CHAT_LOGIN").map(str::to_owned).collect();
    document::same(file, "words for", &keys, &all());
}

/// The other files of `health()` have words of SQL in capitals.
fn says_codes(file: &str) -> bool {
    ["health/api.sql", "health/sending.sql"].iter().any(|name| file.ends_with(name))
}

/// `health()` has hints of its own for some, and sends to docs/error-codes.md for the others.
#[test]
fn hints_of_health() {
    let files: Vec<(String, String)> =
        document::sql().into_iter().filter(|(file, _)| says_codes(file)).collect();
    let like_a_code =
        |word: &&str| word.len() > 4 && word.bytes().all(|b| b.is_ascii_uppercase() || b == b'_');
    let known = all();
    for (file, text) in &files {
        let quoted = text.split('\'').skip(1).step_by(2);
        for word in quoted.filter(like_a_code).filter(|word| *word != "MODULE_PATHNAME") {
            assert!(known.iter().any(|code| code == word), "{file}: {word} is no code");
        }
    }
    let to_the_codes = "ELSE '-- See docs/error-codes.md.'";
    assert!(files.iter().any(|(_, text)| text.contains(to_the_codes)), "no hint for other codes");
}

/// Each is shown by a golden, with its phrase, and arrives at supabase-js.
#[test]
fn tests_that_bring_each_about() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/pg_regress/expected");
    let files = std::fs::read_dir(folder).expect(folder).map(|file| file.unwrap().path());
    let golden: String = files.map(|file| std::fs::read_to_string(file).unwrap()).collect();
    let supabase = document::read("tests/supabase/tests/expected_errors.ts");
    let mut missing = Vec::new();
    for code in ErrorCode::ALL {
        let (text, phrases) = (code.as_str(), code.phrases());
        let answer = format!(r#""errorCode": "{text}""#);
        let answers: Vec<&str> = golden.lines().filter(|line| line.contains(&answer)).collect();
        let is_wrong = |line: &&&str| {
            let begins = |phrase: &&str| line.contains(&format!(r#""error": "{phrase}"#));
            line.contains(r#""error": "#) && !phrases.iter().any(begins)
        };
        if answers.is_empty() {
            missing.push(format!("tests/pg_regress/expected: no answer {text}"));
        }
        missing.extend(answers.iter().find(is_wrong).map(|line| format!("{text}: {line}")));
        if !supabase.contains(&format!("', '{text}', "))
            && !supabase.contains(&format!("\", '{text}', "))
        {
            missing.push(format!("tests/supabase/tests/expected_errors.ts: no row {text}"));
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}
