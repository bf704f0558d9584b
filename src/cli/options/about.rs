//! The commands about the program itself: `man`, `completions`, `version`. argh reserves `help`.
//!
//! Owns their arguments. The texts come from `cli/texts`.

use std::str::FromStr;

use argh::{ArgsInfo, FromArgs};

use super::Output;

/// Print a manual page, for man(1).
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(
    subcommand,
    name = "man",
    example = "process-wrapper man run | man -l -"
)]
pub(super) struct ManArguments {
    /// command to explain (default: the program)
    #[argh(positional)]
    pub(super) command: Option<String>,
}

/// Print a script that completes words of the command line in a shell.
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(
    subcommand,
    name = "completions",
    example = "process-wrapper completions bash >/usr/share/bash-completion/completions/process-wrapper",
    example = "process-wrapper completions zsh >/usr/share/zsh/vendor-completions/_process-wrapper",
    example = "process-wrapper completions fish >/usr/share/fish/vendor_completions.d/process-wrapper.fish"
)]
pub(super) struct CompletionsArguments {
    /// shell to print it for: bash, zsh or fish
    #[argh(positional)]
    pub(super) shell: Shell,
}

/// Show the version, and how the program was built.
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(
    subcommand,
    name = "version",
    example = "process-wrapper version --output json"
)]
pub(super) struct VersionArguments {
    /// format: text or json (default: text)
    #[argh(option, short = 'o', default = "Output::Text", arg_name = "text|json")]
    pub(super) output: Output,
}

/// A shell with programmable completion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Shell {
    Bash,
    Zsh,
    Fish,
}

impl FromStr for Shell {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "bash" => Ok(Self::Bash),
            "zsh" => Ok(Self::Zsh),
            "fish" => Ok(Self::Fish),
            _ => Err("write bash, zsh or fish"),
        }
    }
}
