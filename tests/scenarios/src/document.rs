//! A document whose SQL is run: each ```` ```sql ```` block in psql, in its order, and what it prints is compared with the
//! block that follows. Comments of Markdown, which no reader sees, say where it runs and what happens in between.

use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

use regex::Regex;

use crate::cluster::root;

/// What a document has done, in the order of its lines.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// `<!-- test: PLACE -->`: the next statements run in a database of this kind.
    Place(String),
    /// `<!-- meanwhile: EVENT -->`: something happens that is no SQL.
    Event(String),
    /// `<!-- before: SQL -->`: what was done before, and is not shown.
    Before(String),
    /// A block of SQL, the line where it begins, and the lines that are shown as its output.
    Sql { line: usize, sql: String, output: Option<Output> },
}

/// The lines between the fences, and their text.
#[derive(Debug, PartialEq, Eq)]
pub struct Output {
    first: usize,
    lines: usize,
    pub text: String,
}

/// A Markdown file of docs/.
pub struct Document {
    path: PathBuf,
    lines: Vec<String>,
}

impl Document {
    #[track_caller]
    pub fn read(name: &str) -> Document {
        let path = root().join("docs").join(name);
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
        Document { path, lines: text.lines().map(str::to_owned).collect() }
    }

    #[cfg(test)]
    fn of(text: &str) -> Document {
        Document { path: PathBuf::new(), lines: text.lines().map(str::to_owned).collect() }
    }

    pub fn steps(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        let mut at = 0;
        while let Some(line) = self.lines.get(at) {
            if let Some(place) = comment(line, "test") {
                steps.push(Step::Place(place));
            } else if let Some(event) = comment(line, "meanwhile") {
                steps.push(Step::Event(event));
            } else if let Some(sql) = comment(line, "before") {
                steps.push(Step::Before(sql));
            } else if line == "```sql" {
                let (sql, end) = self.block(at + 1);
                let output = self.output_after(end);
                steps.push(Step::Sql { line: at + 1, sql, output });
                at = end;
            }
            at += 1;
        }
        steps
    }

    /// The text of the block that begins here, and the line of its closing fence.
    #[track_caller]
    fn block(&self, first: usize) -> (String, usize) {
        let end = self.lines[first..].iter().position(|line| line == "```");
        let end = first + end.unwrap_or_else(|| panic!("line {first}: a block without an end"));
        (self.lines[first..end].join("\n"), end)
    }

    /// A block without a language, directly below or after one empty line.
    fn output_after(&self, end: usize) -> Option<Output> {
        let next = end + 1 + usize::from(self.lines.get(end + 1).is_some_and(String::is_empty));
        (self.lines.get(next).is_some_and(|line| line == "```")).then(|| {
            let (text, end) = self.block(next + 1);
            Output { first: next + 1, lines: end - next - 1, text }
        })
    }

    /// Replaces outputs, from the last to the first, and writes the file.
    pub fn rewrite(mut self, outputs: Vec<(&Output, String)>) {
        for (old, new) in outputs.into_iter().rev() {
            let new = new.lines().map(str::to_owned);
            self.lines.splice(old.first..old.first + old.lines, new);
        }
        fs::write(&self.path, self.lines.join("\n") + "\n").expect("write the document");
    }
}

/// The text of `<!-- KEY: TEXT -->`.
fn comment(line: &str, key: &str) -> Option<String> {
    let text = line.strip_prefix("<!-- ")?.strip_suffix(" -->")?;
    Some(text.strip_prefix(key)?.strip_prefix(": ")?.to_owned())
}

/// Output without what differs from one run to the next: times, tokens, ports, and widths of columns.
pub fn comparable(output: &str) -> String {
    let varying = [
        (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?\+00", "TIME"),
        (r"_\d{10}[0-9a-f]{20,}", "_TOKEN"),
        (r"\b[\d.]+ ms\b", "N ms"),
        (r"\b127\.0\.0\.1:\d+", "ADDRESS"),
        (r"(?m)^[-+]+$", ""),
        (r"[ \t]+", " "),
    ];
    let mut text = output.to_owned();
    for (pattern, sign) in varying {
        text = Regex::new(pattern).expect(pattern).replace_all(&text, sign).into_owned();
    }
    let mut lines = String::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        writeln!(lines, "{line}").expect("a string");
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_come_in_the_order_of_the_lines() {
        let text = "<!-- test: plain -->\n```sql\nselect 1;\n```\n\n```\n1\n```\n<!-- meanwhile: down -->\n\
                    <!-- before: select 2 -->\n```sql\nselect 3;\n```\n\nNo output.\n";
        let output = Output { first: 6, lines: 1, text: "1".into() };
        let steps = [
            Step::Place("plain".into()),
            Step::Sql { line: 2, sql: "select 1;".into(), output: Some(output) },
            Step::Event("down".into()),
            Step::Before("select 2".into()),
            Step::Sql { line: 11, sql: "select 3;".into(), output: None },
        ];
        assert_eq!(Document::of(text).steps(), steps);
    }

    #[test]
    fn what_varies_is_the_same_and_nothing_else() {
        let one =
            " at                      | ok\n----------------+----\n 2026-11-29 04:00:00+00 | t\n";
        let two = " at | ok\n----+---\n 2026-11-29 05:00:00.123+00 | t\n";
        assert_eq!(comparable(one), comparable(two));
        assert_ne!(comparable(one), comparable(&two.replace("| t", "| f")));
    }
}
