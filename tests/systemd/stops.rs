//! Stops: they take as long as the drain, whatever happens to systemd meanwhile.

use crate::machine::Machine;
use crate::units::{OTHER, SHIPPED, limited, shipped};

/// Asks for the stop of both units, and waits until both drain.
fn stop(machine: &Machine, runners: [&crate::machine::Runner; 2]) {
    machine.systemctl(&["stop", "--no-block", SHIPPED, OTHER]);
    for runner in runners {
        machine.says(runner, "draining");
    }
}

/// The unit as shipped drains on, and its end is a success.
fn finishes(machine: &Machine, runner: &crate::machine::Runner) {
    assert_eq!(machine.property(SHIPPED, "ActiveState"), "deactivating");
    assert!(machine.lives(&runner.job), "the job was killed");
    assert!(!machine.has_said(runner, "aborted"));
    machine.kill("USR1", &runner.pid);
    machine.wait_for(SHIPPED, "ActiveState", "inactive");
    assert_eq!(machine.property(SHIPPED, "Result"), "success");
    assert_eq!(machine.property(SHIPPED, "ExecMainStatus"), "0");
    assert_eq!(machine.property(SHIPPED, "NRestarts"), "0");
}

/// A unit with a limit, stopped at the same time, shows that the event would have ended the drain:
/// after it systemd counts `TimeoutStopSec=` again and drops the extensions.
#[test]
#[ignore = "boots a container"]
fn a_stop_outlasts_every_timeout_with_reload_and_reexec_in_its_middle() {
    let Some(machine) = Machine::boot() else {
        return;
    };
    machine.start(SHIPPED, &shipped());
    let runner = machine.runner("--working-directory", 1);
    machine.start(OTHER, &limited("2min"));
    let other = machine.runner("--name other", 1);
    stop(&machine, [&runner, &other]);
    assert_eq!(machine.property(OTHER, "ActiveState"), "deactivating");
    machine.systemctl(&["daemon-reload"]);
    machine.wait_for(OTHER, "ActiveState", "failed");
    assert_eq!(machine.property(OTHER, "Result"), "timeout");
    assert!(!machine.lives(&other.pid) && !machine.lives(&other.job));

    machine.systemctl(&["start", OTHER]);
    let other = machine.runner("--name other", 2);
    machine.systemctl(&["stop", "--no-block", OTHER]);
    machine.says(&other, "draining");
    assert_eq!(machine.property(OTHER, "ActiveState"), "deactivating");
    machine.reexec();
    machine.wait_for(OTHER, "ActiveState", "failed");
    assert_eq!(machine.property(OTHER, "Result"), "timeout");
    finishes(&machine, &runner);
}

/// Without a reload, the extensions keep a unit with a limit alive. A unit with the same limit
/// around the runner alone shows when the limit is over.
#[test]
#[ignore = "boots a container"]
fn extensions_outlast_the_limit_of_a_unit() {
    let Some(machine) = Machine::boot() else {
        return;
    };
    machine.start(OTHER, &limited("2min"));
    let runner = machine.runner("--name other", 1);
    let bare = "[Service]\nExecStart=/usr/local/bin/gitlab-runner bare\nKillSignal=QUIT\n\
        KillMode=mixed\nTimeoutStopSec=5s\n";
    machine.start("bare.service", bare);
    let alone = machine.runner(": bare", 1);
    machine.systemctl(&["stop", "--no-block", OTHER]);
    machine.says(&runner, "draining");
    machine.systemctl(&["stop", "--no-block", "bare.service"]);
    machine.says(&alone, "draining");
    machine.wait_for("bare.service", "Result", "timeout");
    assert_eq!(machine.property(OTHER, "ActiveState"), "deactivating");
    machine.kill("USR1", &runner.pid);
    machine.wait_for(OTHER, "ActiveState", "inactive");
    assert_eq!(machine.property(OTHER, "Result"), "success");
}

/// A drain over the API is no stop: systemd holds the unit for active. A stop meanwhile waits for
/// the same drain.
#[test]
#[ignore = "boots a container"]
fn a_drain_over_the_api_leaves_the_unit_active_and_a_stop_waits_for_it() {
    let Some(machine) = Machine::boot() else {
        return;
    };
    machine.start(SHIPPED, &shipped());
    let runner = machine.runner("--working-directory", 1);
    machine.start(OTHER, &limited("2min"));
    let other = machine.runner("--name other", 1);
    machine.run(&["process-wrapper", "shutdown"]);
    machine.says(&runner, "draining");
    machine.systemctl(&["daemon-reload"]);
    machine.reexec();
    assert_eq!(machine.property(SHIPPED, "ActiveState"), "active");
    machine.wait_for_status(SHIPPED, "shutting down for ");

    // The stop, with both events in its middle.
    stop(&machine, [&runner, &other]);
    machine.systemctl(&["daemon-reload"]);
    machine.reexec();
    machine.wait_for(OTHER, "Result", "timeout");
    finishes(&machine, &runner);
}

#[test]
#[ignore = "boots a container"]
fn a_unit_whose_runner_is_drained_stays_active_until_it_is_stopped_or_restarted() {
    let Some(machine) = Machine::boot() else {
        return;
    };
    machine.start(SHIPPED, &shipped());
    let runner = machine.runner("--working-directory", 1);
    machine.run(&["process-wrapper", "shutdown"]);
    machine.says(&runner, "draining");
    machine.kill("USR1", &runner.pid);
    machine.run(&["process-wrapper", "wait"]);
    machine.wait_for_status(SHIPPED, "gone: the process exited with code 0 (drained)");
    machine.systemctl(&["daemon-reload"]);
    machine.reexec();
    assert_eq!(machine.property(SHIPPED, "ActiveState"), "active");
    machine.systemctl(&["restart", SHIPPED]);
    let runner = machine.runner("--working-directory", 2);
    machine.run(&["process-wrapper", "shutdown"]);
    machine.says(&runner, "draining");
    machine.kill("USR1", &runner.pid);
    machine.run(&["process-wrapper", "wait"]);
    machine.systemctl(&["stop", SHIPPED]);
    assert_eq!(machine.property(SHIPPED, "ActiveState"), "inactive");
    assert_eq!(machine.property(SHIPPED, "Result"), "success");
}

/// The job timeout of poweroff.target, 30 minutes by default, ends the drain. A drop-in shortens it
/// here.
#[test]
#[ignore = "boots a container"]
fn the_job_timeout_of_poweroff_cuts_a_drain() {
    let Some(machine) = Machine::boot() else {
        return;
    };
    machine.drop_in("poweroff.target", "[Unit]\nJobTimeoutSec=5s\n");
    machine.start(SHIPPED, &shipped());
    let runner = machine.runner("--working-directory", 1);
    machine.systemctl(&["poweroff"]);
    machine.says(&runner, "draining");
    machine.wait_for_end();
    assert!(!machine.has_said(&runner, "drained"));
}

#[test]
#[ignore = "boots a container"]
fn poweroff_with_the_drop_in_of_the_page_waits_for_the_drain() {
    let Some(machine) = Machine::boot() else {
        return;
    };
    let text = crate::units::block("docs/systemd.md", "systemctl edit poweroff.target");
    machine.drop_in("poweroff.target", &text);
    machine.start(SHIPPED, &shipped());
    let runner = machine.runner("--working-directory", 1);
    machine.systemctl(&["poweroff"]);
    machine.says(&runner, "draining");
    let limit = machine.property("poweroff.target", "JobTimeoutUSec");
    assert_eq!(limit, "infinity");
    assert!(machine.lives(&runner.job));
    // Nothing but the end of the drain lets the machine go off. Its last lines may be lost with the
    // journal.
    machine.kill("USR1", &runner.pid);
    machine.wait_for_end();
}
