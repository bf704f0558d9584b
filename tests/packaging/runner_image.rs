//! The runner's image and its compose file, run by podman on a stand-in for the official image.
//!
//! Owns what the images keep of the official one. It never pulls an image.

use std::path::Path;
use std::process::{Command, Output};
use std::sync::{Mutex, PoisonError};

use process_wrapper::human_duration::HumanDuration;
use tempfile::TempDir;

use crate::root;
use crate::support::{eventually, peers};

/// Programs of this machine in the stand-in; the official image has them too.
const PROGRAMS: [&str; 8] = [
    "bash",
    "sh",
    "cmp",
    "cp",
    "sleep",
    "env",
    "sed",
    "dumb-init",
];

/// The stand-in and the image built on it, removed at the end.
struct Images {
    folder: TempDir,
    official: String,
    wrapper: String,
    wrapped: String,
}

/// Podman, which no test waits for longer than two minutes.
fn podman(arguments: &[&str]) -> Output {
    let mut command = Command::new("timeout");
    command.args(["120", "podman"]);
    if Path::new("/usr/sbin/runc").exists() {
        command.args(["--runtime", "/usr/sbin/runc"]);
    }
    command
        .args(arguments)
        .current_dir(root())
        .output()
        .unwrap()
}

/// What a successful command prints.
fn printed(arguments: &[&str]) -> String {
    let output = podman(arguments);
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

impl Images {
    /// None, loudly, where containers cannot run.
    fn build(test: &str) -> Option<Self> {
        let Some(binary) = std::env::var_os("PROCESS_WRAPPER_STATIC_BINARY") else {
            peers::missing("PROCESS_WRAPPER_STATIC_BINARY, the path of a static build,");
            return None;
        };
        peers::find("podman")?;
        if !rustix::process::geteuid().is_root() {
            peers::missing("the right to run containers (root)");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        stand_in(folder.path())?;
        let wrapper = folder.path().join("wrapper");
        std::fs::create_dir(&wrapper).unwrap();
        std::fs::copy(binary, wrapper.join("process-wrapper")).unwrap();
        let file = "FROM scratch\nCOPY process-wrapper /process-wrapper\n";
        std::fs::write(wrapper.join("Containerfile"), file).unwrap();
        let tag = |name: &str| format!("localhost/{name}-{test}:{}", std::process::id());
        let images = Self {
            official: tag("runner-stand-in"),
            wrapper: tag("wrapper"),
            wrapped: tag("runner-wrapped"),
            folder,
        };
        // Builds side by side lose each other's containers.
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let build = ["build", "--quiet", "--format=docker", "--tag"];
        let path = images.folder.path().to_str().unwrap();
        printed(&[&build[..], &[&images.official, path]].concat());
        printed(&[&build[..], &[&images.wrapper, wrapper.to_str().unwrap()]].concat());
        let arguments = [
            format!("--build-arg=RUNNER={}", images.official),
            format!("--build-arg=WRAPPER={}", images.wrapper),
        ];
        let file = "--file=packaging/container/Dockerfile.runner";
        let last = [&images.wrapped, file, &arguments[0], &arguments[1], "."];
        printed(&[&build[..], &last].concat());
        Some(images)
    }

    /// `podman run` with limits that an unprivileged machine may set.
    fn run(&self, image: &str, options: &[&str], arguments: &[&str]) -> Output {
        let limits = ["--ulimit=nofile=1024:4096", "--ulimit=nproc=1024:4096"];
        let authority = format!(
            "--volume={}:/etc/gitlab-runner/certs/ca.crt:ro",
            self.folder.path().join("ca.crt").display()
        );
        let fixed = ["run", "--network=none", &authority];
        podman(&[&fixed[..], &limits, options, &[image], arguments].concat())
    }
}

impl Drop for Images {
    fn drop(&mut self) {
        let images = [&self.wrapped, &self.wrapper, &self.official];
        podman(&[&["rmi", "--force"], &images.map(String::as_str)[..]].concat());
    }
}

/// The context of the stand-in: its files and the programs with their libraries.
fn stand_in(folder: &Path) -> Option<()> {
    let files = root().join("tests/packaging/runner-image");
    let place = folder.join("root");
    for made in [
        "usr/bin",
        "usr/local/share/ca-certificates",
        "etc/ssl/certs",
        "tmp",
        "run",
    ] {
        std::fs::create_dir_all(place.join(made)).unwrap();
    }
    let copy = |from: &Path, to: &str| {
        let to = place.join(to.trim_start_matches('/'));
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(from, to).unwrap();
    };
    for program in PROGRAMS {
        let found = peers::find(program)?;
        copy(&found, &format!("usr/bin/{program}"));
        let libraries = Command::new("ldd").arg(&found).output().unwrap();
        let libraries = String::from_utf8(libraries.stdout).unwrap();
        for library in libraries
            .split_whitespace()
            .filter(|word| word.starts_with('/'))
        {
            copy(Path::new(library), library);
        }
    }
    std::os::unix::fs::symlink("usr/bin", place.join("bin")).unwrap();
    copy(&files.join("entrypoint"), "entrypoint");
    copy(&files.join("gitlab-runner"), "usr/bin/gitlab-runner");
    std::fs::write(place.join("etc/passwd"), "root:x:0:0:root:/root:/bin/sh\n").unwrap();
    std::fs::copy(files.join("Containerfile"), folder.join("Containerfile")).unwrap();
    std::fs::write(folder.join("ca.crt"), "an authority\n").unwrap();
    Some(())
}

/// A container in the background, removed at the end.
struct Container(String);

impl Container {
    fn start(images: &Images, arguments: &[&str]) -> Self {
        let started = images.run(&images.wrapped, &["--detach"], arguments);
        assert!(started.status.success(), "{started:?}");
        let container = Self(String::from_utf8(started.stdout).unwrap().trim().to_owned());
        eventually("the runner is ready", || {
            container.log().contains("\nready\n")
        });
        container
    }

    fn log(&self) -> String {
        let output = podman(&["logs", &self.0]);
        String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
    }

    fn exec(&self, command: &[&str]) -> Output {
        podman(&[&["exec", &self.0][..], command].concat())
    }

    fn is_healthy(&self) -> bool {
        podman(&["healthcheck", "run", &self.0]).status.success()
    }

    /// Waits for its end, and returns its code.
    fn code(&self) -> String {
        printed(&["wait", &self.0]).trim().to_owned()
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        podman(&["rm", "--force", "--volumes", "--time=0", &self.0]);
    }
}

// The image and its compose file are of the default build.
#[cfg(feature = "monitor")]
#[test]
fn every_variable_of_the_runner_image_is_an_option_of_run() {
    let options = crate::options_of("run");
    let mut checked = 0;
    for file in ["Dockerfile.runner", "compose.yaml"] {
        let text = std::fs::read_to_string(root().join("packaging/container").join(file)).unwrap();
        let names = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        // The address is that of the client commands as well, and no option of `run` by its name.
        let ours = names.filter_map(|word| word.strip_prefix("PROCESS_WRAPPER_"));
        for name in ours.filter(|name| *name != "ADDRESS") {
            let option = format!("--{}", name.to_lowercase().replace('_', "-"));
            assert!(options.contains(&option), "{file}: run has no {option}");
            checked += 1;
        }
    }
    assert!(checked >= 4, "the variables are not found");
}

#[test]
fn the_compose_file_aborts_the_jobs_before_its_grace_period_ends() {
    let text = std::fs::read_to_string(root().join("packaging/container/compose.yaml")).unwrap();
    let [abort, grace] = ["PROCESS_WRAPPER_FORCE_AFTER:", "stop_grace_period:"].map(|key| {
        let mut lines = text.lines().map(str::trim);
        let value = lines.find_map(|line| line.strip_prefix(key)).unwrap();
        value.trim().parse::<HumanDuration>().unwrap().0
    });
    assert!(abort < grace, "{abort:?} {grace:?}");
}

#[test]
fn other_commands_of_the_runner_have_the_effect_of_the_official_image() {
    let Some(images) = Images::build("commands") else {
        return;
    };
    for arguments in [
        &["--version"][..],
        &["verify"],
        &[
            "register",
            "--url",
            "https://gitlab.example.com",
            "--description",
            "a b",
        ],
        &["--log-level", "debug", "verify"],
        &["--debug", "unknown", "run"],
        &["register", "--name", "run"],
    ] {
        let [official, wrapped] = [&images.official, &images.wrapped].map(|image| {
            // A variable of the user, which must not reach the runner either.
            let options = ["--rm", "--env=PROCESS_WRAPPER_FORCE_AFTER=1h"];
            let options = &options[..1 + usize::from(*image == images.wrapped)];
            let output = images.run(image, options, arguments);
            (
                output.status.code(),
                String::from_utf8(output.stdout).unwrap(),
            )
        });
        assert_eq!(official, wrapped, "{arguments:?}");
        // The authority is installed for them as well.
        assert!(wrapped.1.contains("authority: an authority"), "{wrapped:?}");
        let words: Vec<String> = arguments.iter().map(|word| format!(" [{word}]")).collect();
        assert!(
            wrapped
                .1
                .contains(&format!("arguments:{}\n", words.concat())),
            "{wrapped:?}"
        );
    }
    let ours = images.run(
        &images.wrapped,
        &["--rm"],
        &["process-wrapper", "--version"],
    );
    let ours = String::from_utf8(ours.stdout).unwrap();
    assert!(ours.starts_with("process-wrapper "), "{ours}");
}

#[test]
fn the_runner_image_supervises_run_and_drains_on_every_kind_of_stop() {
    let Some(images) = Images::build("run") else {
        return;
    };
    // The base image says QUIT for `stop`; Kubernetes and others send TERM.
    for (stop, arguments) in [
        (&["stop", "--time=60"][..], &[][..]),
        (
            &["kill", "--signal=TERM"],
            &["--log-level", "debug", "--debug", "run"],
        ),
    ] {
        let container = Container::start(&images, arguments);
        let status = container.exec(&["process-wrapper", "status"]);
        let status = String::from_utf8(status.stdout).unwrap();
        assert!(
            status.contains("running") && status.contains("/entrypoint"),
            "{status}"
        );
        assert!(container.is_healthy(), "{}", container.log());
        printed(&[stop, &[&container.0]].concat());
        assert_eq!(container.code(), "0", "{}", container.log());
        let log = container.log();
        assert!(log.contains("PID 1: process-wrapper"), "{log}");
        assert!(log.contains("authority: an authority"), "{log}");
        assert!(
            log.contains("\ndrained\n") && !log.contains("aborted"),
            "{log}"
        );
        assert!(!log.contains(" WARN "), "{log}");
    }
    // A crash ends the container with the runner's code, for its restart.
    let crashes = Container::start(&images, &[]);
    crashes.exec(&["sh", "-c", ": >/tmp/crash"]);
    assert_eq!(crashes.code(), "7", "{}", crashes.log());
    // A drain over the API leaves it up, and healthy.
    let drained = Container::start(&images, &[]);
    let drain = drained.exec(&["process-wrapper", "shutdown", "--wait"]);
    assert!(drain.status.success(), "{drain:?}");
    assert!(drained.is_healthy(), "{}", drained.log());
}

/// Takes the project of a compose file down.
struct Project(Vec<String>);

impl Project {
    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new("timeout");
        command.arg("120").args(&self.0).args(arguments);
        command.current_dir(root()).output().unwrap()
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        self.run(&["down", "--volumes", "--timeout=0"]);
    }
}

#[test]
fn the_compose_file_builds_starts_registers_and_drains() {
    let Some(images) = Images::build("compose") else {
        return;
    };
    let Some(compose) = peers::find("podman-compose") else {
        return;
    };
    let over = images.folder.path().join("override.yaml");
    // The image is there already, and a machine without privileges has lower limits.
    let text = format!(
        "services:\n  runner:\n    image: {}\n    network_mode: none\n    \
         ulimits: {{nofile: 4096, nproc: 4096}}\n",
        images.wrapped
    );
    std::fs::write(&over, text).unwrap();
    let name = format!("pw-test-{}", std::process::id());
    let mut words = vec![compose.to_str().unwrap().to_owned()];
    if Path::new("/usr/sbin/runc").exists() {
        words.push("--podman-args=--runtime=/usr/sbin/runc".to_owned());
    }
    let files = ["packaging/container/compose.yaml", over.to_str().unwrap()];
    words.extend(["-p", &name, "-f", files[0], "-f", files[1]].map(str::to_owned));
    let project = Project(words);
    let registered = project.run(&["run", "-T", "--rm", "runner", "register"]);
    let said = String::from_utf8_lossy(&registered.stdout);
    assert!(said.contains("arguments: [register]"), "{registered:?}");
    let up = project.run(&["up", "--no-build", "--detach"]);
    assert!(up.status.success(), "{up:?}");
    let container = Container(format!("{name}_runner_1"));
    eventually("the runner is ready", || {
        container.log().contains("\nready\n")
    });
    let form = "{{.HostConfig.RestartPolicy.Name}}";
    let policy = printed(&["inspect", "--format", form, &container.0]);
    assert_eq!(policy.trim(), "unless-stopped");
    let status = project.run(&["exec", "-T", "runner", "process-wrapper", "status"]);
    assert!(status.status.success(), "{status:?}");
    assert!(container.is_healthy(), "{}", container.log());
    // Within its grace period of hours.
    let stopped = project.run(&["stop"]);
    assert!(stopped.status.success(), "{stopped:?}");
    assert_eq!(container.code(), "0");
    let log = container.log();
    assert!(
        log.contains("\ndrained\n") && !log.contains("aborted"),
        "{log}"
    );
    assert!(
        log.contains("listening for HTTP") && !log.contains(" WARN "),
        "{log}"
    );
}
