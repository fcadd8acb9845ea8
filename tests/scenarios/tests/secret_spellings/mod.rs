//! A search for secrets in a text, in every spelling in which a server may print them.

use std::collections::BTreeSet;

/// The numbers in a text, whatever is between them, with a blank before and after each: the bytes of
/// a constant as `debug_print_plan` lists them, over several lines. (With `debug_pretty_print` it
/// breaks lines in the middle of a number.)
fn numbers(text: &str) -> String {
    let mut numbers = String::from(" ");
    for c in text.chars() {
        match c {
            '0'..='9' => numbers.push(c),
            _ if !numbers.ends_with(' ') => numbers.push(' '),
            _ => {}
        }
    }
    numbers
}

/// The last twelve characters as numbers.
fn as_numbers(secret: &str) -> String {
    let tail = &secret.as_bytes()[secret.len().saturating_sub(12)..];
    tail.iter().fold(String::from(" "), |numbers, byte| format!("{numbers}{byte} "))
}

fn as_hex(secret: &str) -> String {
    let tail = &secret.as_bytes()[secret.len().saturating_sub(12)..];
    tail.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// In which spellings the secrets are in the text, each with what stands before it.
pub fn found(secrets: &BTreeSet<String>, text: &str) -> Vec<String> {
    let (lower, numbers) = (text.to_lowercase(), numbers(text));
    let mut found = Vec::new();
    for secret in secrets {
        for (spelling, text, needle) in [
            ("plain", text, secret.clone()),
            ("hex", &lower, as_hex(secret)),
            ("bytes", &numbers, as_numbers(secret)),
        ] {
            if let Some(at) = text.find(&needle) {
                let before: String = text[..at].chars().rev().take(200).collect();
                let before: String = before.chars().rev().collect();
                found.push(format!("{secret} ({spelling}) after … {before}"));
            }
        }
    }
    found
}

#[test]
fn the_search_finds_every_spelling() {
    let secrets = BTreeSet::from(["0123456789ab_".to_owned()]);
    for text in [
        "x 0123456789ab_ x",
        "\\x3132333435363738396162 \\x31323334353637383961625F",
        "CONST [ -92 0 0 0 49 50 51 52 53 \n\t 54 55 56 57 97 98 95 54 ]",
        "[49, 50, 51, 52, 53, 54, 55, 56, 57, 97, 98, 95]",
    ] {
        assert_eq!(found(&secrets, text).len(), 1, "{text}");
    }
    assert!(found(&secrets, "49 50 51 52 53 54 55 56 57 97 98 9 5").is_empty());
}
