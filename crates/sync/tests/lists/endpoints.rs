//! The endpoints of CometChat's that the client knows, and what each takes: a method, a test, a place in
//! the simulator.

use crate::document;

const SOURCE: &str = "crates/cometchat/src/observe.rs";

/// The rows of the client's table: variant and name.
fn operations() -> Vec<(String, String)> {
    let text = document::read(SOURCE);
    let table = text.split_once("\noperations! {\n").expect(SOURCE).1;
    let table = table.split_once("\n}").expect("its end").0;
    let row = |line: &str| {
        let (variant, rest) = line.trim().split_once(" = \"")?;
        Some((variant.to_owned(), rest.split_once('"')?.0.to_owned()))
    };
    table.lines().filter_map(row).collect()
}

#[test]
fn each_has_a_method_a_test_and_a_simulated_one() {
    let sources: String = ["users", "tokens", "bulk", "list"]
        .iter()
        .map(|file| format!("crates/cometchat/src/{file}.rs"))
        .filter(|file| document::exists(file))
        .map(|file| document::read(&file))
        .collect();
    let tests = document::read("crates/cometchat/tests/operations.rs");
    let simulated = document::read("tests/simulator/src/api/route.rs");
    let operations = operations();
    assert!(operations.len() > 5, "{SOURCE} is not understood");
    let mut missing = Vec::new();
    for (variant, name) in &operations {
        if !sources.contains(&format!("Operation::{variant}")) {
            missing.push(format!("crates/cometchat/src: no method sends {variant}"));
        }
        if !tests.contains(&format!(".{name}(")) {
            missing.push(format!("crates/cometchat/tests/operations.rs: no test calls {name}"));
        }
        if !simulated.contains(&format!("\"{name}\"")) {
            missing.push(format!("tests/simulator/src/api/route.rs: no operation {name}"));
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}
