//! What an expression of PromQL selects, compared with served series.
//!
//! Owns the part of the grammar that the shipped rules and panels use. It never evaluates an
//! expression.

use std::collections::{BTreeMap, BTreeSet};

/// A name and its labels.
pub(crate) type Series = (String, BTreeMap<String, String>);

/// The series of a page.
pub(crate) fn series(pages: &str) -> Vec<Series> {
    let lines = pages
        .lines()
        .filter(|line| line.starts_with("process_wrapper_"));
    lines
        .map(|line| {
            let (name, labels, _) = split_selector(line);
            (
                name.to_owned(),
                labels
                    .into_iter()
                    .map(|(label, _, value)| (label, value))
                    .collect(),
            )
        })
        .collect()
}

/// The name at the beginning of a text, its matchers as label, operator and value, and the rest.
fn split_selector(text: &str) -> (&str, Vec<(String, String, String)>, &str) {
    let letter = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let end = text.find(|c| !letter(c)).unwrap_or(text.len());
    let (name, mut rest) = text.split_at(end);
    let mut matchers = Vec::new();
    if let Some(inside) = rest.strip_prefix('{') {
        let mut inside = inside;
        while !inside.starts_with('}') {
            let (label, tail) = inside.split_once('"').unwrap();
            let (value, tail) = tail.split_once('"').unwrap();
            let name = label.trim_end_matches(|c| !letter(c));
            matchers.push((name.into(), label[name.len()..].into(), value.into()));
            inside = tail.trim_start_matches([',', ' ']);
        }
        rest = &inside[1..];
    }
    (name, matchers, rest)
}

/// Labels that Prometheus adds to each target.
const OF_THE_TARGET: [&str; 2] = ["job", "instance"];

/// What an expression names that no series has.
pub(crate) fn mistakes(expression: &str, served: &[Series]) -> Vec<String> {
    let mut mistakes = Vec::new();
    let mut rest = expression;
    let mut known: BTreeSet<&str> = served
        .iter()
        .flat_map(|(_, labels)| labels.keys().map(String::as_str))
        .collect();
    known.extend(OF_THE_TARGET);
    while let Some(at) = rest.find("process_wrapper_") {
        let before = &rest[..at];
        let (name, matchers, tail) = split_selector(&rest[at..]);
        // The label of the state set, in a list of labels, has the name of its metric.
        if before.ends_with("(") && tail.starts_with(") (") {
            rest = tail;
            continue;
        }
        for (label, operator, value) in &matchers {
            if OF_THE_TARGET.contains(&label.as_str()) {
                let expected = if label == "job" {
                    "process-wrapper"
                } else {
                    "$instance"
                };
                if value != expected {
                    mistakes.push(format!("{label} is {value:?}"));
                }
                continue;
            }
            let values: Vec<&str> = match operator.as_str() {
                "=~" | "!~" => value.split('|').collect(),
                "=" | "!=" => vec![value],
                _ => panic!("{operator}"),
            };
            for value in values {
                let has = |(served, labels): &Series| {
                    served == name && labels.get(label).is_some_and(|found| found == value)
                };
                if !served.iter().any(has) {
                    mistakes.push(format!("{name} never has {label}={value:?}"));
                }
            }
        }
        if !served.iter().any(|(served, _)| served == name) {
            mistakes.push(format!("no metric {name}"));
        }
        rest = tail;
    }
    for list in ["by (", "without (", "on ("] {
        for labels in expression.split(list).skip(1) {
            let labels = labels.split(')').next().unwrap().split(',').map(str::trim);
            let unknown = labels.filter(|label| !known.contains(label));
            mistakes.extend(unknown.map(|label| format!("no label {label}")));
        }
    }
    mistakes
}

#[test]
fn a_wrong_expression_is_noticed() {
    let served = series("process_wrapper_a{x=\"1\",y=\"2\"} 3\nprocess_wrapper_b_total{} 1\n");
    for (expression, expected) in [
        (
            "sum by (x) (rate(process_wrapper_b_total[5m])) > process_wrapper_a{x=\"1\"}",
            0,
        ),
        ("process_wrapper_a{job=\"process-wrapper\",y=~\"2|3\"}", 1),
        ("process_wrapper_a{job=\"other\",z=\"1\"}", 2),
        ("process_wrapper_c or on (job, z) process_wrapper_b", 3),
        ("process_wrapper_a{instance=\"a\"}", 1),
    ] {
        let found = mistakes(expression, &served);
        assert_eq!(found.len(), expected, "{expression}: {found:?}");
    }
}
