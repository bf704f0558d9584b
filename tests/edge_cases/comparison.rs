//! The page about supervision is true of us: what its table says is seen again.

use std::process::{Command, Stdio};

use crate::may_unshare;
use crate::support::{binary, peers};

/// The rows of a table with our own cell of each; headings and what differs from run to run are
/// left out.
fn own_cells(table: &str) -> Vec<(String, String)> {
    table
        .lines()
        .skip_while(|line| !line.starts_with("|---"))
        .skip(1)
        .take_while(|line| line.starts_with('|') && !line.contains("**What it costs**"))
        .filter(|line| !line.starts_with("| **"))
        .map(|line| {
            let cells: Vec<_> = line.split('|').map(str::trim).collect();
            (cells[1].to_owned(), cells[2].to_owned())
        })
        .collect()
}

#[test]
fn our_column_of_the_comparison_holds() {
    if !may_unshare() || peers::find("python3").is_none() {
        return;
    }
    let root = env!("CARGO_MANIFEST_DIR");
    let output = Command::new(format!("{root}/tests/compare/run"))
        .args([
            "--only=process-wrapper",
            "--quick",
            "--no-costs",
            "--wrapper",
        ])
        .arg(binary())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    let seen = own_cells(&String::from_utf8(output.stdout).unwrap());

    let page = std::fs::read_to_string(format!("{root}/docs/supervision.md")).unwrap();
    let table = page.split("<!-- tests/compare/run: begin -->").nth(1);
    let written = own_cells(table.unwrap());
    assert!(written.len() > 25, "the table is not found: {written:?}");
    assert_eq!(seen, written);
    // What we do not do is said, and there is no more of it.
    let missing: Vec<_> = seen.iter().filter(|(_, cell)| cell != "yes").collect();
    assert_eq!(missing.len(), 2, "{missing:?}");
}
