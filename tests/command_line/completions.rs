//! The completion scripts, in the shells themselves.
//!
//! Owns the lines to complete and the words that must come. Each shell runs its own completion: zsh
//! in a terminal, where only its line editor completes.

use std::path::Path;
use std::process::Command;

use crate::support::peers;
use crate::{run, stdout};

/// A line to complete, and the word that its last one must become.
const LINES: &[(&str, &str)] = &[
    ("stat", "status"),
    ("run --tls-mi", "--tls-min-version"),
    ("run --log-format js", "json"),
    ("shutdown -o js", "json"),
    ("completions zs", "zsh"),
    ("man prob", "probe"),
    ("run -- slee", "sleep"),
];

/// Writes a script to a folder.
fn script(folder: &Path, shell: &str, name: &str) {
    let text = stdout(&run(&[], &["completions", shell]));
    assert!(text.contains(shell) || text.contains("compdef"), "{text}");
    std::fs::write(folder.join(name), text).unwrap();
}

/// Runs a shell in the folder, within a deadline; its stdout.
fn shell(folder: &Path, words: &[&str]) -> String {
    let output = Command::new("timeout")
        .arg("30")
        .args(words)
        .current_dir(folder)
        .env("TERM", "dumb")
        .output()
        .unwrap();
    assert!(output.status.success(), "{words:?}: {output:?}");
    stdout(&output)
}

#[test]
fn bash_completes_commands_options_values_and_the_wrapped_command() {
    let Some(bash) = peers::find("bash") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    script(folder.path(), "bash", "script");
    let bash = bash.to_str().unwrap();
    for (line, word) in LINES {
        let program = "source ./script; COMP_WORDS=(process-wrapper $1); \
             COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _process_wrapper; \
             printf '%s\\n' \"${COMPREPLY[@]}\"";
        let arguments = [bash, "--norc", "-c", program, "bash", line];
        let words = shell(folder.path(), &arguments);
        assert!(words.lines().any(|one| one == *word), "{line}: {words}");
    }
    // What bash makes of `--log-format=js`.
    let program = "source ./script; COMP_WORDS=(process-wrapper run --log-format = js); \
         COMP_CWORD=4; _process_wrapper; printf '%s\\n' \"${COMPREPLY[@]}\"";
    assert_eq!(
        shell(folder.path(), &[bash, "--norc", "-c", program]),
        "json\n"
    );
}

#[test]
fn fish_completes_commands_options_values_and_the_wrapped_command() {
    let Some(fish) = peers::find("fish") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    script(folder.path(), "fish", "script.fish");
    let fish = fish.to_str().unwrap();
    for (line, word) in LINES {
        let program = format!("source script.fish; complete -C 'process-wrapper {line}'");
        let words = shell(folder.path(), &[fish, "--no-config", "-c", &program]);
        let found = words
            .lines()
            .any(|one| one.split('\t').next() == Some(word));
        assert!(found, "{line}: {words}");
    }
}

/// A shell in a pseudoterminal; prints `completed` once the line has the word.
const ZSH: &str = r#"
zmodload zsh/zpty
zpty terminal 'zsh -f -i'
zpty -w terminal "PS1=; fpath=($PWD \$fpath); autoload -U compinit; compinit -u -d $PWD/dump; print READ''Y"
zpty -r -m terminal line '*READY*' || exit 1
zpty -w -n terminal "process-wrapper $1"$'\t'
zpty -r -m terminal line "*process-wrapper*$2*" || exit 1
print completed
zpty -d terminal
"#;

#[test]
fn zsh_completes_commands_options_values_and_the_wrapped_command() {
    let Some(zsh) = peers::find("zsh") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    script(folder.path(), "zsh", "_process-wrapper");
    let zsh = zsh.to_str().unwrap();
    for (line, word) in LINES {
        let told = shell(folder.path(), &[zsh, "-f", "-c", ZSH, "zsh", line, word]);
        assert_eq!(told, "completed\n", "{line}");
    }
}
