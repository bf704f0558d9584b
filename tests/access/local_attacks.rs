//! What another local user may still try: access control lists, mounts, handed-over connections,
//! and races at the start.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, Ordering};

use process_wrapper::address::Address;
use process_wrapper::grpc::client::CallOptions;
use process_wrapper::net::connect::connect;

use crate::call::{GET_STATE, Outcome, probe, probe_on};
use crate::sockets::{copy_for_all, start};
use crate::support::{binary, peers};
use crate::user::{JOB, as_user, is_root};

/// Gives the job's user these permissions by an access control list, `acl(5)`: `access` for the
/// file itself or `default` for new files in the directory. The other classes are as for 0700.
fn allow_job(path: &Path, kind: &str, permissions: u16) -> std::io::Result<()> {
    const UNDEFINED: u32 = u32::MAX;
    let entries: [(u16, u16, u32); 5] = [
        (0x01, 7, UNDEFINED),           // the owner
        (0x02, permissions, JOB.0),     // a named user
        (0x04, 0, UNDEFINED),           // the owning group
        (0x10, permissions, UNDEFINED), // the mask
        (0x20, 0, UNDEFINED),           // others
    ];
    // linux/posix_acl_xattr.h: a version, then tag, permissions and id of each entry.
    let mut list = 2u32.to_le_bytes().to_vec();
    for (tag, permissions, id) in entries {
        list.extend(tag.to_le_bytes());
        list.extend(permissions.to_le_bytes());
        list.extend(id.to_le_bytes());
    }
    let name = format!("system.posix_acl_{kind}");
    let flags = rustix::fs::XattrFlags::empty();
    Ok(rustix::fs::setxattr(path, name, &list, flags)?)
}

fn run(socket: &Path, options: &[&str], command: &[&str]) -> Output {
    Command::new(binary())
        .arg("run")
        .arg(format!("--listen=unix:{}", socket.display()))
        .args(options)
        .args(["--exit-when-gone=always", "--"])
        .args(command)
        .output()
        .unwrap()
}

#[test]
fn an_access_control_list_on_the_directory_opens_no_socket() {
    if !is_root() {
        return;
    }
    for (options, connects) in [(&[][..], false), (&["--socket-mode=660"], true)] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        if let Err(error) = allow_job(folder.path(), "access", 5) {
            return peers::absent(&format!(
                "a file system with access control lists ({error})"
            ));
        }
        allow_job(folder.path(), "default", 7).unwrap();
        let listen = format!("--listen=unix:{}", path.display());
        let options: Vec<&str> = options.iter().copied().chain([&*listen]).collect();
        let wrapper = start(&options);
        // With 0660 the mask of the list that the socket inherits lets the user connect. The
        // wrapper closes the connection.
        let connected = as_user(JOB, || UnixStream::connect(&path));
        assert_eq!(connected.is_ok(), connects, "{options:?}: {connected:?}");
        let address = format!("unix:{}", path.display());
        let closed = Outcome::Closed;
        assert_eq!(as_user(JOB, || probe(&address, GET_STATE, closed)), closed);
        assert_eq!(
            probe(&address, GET_STATE, Outcome::Admitted),
            Outcome::Admitted
        );
        drop(wrapper);
    }
}

#[test]
fn a_default_directory_with_an_access_control_list_is_not_private() {
    if !is_root() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("process-wrapper");
    std::fs::create_dir(&directory).unwrap();
    if allow_job(&directory, "access", 7).is_err() {
        return peers::absent("a file system with access control lists");
    }
    std::os::unix::fs::chown(&directory, Some(1000), Some(1000)).unwrap();
    let open = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(folder.path(), open).unwrap();
    let (_copies, copy) = copy_for_all();
    let output = as_user((1000, 1000), || {
        Command::new(&copy)
            .args(["run", "--", "true"])
            .env("XDG_RUNTIME_DIR", folder.path())
            .env_remove("PROCESS_WRAPPER_ADDRESS")
            .output()
            .unwrap()
    });
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    // The mask of the list stands in the place of the group's permissions.
    assert!(stderr.contains("mode 770, must be 700"), "{stderr}");
}

#[test]
fn a_mount_over_the_socket_is_seen_in_the_namespace_of_the_attacker_only() {
    if !is_root() {
        return;
    }
    let wrapper = start(&[]);
    let folder = wrapper.folder.path();
    let script = format!(
        "mount -t tmpfs none {0} && ! test -e {0}/control.sock",
        folder.display()
    );
    let output = as_user(JOB, || {
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--mount", "sh", "-c", &script]);
        command.current_dir("/").output().unwrap()
    });
    if !output.status.success() {
        return peers::absent(&format!("a user namespace ({output:?})"));
    }
    let admitted = Outcome::Admitted;
    assert_eq!(probe(&wrapper.address(), GET_STATE, admitted), admitted);
}

#[test]
fn a_connection_keeps_the_identity_of_the_user_that_opened_it() {
    if !is_root() {
        return;
    }
    let wrapper = start(&["--socket-mode=666", "--allow-uid=1000"]);
    let address: Address = wrapper.address().parse().unwrap();
    let open = || smol::block_on(connect(&address)).unwrap();
    // The kernel notes the credentials at the connect: neither a process that exits meanwhile nor
    // one that gets its id changes them.
    let theirs = as_user((1000, 1000), open);
    let used = as_user(JOB, || {
        probe_on(theirs, GET_STATE, CallOptions::default(), Outcome::Admitted)
    });
    assert_eq!(used, Outcome::Admitted);
    let theirs = as_user(JOB, open);
    let used = as_user((1000, 1000), || {
        probe_on(theirs, GET_STATE, CallOptions::default(), Outcome::Closed)
    });
    assert_eq!(used, Outcome::Closed);
}

/// Puts files of every kind in the place of the socket, its temporary name and its lock, and takes
/// them away, until told to stop.
fn interfere(folder: &Path, precious: &Path, stop: &AtomicBool) {
    let names = ["s", "s.new", "s.lock"].map(|name| folder.join(name));
    let mine = folder.join("mine");
    let mut turn = 0;
    while !stop.load(Ordering::Relaxed) {
        turn += 1;
        let path = &names[turn % names.len()];
        // Each step may fail: the file is the wrapper's, or there already.
        let listener = match turn % 7 {
            0 => UnixListener::bind(path).ok(),
            1 => symlink(precious, path).map(|()| None).unwrap_or_default(),
            2 => std::fs::write(path, "").map(|()| None).unwrap_or_default(),
            3 => {
                let bound = UnixListener::bind(&mine).ok();
                let _ = std::fs::rename(&mine, path);
                bound
            }
            4 => {
                drop(UnixListener::bind(&mine));
                let _ = std::fs::rename(&mine, path);
                None
            }
            5 => std::fs::hard_link(precious, path)
                .map(|()| None)
                .unwrap_or_default(),
            _ => std::fs::rename(path, &mine)
                .map(|()| None)
                .unwrap_or_default(),
        };
        drop(listener);
        let _ = std::fs::remove_file(path);
        let _ = std::fs::remove_file(&mine);
    }
}

#[test]
fn races_for_the_name_of_the_socket_never_give_it_away() {
    if !is_root() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let sticky = std::fs::Permissions::from_mode(0o1777);
    std::fs::set_permissions(folder.path(), sticky).unwrap();
    let socket = folder.path().join("s");
    let outside = tempfile::tempdir().unwrap();
    let precious = outside.path().join("precious");
    std::fs::write(&precious, "precious").unwrap();
    let stop = AtomicBool::new(false);
    // In a process that serves, the name is a socket of root with its own mode.
    let look = ["stat", "-c", "%F %u %a", socket.to_str().unwrap()];
    std::thread::scope(|scope| {
        scope.spawn(|| as_user(JOB, || interfere(folder.path(), &precious, &stop)));
        for _ in 0..60 {
            let output = run(&socket, &["--log-level=warn"], &look);
            let stderr = String::from_utf8_lossy(&output.stderr);
            match output.status.code() {
                Some(0) => {
                    assert_eq!(output.stdout, b"socket 0 600\n", "{stderr}");
                }
                Some(1 | 2) => assert!(stderr.starts_with("process-wrapper: "), "{stderr}"),
                other => panic!("{other:?}: {stderr}"),
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert_eq!(std::fs::read_to_string(&precious).unwrap(), "precious");
    let mode = precious.metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o644);
    for name in ["s", "s.new", "s.lock", "mine"] {
        let _ = std::fs::remove_file(folder.path().join(name));
    }
    let output = run(&socket, &[], &look);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}
