//! Webhooks that outlive their wrapper: `--state-dir`, with wrappers that are killed.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use process_wrapper::pb::process_wrapper::v1::webhook_delivery::Phase;
use process_wrapper::pb::process_wrapper::v1::{InitiateGracefulShutdownRequest, State};
use tonic::Code;

use super::wrapper::{draining, ended, with_webhook};
use crate::support::client::Client;
use crate::support::webhook_receiver::{Answer, Receiver, ok, status};
use crate::support::{self, DRAINS, Wrapper, eventually};

/// A state directory in a folder of its own.
pub struct Place {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

impl Place {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        Self {
            _folder: folder,
            path,
        }
    }

    pub fn option(&self) -> String {
        format!("--state-dir={}", self.path.display())
    }

    pub fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.path).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        // A wrapper may be writing at any moment.
        let names = names.filter(|name| !name.starts_with('.') && !name.ends_with(".new"));
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    }
}

pub fn end(pid: i32, signal: Signal) {
    kill(Pid::from_raw(pid), signal).unwrap();
}

/// Kills the wrapper only; its process becomes ours or that of init.
pub fn kill_wrapper(mut wrapper: Wrapper) -> i32 {
    let process = wrapper.child_pid();
    wrapper.signal(Signal::SIGKILL);
    wrapper.wait();
    process
}

fn leave(mut wrapper: Wrapper) -> String {
    wrapper.signal(Signal::SIGTERM);
    wrapper.signal(Signal::SIGQUIT);
    wrapper.wait();
    wrapper.stderr.all()
}

#[test]
fn an_accepted_webhook_is_on_disk_until_it_is_delivered() {
    let place = Place::new();
    let receiver = Receiver::start([ok()]);
    let script = "trap '' QUIT; echo ready; while [ ! -e \"$0\" ]; do sleep 0.05; done; exit 3";
    let folder = tempfile::tempdir().unwrap();
    let told = folder.path().join("told");
    let command = ["sh", "-c", script, told.to_str().unwrap()];
    let wrapper = support::setup(&[&place.option()], &command).start();
    wrapper.stdout.wait_for("ready");
    assert_eq!(place.files(), [""; 0]);
    let client = Client::connect(&wrapper.address());
    let process = client
        .shut_down_with(with_webhook(&receiver.url("/"), &[("X-Token", "s3cret")]))
        .unwrap();
    let id = &process.webhooks[0].id;
    assert_eq!(place.files(), [format!("{id}.webhook")]);
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&place.path), 0o700);
    assert_eq!(mode(&place.path.join(&place.files()[0])), 0o600);
    std::fs::write(&told, "").unwrap();
    assert_eq!(receiver.request().id(), id);
    assert!(!ended(&client).recovered);
    eventually("the file is removed", || place.files().is_empty());
    assert!(!leave(wrapper).contains("s3cret"));
}

#[test]
fn a_webhook_of_a_killed_wrapper_is_delivered_as_lost_by_the_next() {
    let place = Place::new();
    let receiver = Receiver::start([ok(), ok()]);
    let operator = receiver.url("/operator");
    let script = "trap '' QUIT; echo ready; sleep 600 & wait; wait";
    let first = support::start_ready(&[&place.option(), "--webhook", &operator], script);
    let client = Client::connect(&first.address());
    let accepted = client
        .shut_down_with(with_webhook(&receiver.url("/caller"), &[]))
        .unwrap();
    let process = kill_wrapper(first);
    end(process, Signal::SIGKILL);
    let files = place.files();
    let whole = files.iter().filter(|name| name.ends_with(".webhook"));
    assert_eq!(whole.count(), 2, "{files:?}");
    let (second, client) = draining(&[&place.option()]);
    let mut requests = [receiver.request(), receiver.request()];
    requests.sort_by(|one, other| one.target.cmp(&other.target));
    for (request, delivery) in requests.iter().rev().zip(&accepted.webhooks) {
        let body = request.json();
        assert_eq!(request.id(), delivery.id);
        assert_eq!(body["outcome"], "lost");
        assert_eq!(body["pid"], process);
        assert_eq!(body["attempt"], 1);
        assert!(body["exit_code"].is_null() && body["exit_signal"].is_null());
    }
    assert_eq!(requests[0].json()["requested"], true);
    eventually("both are delivered", || {
        let webhooks = client.get_state().webhooks;
        webhooks.len() == 2
            && webhooks
                .iter()
                .all(|one| one.recovered && one.phase() == Phase::Delivered)
    });
    assert_eq!(client.state(), State::Running);
    eventually("the files are removed", || place.files().is_empty());
    leave(second);
}

#[test]
fn a_process_that_outlives_its_wrapper_is_awaited_by_the_next() {
    let place = Place::new();
    let receiver = Receiver::start([ok()]);
    let url = receiver.url("/");
    let first = support::start_ready(&[&place.option(), "--webhook", &url], DRAINS);
    let process = kill_wrapper(first);
    let (second, client) = draining(&[&place.option()]);
    second.stderr.wait_for("is still alive");
    assert_eq!(client.get_state().webhooks[0].phase(), Phase::Pending);
    assert_eq!(receiver.more().len(), 0);
    // A wrapper that leaves does not wait for it.
    leave(second);
    let (third, client) = draining(&[&place.option()]);
    third.stderr.wait_for("is still alive");
    end(process, Signal::SIGKILL);
    let body = receiver.request().json();
    assert_eq!(body["outcome"], "lost");
    assert!(body["exited_at"].is_string(), "{body}");
    assert_eq!(ended(&client).phase(), Phase::Delivered);
    leave(third);
}

#[test]
fn a_delivery_goes_on_after_a_kill_with_the_facts_of_the_exit() {
    let place = Place::new();
    let receiver = Receiver::start([status("503 Busy"), Answer::Stalls, ok()]);
    let (first, client) = draining(&[&place.option()]);
    client
        .shut_down_with(with_webhook(&receiver.url("/"), &[]))
        .unwrap();
    let attempts = [receiver.request(), receiver.request()];
    first.stderr.wait_for("is gone");
    kill_wrapper(first);
    let (second, client) = draining(&[&place.option()]);
    let last = receiver.request();
    let (before, after) = (attempts[1].json(), last.json());
    assert_eq!(last.id(), attempts[0].id());
    assert_eq!(
        (&after["exit_code"], &after["outcome"]),
        (&3.into(), &"failed".into())
    );
    assert_eq!(
        (&before["attempt"], &after["attempt"]),
        (&2.into(), &3.into())
    );
    assert_eq!(before["exited_at"], after["exited_at"]);
    assert_eq!(ended(&client).attempts, 3);
    leave(second);
}

#[test]
fn a_webhook_that_was_given_up_is_kept_and_shown_by_the_next_wrapper() {
    let place = Place::new();
    let receiver = Receiver::start([status("404 Gone")]);
    let (mut first, client) = draining(&[&place.option()]);
    client
        .shut_down_with(with_webhook(&receiver.url("/"), &[]))
        .unwrap();
    let failed = ended(&client);
    first.signal(Signal::SIGTERM);
    assert_eq!(first.code(), 3);
    assert_eq!(place.files(), [format!("{}.webhook", failed.id)]);
    let (second, client) = draining(&[&place.option()]);
    let shown = client.get_state().webhooks.remove(0);
    assert_eq!((shown.phase(), shown.recovered), (Phase::Failed, true));
    assert_eq!((&shown.last_error, shown.attempts), (&failed.last_error, 1));
    leave(second);
    let (third, client) = draining(&[&place.option(), "--keep-failed=0s"]);
    assert_eq!(client.get_state().webhooks, []);
    assert_eq!(place.files(), [""; 0]);
    leave(third);
}

#[test]
fn a_request_that_cannot_be_made_durable_is_refused_and_signals_nothing() {
    let place = Place::new();
    let receiver = Receiver::start([ok()]);
    let (wrapper, client) = draining(&[&place.option()]);
    std::fs::remove_dir_all(&place.path).unwrap();
    let refused = client
        .shut_down_with(with_webhook(&receiver.url("/"), &[]))
        .unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
    assert!(
        refused.message().contains("nothing was signalled"),
        "{refused}"
    );
    let process = client.get_state();
    assert_eq!(process.state(), State::Running);
    assert_eq!(process.webhooks, []);
    // Without a webhook there is nothing to keep.
    client.shut_down();
    leave(wrapper);
}

#[test]
fn with_best_effort_it_is_accepted_nevertheless() {
    let place = Place::new();
    let receiver = Receiver::start([ok()]);
    let (wrapper, client) = draining(&[&place.option(), "--state-best-effort"]);
    std::fs::remove_dir_all(&place.path).unwrap();
    client
        .shut_down_with(with_webhook(&receiver.url("/"), &[]))
        .unwrap();
    wrapper.stderr.wait_for("but not on disk");
    assert_eq!(receiver.request().json()["exit_code"], 3);
    leave(wrapper);
}

#[test]
fn a_request_that_is_refused_leaves_no_file() {
    let place = Place::new();
    let receiver = Receiver::start([ok()]);
    let (wrapper, client) = draining(&[&place.option(), "--forceful-signal=none"]);
    let request = InitiateGracefulShutdownRequest {
        force_after: support::client::milliseconds(1000),
        ..with_webhook(&receiver.url("/"), &[])
    };
    let refused = client.shut_down_with(request).unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    eventually("the file is removed", || place.files().is_empty());
    leave(wrapper);
}

#[test]
fn a_start_that_fails_leaves_no_file() {
    let place = Place::new();
    let options = [&*place.option(), "--webhook", "http://127.0.0.1:9/"];
    let mut wrapper = support::setup(&options, &["/no/such/program"]).start();
    assert_eq!(wrapper.code(), 127);
    assert_eq!(place.files(), [""; 0]);
}

#[test]
fn one_wrapper_has_a_directory_at_a_time() {
    let place = Place::new();
    let (first, _client) = draining(&[&place.option()]);
    let mut second = support::setup(&[&place.option()], &["true"]).start();
    assert_eq!(second.code(), 1);
    let said = second.stderr.all();
    assert!(
        said.contains("is in use by another process-wrapper"),
        "{said}"
    );
    leave(first);
}

#[test]
fn a_directory_open_to_others_and_options_without_one_are_refused() {
    let place = Place::new();
    std::fs::create_dir(&place.path).unwrap();
    std::fs::set_permissions(&place.path, Permissions::from_mode(0o777)).unwrap();
    let inside = format!("--state-dir={}", place.path.join("webhooks").display());
    let option = place.option();
    for (options, code, expected) in [
        (
            &[&*option][..],
            2,
            "name a directory in it that does not exist yet",
        ),
        (&["--state-best-effort"], 2, "add --state-dir DIR"),
        (&["--keep-failed=1h"], 2, "add --state-dir DIR"),
        (
            &[&*inside, "--exit-when-gone=always"],
            0,
            "another user could move",
        ),
    ] {
        let mut wrapper = support::setup(options, &["true"]).start();
        assert_eq!(wrapper.code(), code, "{options:?}");
        let said = wrapper.stderr.all();
        assert!(said.contains(expected), "{options:?}: {said}");
    }
}

#[test]
fn a_broken_file_never_stops_a_start() {
    let place = Place::new();
    std::fs::create_dir(&place.path).unwrap();
    std::fs::set_permissions(&place.path, Permissions::from_mode(0o700)).unwrap();
    let name = format!("msg_{}.webhook", "0".repeat(32));
    std::fs::write(place.path.join(&name), "pwspool\u{1}torn").unwrap();
    let (wrapper, client) = draining(&[&place.option()]);
    assert_eq!(client.get_state().webhooks, []);
    assert_eq!(place.files(), [format!("{name}.bad")]);
    assert!(leave(wrapper).contains("was set aside as .bad"));
}

/// Runs `webhooks` on the directory; returns the exit code and what it says.
fn webhooks(place: &Place, arguments: &[&str]) -> (i32, String) {
    let output = std::process::Command::new(support::binary())
        .arg("webhooks")
        .args(arguments)
        .arg(place.option())
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8(text).unwrap();
    (output.status.code().unwrap(), text)
}

#[test]
fn operators_list_retry_and_drop_webhooks_of_a_running_wrapper() {
    let place = Place::new();
    let receiver = Receiver::start([status("404 Gone"), status("404 Gone"), ok()]);
    let (wrapper, client) = draining(&[&place.option()]);
    let request = with_webhook(&receiver.url("/s3cret"), &[("X-Token", "s3cret")]);
    client.shut_down_with(request).unwrap();
    let id = ended(&client).id;
    client
        .shut_down_with(with_webhook(&receiver.url("/other"), &[]))
        .unwrap();
    eventually("both have failed", || {
        let webhooks = client.get_state().webhooks;
        webhooks.len() == 2 && webhooks.iter().all(|one| one.phase() == Phase::Failed)
    });
    let other = client.get_state().webhooks.remove(1).id;
    eventually("both failures are on disk", || {
        webhooks(&place, &["list"]).1.matches("failed to").count() == 2
    });
    let (code, listed) = webhooks(&place, &["list", "--output", "json"]);
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    assert_eq!((code, &listed[0]["id"]), (0, &id.clone().into()));
    assert_eq!(listed[0]["last_error"], "answered 404");
    assert!(!listed.to_string().contains("s3cret"), "{listed}");
    let requests = [receiver.request(), receiver.request()];
    assert_eq!(requests[0].id(), id);

    assert_eq!(webhooks(&place, &["retry", &id]), (0, String::new()));
    assert_eq!(receiver.request().id(), id);
    eventually("the retried webhook is delivered", || {
        client.get_state().webhooks[0].phase() == Phase::Delivered
    });
    assert_eq!(webhooks(&place, &["drop", &other]), (0, String::new()));
    eventually("nothing is left", || place.files().is_empty());
    assert_eq!(
        client.get_state().webhooks[1].last_error,
        "dropped by an operator"
    );
    let (code, said) = webhooks(&place, &["drop", &other]);
    assert!(code == 1 && said.contains("has no webhook"), "{said}");
    for arguments in [
        &["drop"][..],
        &["list", &id],
        &["drop", "../x"],
        &["forget", &id],
    ] {
        assert_eq!(webhooks(&place, arguments).0, 2, "{arguments:?}");
    }
    leave(wrapper);
}

#[test]
fn orders_that_no_wrapper_saw_are_obeyed_at_the_next_start() {
    let place = Place::new();
    let receiver = Receiver::start([status("404 Gone"), status("404 Gone"), ok()]);
    let urls = [receiver.url("/a"), receiver.url("/b")];
    let options = [
        &*place.option(),
        "--webhook",
        &urls[0],
        "--webhook",
        &urls[1],
    ];
    let (mut first, client) = draining(&options);
    client.shut_down();
    first.signal(Signal::SIGTERM);
    assert_eq!(first.code(), 3);
    let requests = [receiver.request(), receiver.request()];
    webhooks(&place, &["retry", requests[0].id()]);
    webhooks(&place, &["drop", requests[1].id()]);
    assert_eq!(place.files().len(), 4);
    let (second, client) = draining(&[&place.option()]);
    let retried = receiver.request();
    assert_eq!(retried.id(), requests[0].id());
    assert_eq!(retried.json()["exit_code"], 3);
    assert_eq!(ended(&client).phase(), Phase::Delivered);
    eventually("nothing is left", || place.files().is_empty());
    leave(second);
}
