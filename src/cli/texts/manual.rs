//! The manual pages, in the man(7) language.
//!
//! Owns their sections and quoting. It never knows a single option.

use std::fmt::Write;

use super::super::options::{Flag, PROGRAM, Table, metavar};

/// The longest line of the source, which mandoc's linter wants short.
const COLUMNS: usize = 78;

/// The date of the release, in the footer of each page.
const DATE: &str = "2026-11-27";

/// The page of a command, or of the program.
pub(super) fn manual(table: &Table) -> String {
    let info = &table.info;
    let name = match table.name() {
        "" => PROGRAM.to_owned(),
        command => format!("{PROGRAM}-{command}"),
    };
    let title = name.to_uppercase();
    let version = env!("CARGO_PKG_VERSION");
    let mut page = format!(".TH {title} 1 {DATE} \"{PROGRAM} {version}\" \"User Commands\"\n");
    let description = quoted(info.description.trim_end_matches('.'));
    let _ = write!(page, ".SH NAME\n{} \\- {description}\n", quoted(&name));
    let _ = write!(page, ".SH SYNOPSIS\n{}\n", quoted(&table.usage()));
    if !info.commands.is_empty() {
        page.push_str(".SH COMMANDS\n");
        for command in &info.commands {
            entry(&mut page, command.name, command.command.description);
        }
    }
    if table.options().next().is_some() || !info.positionals.is_empty() {
        page.push_str(".SH OPTIONS\n");
    }
    for argument in info.positionals {
        entry(
            &mut page,
            &argument.name.to_uppercase(),
            argument.description,
        );
    }
    let groups = table.groups();
    for (title, flags) in &groups {
        if groups.len() > 1 {
            let _ = writeln!(page, ".SS {title}");
        }
        for flag in flags {
            option(&mut page, table, flag);
        }
    }
    if !info.error_codes.is_empty() {
        page.push_str(".SH EXIT STATUS\n");
        for code in info.error_codes {
            entry(&mut page, &code.code.to_string(), code.description);
        }
    }
    if !info.notes.is_empty() {
        page.push_str(".SH NOTES\n");
        let lines: Vec<_> = info.notes.iter().flat_map(|note| note.lines()).collect();
        let _ = writeln!(page, "{}", quoted(&lines.join(" ")));
    }
    if !info.examples.is_empty() {
        page.push_str(".SH EXAMPLES\n");
        page.push_str(".nf\n");
        for example in info.examples {
            let _ = writeln!(page, "{}", literal(example));
        }
        page.push_str(".fi\n");
    }
    see_also(&mut page, table);
    page
}

fn option(page: &mut String, table: &Table, flag: &Flag) {
    let short = flag
        .short
        .map(|letter| format!("\\fB\\-{letter}\\fR, "))
        .unwrap_or_default();
    let value = metavar(flag).map(|name| format!(" \\fI{}\\fR", quoted(&name)));
    let name = quoted(flag.long);
    let _ = write!(
        page,
        ".TP\n{short}\\fB{name}\\fR{}\n{}\n",
        value.unwrap_or_default(),
        quoted(flag.description)
    );
    if let Some(variable) = table.variable(flag) {
        let _ = write!(page, ".br\nEnvironment: {}\n", quoted(&variable));
    }
}

fn entry(page: &mut String, name: &str, description: &str) {
    let _ = write!(
        page,
        ".TP\n\\fB{}\\fR\n{}\n",
        quoted(name),
        quoted(description)
    );
}

fn see_also(page: &mut String, table: &Table) {
    page.push_str(".SH SEE ALSO\n");
    let mut others = Vec::new();
    if !table.name().is_empty() {
        others.push(format!(".BR {} (1)", quoted(PROGRAM)));
    }
    for command in Table::commands() {
        if command.name() != table.name() {
            let name = format!("{PROGRAM}-{}", command.name());
            others.push(format!(".BR {} (1)", quoted(&name)));
        }
    }
    let _ = writeln!(page, "{}", others.join(",\n"));
}

/// Text without a meaning in the language, in lines of bounded length. A backslash, a hyphen that
/// is one, and a letter that would begin a request at the start of a line have one.
fn quoted(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-");
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.is_empty() || line.len() + word.len() < COLUMNS => {
                if !line.is_empty() {
                    line.push(' ');
                }
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    for line in &mut lines {
        if line.starts_with(['.', '\'']) {
            line.insert_str(0, "\\&");
        }
    }
    lines.join("\n")
}

/// A line that stays one.
fn literal(text: &str) -> String {
    quoted(text).replace('\n', " ")
}
