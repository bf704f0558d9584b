//! A wrapper whose signals the kernel refuses, kill(2).

use std::process::Command;

use super::{Wrapper, peers, setup};

/// The beginning of a script that becomes another user, and runs a script as that one.
pub const SWITCH: &str = "exec setpriv --reuid 1234 --clear-groups sh -c";

/// A wrapper without CAP_KILL around a script; `None` after a SKIPPED line without root.
pub fn start_without_kill(options: &[&str], script: &str) -> Option<Wrapper> {
    peers::find("setpriv")?;
    if !rustix::process::geteuid().is_root() {
        peers::missing("the right to become another user (root)");
        return None;
    }
    let wrapper = setup(options, &["sh", "-c", script])
        .replace(|command| {
            let mut launched = Command::new("setpriv");
            launched.args(["--bounding-set", "-kill", "--inh-caps", "-kill"]);
            launched.arg(command.get_program()).args(command.get_args());
            launched.env_remove("PROCESS_WRAPPER_ADDRESS");
            launched
        })
        .start();
    wrapper.stdout.wait_for("ready");
    Some(wrapper)
}
