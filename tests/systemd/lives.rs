//! The life of the unit between start and stop: reload, crash, death of the wrapper, watchdog, and
//! other users.

use crate::machine::Machine;
use crate::units::{SHIPPED, TEMPLATE, block, packaged, shipped, short_restart};

#[test]
#[ignore = "boots a container"]
fn reload_reaches_the_runner_and_changes_nothing_else() {
    let Some(machine) = Machine::boot() else {
        return;
    };
    machine.start(SHIPPED, &shipped());
    let runner = machine.runner("--user gitlab-runner", 1);
    let wrapper = machine.property(SHIPPED, "MainPID");
    for _ in 0..3 {
        machine.systemctl(&["reload", SHIPPED]);
    }
    machine.says(&runner, "reloaded");
    machine.wait_for(SHIPPED, "SubState", "running");
    assert_eq!(machine.property(SHIPPED, "MainPID"), wrapper);
    assert!(machine.lives(&runner.job));
}

/// `StateDirectory=` would give the directory to root.
#[test]
#[ignore = "boots a container"]
fn the_directory_of_the_jobs_stays_their_users() {
    const DIRECTORY: &str = "/var/lib/gitlab-runner";
    let Some(machine) = Machine::boot() else {
        return;
    };
    let as_user = ["runuser", "-u", "gitlab-runner", "--", "mkdir"];
    let mkdir = |name: &str| {
        [&as_user[..], &[&format!("{DIRECTORY}/{name}")]]
            .concat()
            .join(" ")
    };
    machine.run(&["sh", "-c", &mkdir("builds")]);
    machine.start(SHIPPED, &shipped());
    let runner = machine.runner("--user gitlab-runner", 1);
    let owners = format!("stat --format=%U:%G:%a {DIRECTORY} {DIRECTORY}/builds");
    let owners = machine.run(&["sh", "-c", &format!("umask 022; {owners}")]);
    assert_eq!(
        owners,
        "gitlab-runner:gitlab-runner:750\ngitlab-runner:gitlab-runner:755\n"
    );
    // Where a job writes: in the sandbox of the unit.
    let sandbox = format!("nsenter --mount --target {} -- ", runner.pid);
    machine.run(&["sh", "-c", &(sandbox + &mkdir("builds/job"))]);

    machine.run(&["systemctl", "kill", "--signal=KILL", SHIPPED]);
    machine.run(&["rm", "-r", DIRECTORY]);
    machine
        .journal()
        .wait_for(&format!("{DIRECTORY}: No such file or directory"));
}

/// With code 0 as well: a TERM to the runner alone ends it so.
#[test]
#[ignore = "boots a container"]
fn a_crash_restarts_the_runner_whatever_its_exit_code_and_a_stop_does_not() {
    let Some(machine) = Machine::boot() else {
        return;
    };
    machine.drop_in(SHIPPED, short_restart());
    machine.start(SHIPPED, &shipped());
    for (start, signal) in [(1, "KILL"), (2, "USR1"), (3, "TERM")] {
        let runner = machine.runner("--working-directory", start);
        machine.kill(signal, &runner.pid);
        machine.wait_for(SHIPPED, "NRestarts", &start.to_string());
        assert!(!machine.lives(&runner.job), "the job outlived its runner");
    }
    let runner = machine.runner("--working-directory", 4);
    machine.systemctl(&["stop", "--no-block", SHIPPED]);
    machine.says(&runner, "draining");
    machine.kill("USR1", &runner.pid);
    machine.wait_for(SHIPPED, "ActiveState", "inactive");
    assert_eq!(machine.property(SHIPPED, "Result"), "success");
}

#[test]
#[ignore = "boots a container"]
fn a_killed_wrapper_takes_its_runner_along_and_is_restarted() {
    let Some(machine) = Machine::boot() else {
        return;
    };
    machine.drop_in(SHIPPED, short_restart());
    machine.start(SHIPPED, &shipped());
    let runner = machine.runner("--working-directory", 1);
    machine.kill("KILL", &machine.property(SHIPPED, "MainPID"));
    machine.runner("--working-directory", 2);
    machine.wait_for(SHIPPED, "ActiveState", "active");
    assert!(!machine.lives(&runner.pid) && !machine.lives(&runner.job));
    machine.run(&["process-wrapper", "status"]);
}

/// Also in a drain, where nothing but the watchdog has a limit. A shorter one than 10 s ends a
/// healthy wrapper on a machine with ten times the load that it can bear.
#[test]
#[ignore = "boots a container"]
fn the_watchdog_ends_a_wrapper_that_hangs_and_spares_one_that_drains() {
    let Some(machine) = Machine::boot() else {
        return;
    };
    let text = format!("{}WatchdogSec=10s\n", short_restart());
    machine.drop_in(SHIPPED, &text);
    machine.start(SHIPPED, &shipped());
    let runner = machine.runner("--working-directory", 1);
    machine.kill("STOP", &machine.property(SHIPPED, "MainPID"));
    let next = machine.runner("--working-directory", 2);
    machine.journal().wait_for("Failed with result 'watchdog'");
    assert!(!machine.lives(&runner.pid) && !machine.lives(&runner.job));

    machine.wait_for(SHIPPED, "ActiveState", "active");
    machine.systemctl(&["stop", "--no-block", SHIPPED]);
    machine.says(&next, "draining");
    machine.kill("STOP", &machine.property(SHIPPED, "MainPID"));
    machine.wait_for(SHIPPED, "ActiveState", "failed");
    assert_eq!(machine.property(SHIPPED, "Result"), "watchdog");
    assert!(!machine.lives(&next.pid) && !machine.lives(&next.job));
}

#[test]
#[ignore = "boots a container"]
fn the_unit_runs_as_another_user() {
    let Some(machine) = Machine::boot() else {
        return;
    };
    machine.drop_in(SHIPPED, "[Service]\nUser=gitlab-runner\n");
    machine.start(SHIPPED, &shipped());
    let runner = machine.runner("--working-directory", 1);
    assert_eq!(runner.user, "gitlab-runner");
    let status = [
        "runuser",
        "-u",
        "gitlab-runner",
        "--",
        "process-wrapper",
        "status",
    ];
    let address = ["--address", "unix:/run/process-wrapper/control.sock"];
    assert!(
        machine
            .run(&[&status[..], &address].concat())
            .contains("running")
    );
    machine.systemctl(&["reload", SHIPPED]);
    machine.says(&runner, "reloaded");
    machine.systemctl(&["stop", "--no-block", SHIPPED]);
    machine.says(&runner, "draining");
    machine.kill("USR1", &runner.pid);
    machine.wait_for(SHIPPED, "ActiveState", "inactive");
    assert_eq!(machine.property(SHIPPED, "Result"), "success");
}

/// The unit that `gitlab-runner install` writes (kardianos/service), with the override of the page.
const INSTALLED: &str = "[Unit]\nDescription=GitLab Runner\n\
    ConditionFileIsExecutable=/usr/bin/gitlab-runner\n\
    [Service]\nStartLimitInterval=5\nStartLimitBurst=10\n\
    ExecStart=/usr/bin/gitlab-runner \"run\" \"--config\" \"/etc/gitlab-runner/config.toml\" \
    \"--working-directory\" \"/home/gitlab-runner\" \"--service\" \"gitlab-runner\" \
    \"--user\" \"gitlab-runner\"\n\
    Restart=always\nRestartSec=1\nEnvironmentFile=-/etc/sysconfig/gitlab-runner\n\
    [Install]\nWantedBy=multi-user.target\n";

#[test]
#[ignore = "boots a container"]
fn the_override_of_the_page_drains_the_installed_unit() {
    const UNIT: &str = "gitlab-runner.service";
    let Some(machine) = Machine::boot() else {
        return;
    };
    let text = block("docs/migrating.md", "`systemctl edit gitlab-runner`");
    machine.drop_in(UNIT, &text);
    machine.start(UNIT, INSTALLED);
    let runner = machine.runner("--user gitlab-runner", 1);
    machine.systemctl(&["reload", UNIT]);
    machine.says(&runner, "reloaded");
    machine.run(&["process-wrapper", "status"]);
    machine.kill("KILL", &runner.pid);
    let runner = machine.runner("--user gitlab-runner", 2);
    machine.wait_for(UNIT, "ActiveState", "active");

    machine.systemctl(&["stop", "--no-block", UNIT]);
    machine.says(&runner, "draining");
    machine.systemctl(&["daemon-reload"]);
    machine.reexec();
    assert_eq!(machine.property(UNIT, "ActiveState"), "deactivating");
    assert!(machine.lives(&runner.job));
    machine.kill("USR1", &runner.pid);
    machine.wait_for(UNIT, "ActiveState", "inactive");
    assert_eq!(machine.property(UNIT, "Result"), "success");
    assert!(!machine.has_said(&runner, "aborted"));
}

/// An unknown variable is a warning.
#[test]
#[ignore = "boots a container"]
fn the_journal_selects_the_lines_of_the_wrapper_by_priority() {
    let Some(machine) = Machine::boot() else {
        return;
    };
    let warned = "[Service]\nEnvironment=PROCESS_WRAPPER_LOG_LEVLE=debug\n";
    machine.drop_in(SHIPPED, warned);
    machine.start(SHIPPED, &shipped());
    machine.runner("--working-directory", 1);
    let lines = |priority: &str| -> Vec<String> {
        let select = ["--output=cat", "--unit", SHIPPED, "--priority", priority];
        let text = machine.run(&[&["journalctl"][..], &select].concat());
        let ours = text
            .lines()
            .filter(|line| line.contains("process_wrapper: "));
        ours.map(str::to_owned).collect()
    };
    let all = lines("debug");
    let started = "INFO process_wrapper: started pid=";
    assert!(all.iter().any(|line| line.starts_with(started)), "{all:?}");
    let warnings = lines("warning");
    assert!(warnings.len() == 1, "{warnings:?}");
    assert!(warnings[0].starts_with("WARN process_wrapper: ") && warnings[0].contains("LEVLE"));

    let wrong = "[Service]\nExecStart=\nExecStart=/usr/local/bin/process-wrapper run --lissen x -- true\n\
        Restart=no\n";
    machine.drop_in(SHIPPED, wrong);
    machine.systemctl(&["daemon-reload"]);
    machine.systemctl(&["kill", "--signal=KILL", SHIPPED]);
    machine.wait_for(SHIPPED, "ActiveState", "failed");
    let refused = machine.command(&["systemctl", "start", SHIPPED]).output();
    assert!(!refused.unwrap().status.success());
    let select = [
        "journalctl",
        "--output=cat",
        "--priority=err",
        "_COMM=process-wrapper",
    ];
    assert!(machine.run(&select).contains("--lissen"));
}

#[test]
#[ignore = "boots a container"]
fn the_environment_file_bounds_a_drain() {
    let Some(machine) = Machine::boot() else {
        return;
    };
    let file = "/etc/default/process-wrapper-runner";
    machine.write(file, "# A limit.\nPROCESS_WRAPPER_FORCE_AFTER=1s\n");
    machine.start(SHIPPED, &shipped());
    let runner = machine.runner("--working-directory", 1);
    machine.systemctl(&["stop", "--no-block", SHIPPED]);
    machine.says(&runner, "draining");
    machine.says(&runner, "aborted");
    machine.wait_for(SHIPPED, "ActiveState", "failed");
    assert_eq!(machine.property(SHIPPED, "Result"), "exit-code");
}

#[test]
#[ignore = "boots a container"]
fn instances_of_the_template_run_apart_from_each_other() {
    let Some(machine) = Machine::boot() else {
        return;
    };
    machine.write(
        "/etc/systemd/system/process-wrapper@.service",
        &packaged(TEMPLATE),
    );
    for name in ["a", "b"] {
        let text = format!(
            "PROCESS_WRAPPER_REWRITE_SIGNAL=TERM:QUIT\n\
             COMMAND=/usr/local/bin/gitlab-runner instance {name} 'two words'\n"
        );
        machine.write(&format!("/etc/process-wrapper/{name}.env"), &text);
    }
    machine.systemctl(&["daemon-reload"]);
    const UNITS: [&str; 2] = ["process-wrapper@a.service", "process-wrapper@b.service"];
    machine.systemctl(&[&["start"], &UNITS[..]].concat());
    let [a, b] = ["instance a", "instance b"].map(|word| machine.runner(word, 1));
    assert!(a.user != b.user && a.user != "root");
    machine.systemctl(&["reload", UNITS[1]]);
    machine.says(&b, "reloaded");
    machine.systemctl(&["stop", "--no-block", UNITS[0]]);
    machine.says(&a, "draining");
    machine.systemctl(&["daemon-reload"]);
    assert_eq!(machine.property(UNITS[0], "ActiveState"), "deactivating");
    assert!(!machine.has_said(&b, "draining"));
    machine.kill("USR1", &a.pid);
    machine.wait_for(UNITS[0], "ActiveState", "inactive");
    assert_eq!(machine.property(UNITS[0], "Result"), "success");
    assert_eq!(machine.property(UNITS[1], "ActiveState"), "active");
}
