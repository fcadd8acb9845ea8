//! benches/RESULTS.md and the plot beside it: what `make bench` measured, with goal and peer.

use std::fmt::Write;
use std::path::Path;
use std::process::Command;

use crate::report::Row;

/// Bars are cut here: whatever is larger is said in numbers.
const WIDEST: f64 = 3.0;

/// Writes both files. `scale` is said in them, since a small run proves nothing.
pub fn write(rows: &[Row], scale: &str, seconds: u64) -> std::io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    std::fs::write(folder.join("RESULTS.md"), markdown(rows, scale, seconds))?;
    std::fs::write(folder.join("results.svg"), plot(rows))
}

fn markdown(rows: &[Row], scale: &str, seconds: u64) -> String {
    let missed = rows.iter().filter(|row| row.ok == Some(false)).count();
    let mut text = String::from(
        "# What was measured\n\nWritten by `make bench`; NOTES.md says what was found and changed on the way. \
         Times are medians, with what the middle half of all tries lies between, of both sides of a pair, taken in turns in one \
         run: look at the ratios, machines differ.\n\n",
    );
    let _ = writeln!(text, "{}; {scale}, {seconds} s; {missed} goals missed.\n", machine());
    let mut section = "";
    for row in rows {
        if row.section != section {
            section = &row.section;
            let _ = writeln!(text, "\n## {section}\n\n| what | figure | beside | ratio | goal | |");
            text.push_str("|---|---|---|---|---|---|\n");
        }
        let ratio = row.ratio.map(|ratio| format!("{ratio:.2}")).unwrap_or_default();
        let verdict = match row.ok {
            Some(true) => "met",
            Some(false) => "**missed**",
            None => "",
        };
        let (figure, peer, goal) = (&row.figure, &row.peer, &row.goal);
        let _ =
            writeln!(text, "| {} | {figure} | {peer} | {ratio} | {goal} | {verdict} |", row.what);
    }
    text
}

/// Processor and versions.
fn machine() -> String {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let cores = cpu.lines().filter(|line| line.starts_with("processor")).count();
    let output = Command::new("rustc").arg("--version").output();
    let rustc = output.map(|o| String::from_utf8_lossy(&o.stdout).trim().to_owned());
    format!(
        "{cores} cores of {}, PostgreSQL {}, {}, cometchat_ext {}",
        model.map_or("an unknown processor", |(_, model)| model),
        std::env::var("COMETCHAT_PG").unwrap_or_default(),
        rustc.unwrap_or_default(),
        env!("CARGO_PKG_VERSION"),
    )
}

/// One bar for each ratio, and a line where its goal is.
fn plot(rows: &[Row]) -> String {
    let bars: Vec<(&Row, f64)> = rows.iter().filter_map(|row| Some((row, row.ratio?))).collect();
    let (left, width, step) = (330.0, 420.0, 22.0);
    let height = step * bars.len() as f64 + 40.0;
    let scale = |ratio: f64| width * ratio.min(WIDEST) / WIDEST;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 800 {height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"800\" height=\"{height}\" fill=\"#fff\"/>\n\
         <text x=\"{left}\" y=\"16\" fill=\"#666\">times as long as what it is compared with; | is the goal</text>\n"
    );
    for (n, (row, ratio)) in bars.iter().enumerate() {
        let y = 28.0 + step * n as f64;
        let color = if row.ok == Some(false) { "#c0504d" } else { "#4f81bd" };
        let _ = writeln!(
            svg,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\" fill=\"#333\">{}</text>\
             <rect x=\"{left}\" y=\"{y}\" width=\"{:.1}\" height=\"14\" fill=\"{color}\"/>\
             <text x=\"{:.1}\" y=\"{}\" fill=\"#333\">{ratio:.2}</text>",
            left - 8.0,
            y + 11.0,
            escape(&row.what),
            scale(*ratio),
            left + scale(*ratio) + 6.0,
            y + 11.0,
        );
        if let Some(goal) = row.at_most {
            let x = left + scale(goal);
            let _ = writeln!(
                svg,
                "<line x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{}\" y2=\"{}\" stroke=\"#000\"/>",
                y - 2.0,
                y + 16.0
            );
        }
    }
    svg.push_str("</svg>\n");
    svg
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
