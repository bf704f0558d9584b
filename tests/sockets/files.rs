//! Socket files: their modes and locks, and which of them a wrapper takes over, keeps or removes.

use std::fs;
use std::io::ErrorKind;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use process_wrapper::address::Address;
use process_wrapper::net::connect::{ConnectError, connect};
use process_wrapper::net::listen::{BindError, Holder};
use process_wrapper::net::peer::Peer;
use rustix::fs::{CWD, FileType, Mode, OFlags};

use super::fixture::{Fixture, bind_path, bind_tcp, in_use, talk, within};

#[test]
fn a_socket_file_serves_names_its_peer_and_is_removed() {
    let fixture = Fixture::new();
    let listener = fixture.bind().unwrap();
    assert_eq!(listener.local_address(), Address::Unix(fixture.socket()));
    assert_eq!(fixture.files(), ["s", "s.lock"]);
    let (_, peer) = talk(&listener, &listener.local_address());
    let me = Peer::Unix {
        uid: fs::metadata("/proc/self").unwrap().uid(),
        gid: fs::metadata("/proc/self").unwrap().gid(),
        pid: i32::try_from(std::process::id()).ok(),
    };
    assert_eq!(peer, me);
    drop(listener);
    assert!(fixture.files().is_empty());
}

#[test]
fn the_socket_has_the_requested_mode_whatever_the_umask() {
    for mode in [0o600, 0o660, 0o666, 0o777, 0o400, 0o17_600] {
        let fixture = Fixture::new();
        let listener = bind_path(&fixture.socket(), mode).unwrap();
        let found = fixture.socket().metadata().unwrap().permissions().mode();
        assert_eq!(found & 0o7777, mode & 0o777);
        drop(listener);
    }
    let lock = Fixture::new();
    let _listener = bind_path(&lock.socket(), 0o666).unwrap();
    let found = lock.path("s.lock").metadata().unwrap().permissions().mode();
    assert_eq!(found & 0o7777, 0o600);
}

#[test]
fn a_visible_socket_has_its_final_mode_and_accepts_connections() {
    for _ in 0..100 {
        let fixture = Fixture::new();
        let (path, temporary) = (fixture.socket(), fixture.path("s.new"));
        let start = Barrier::new(2);
        std::thread::scope(|scope| {
            // Held until the watcher is through, so that the file it looks at is the one it met.
            let watcher = scope.spawn(|| {
                start.wait();
                let begin = Instant::now();
                loop {
                    assert!(
                        begin.elapsed() < Duration::from_secs(20),
                        "no server listens"
                    );
                    let early = UnixStream::connect(&temporary).is_ok();
                    let met = UnixStream::connect(&path);
                    if early || met.is_ok() {
                        let either = temporary.symlink_metadata();
                        break either.or_else(|_| path.symlink_metadata()).unwrap();
                    }
                    assert_eq!(met.unwrap_err().kind(), ErrorKind::NotFound);
                }
            });
            start.wait();
            let _listener = bind_path(&path, 0o666).unwrap();
            let met = watcher.join().unwrap();
            assert!(met.file_type().is_socket());
            assert_eq!(met.mode() & 0o7777, 0o666);
        });
    }
}

#[test]
fn the_socket_of_a_killed_predecessor_is_replaced() {
    let fixture = Fixture::new();
    for name in ["s", "s.new"] {
        drop(UnixListener::bind(fixture.path(name)).unwrap());
    }
    fs::write(fixture.path("s.lock"), "").unwrap();
    let listener = fixture.bind().unwrap();
    assert_eq!(fixture.files(), ["s", "s.lock"]);
    talk(&listener, &listener.local_address());
    drop(listener);
    assert!(fixture.files().is_empty());
}

#[test]
fn a_live_socket_of_another_wrapper_is_refused_and_not_disturbed() {
    let fixture = Fixture::new();
    let first = fixture.bind().unwrap();
    assert_eq!(in_use(&fixture.bind().unwrap_err()), Some(Holder::Lock));
    assert_eq!(fixture.files(), ["s", "s.lock"]);
    talk(&first, &first.local_address());
    drop(first);
    fixture.bind().unwrap();
}

#[test]
fn a_live_socket_of_another_process_is_refused_and_not_disturbed() {
    for name in ["s", "s.new"] {
        let fixture = Fixture::new();
        let theirs = UnixListener::bind(fixture.path(name)).unwrap();
        assert_eq!(in_use(&fixture.bind().unwrap_err()), Some(Holder::Socket));
        assert_eq!(fixture.files(), [name], "no lock stays behind");
        UnixStream::connect(fixture.path(name)).unwrap();
        drop(theirs);
    }
}

#[test]
fn a_full_queue_and_a_datagram_socket_count_as_live() {
    let fixture = Fixture::new();
    let theirs = UnixListener::bind(fixture.socket()).unwrap();
    rustix::net::listen(&theirs, 0).unwrap();
    let address = Address::Unix(fixture.socket());
    let mut waiting = Vec::new();
    let full = loop {
        match smol::block_on(connect(&address)) {
            Ok(stream) => waiting.push(stream),
            Err(error) => break error,
        }
    };
    assert!(matches!(full, ConnectError::Busy { .. }), "{full}");
    assert_eq!(in_use(&fixture.bind().unwrap_err()), Some(Holder::Socket));

    let fixture = Fixture::new();
    let _theirs = std::os::unix::net::UnixDatagram::bind(fixture.socket()).unwrap();
    assert_eq!(in_use(&fixture.bind().unwrap_err()), Some(Holder::Socket));
}

#[test]
fn a_file_that_is_no_socket_is_kept_and_named() {
    for name in ["s", "s.new", "s.lock"] {
        let fixture = Fixture::new();
        let refused = |expected: &dyn Fn() -> bool| {
            let error = fixture.bind().unwrap_err();
            assert!(error.is_usage(), "{error}");
            assert!(error.to_string().contains(&format!("/{name}\"")), "{error}");
            assert!(expected(), "{name} was touched");
            assert_eq!(fixture.files(), [name, "z"], "something was left");
        };
        let path = fixture.path(name);
        let target = fixture.path("z");
        fs::write(&target, "precious").unwrap();
        let precious = |path: &Path| fs::read(path).is_ok_and(|bytes| bytes == b"precious");

        fs::write(&path, "precious").unwrap();
        refused(&|| precious(&path));
        fs::remove_file(&path).unwrap();

        symlink(&target, &path).unwrap();
        refused(&|| path.is_symlink() && precious(&target));
        fs::remove_file(&path).unwrap();

        symlink("nowhere", &path).unwrap();
        refused(&|| path.is_symlink());
        fs::remove_file(&path).unwrap();

        fs::create_dir(&path).unwrap();
        refused(&|| path.is_dir());
        fs::remove_dir(&path).unwrap();

        rustix::fs::mknodat(CWD, &path, FileType::Fifo, Mode::RWXU, 0).unwrap();
        refused(&|| {
            path.metadata()
                .is_ok_and(|found| found.file_type().is_fifo())
        });
        fs::remove_file(&path).unwrap();

        // A link to a live socket is not that socket.
        fs::remove_file(&target).unwrap();
        let theirs = UnixListener::bind(&target).unwrap();
        symlink(&target, &path).unwrap();
        refused(&|| path.is_symlink() && UnixStream::connect(&target).is_ok());
        drop(theirs);
    }
}

#[test]
fn of_many_wrappers_that_start_at_once_exactly_one_listens() {
    let fixture = Fixture::new();
    for round in 0..50 {
        // Every other round begins with a stale socket.
        if round % 2 == 0 {
            drop(UnixListener::bind(fixture.socket()).unwrap());
        }
        let start = Barrier::new(4);
        let contend = || {
            start.wait();
            fixture.bind()
        };
        let outcomes: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(contend)).collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect()
        });
        let (won, lost): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
        assert_eq!(won.len(), 1, "round {round}: {lost:?}");
        for error in lost {
            assert_eq!(in_use(&error.unwrap_err()), Some(Holder::Lock));
        }
        assert_eq!(fixture.files(), ["s", "s.lock"]);
        let winner = won.into_iter().next().unwrap().unwrap();
        talk(&winner, &winner.local_address());
        drop(winner);
        assert!(fixture.files().is_empty());
    }
}

#[test]
fn wrappers_that_start_and_stop_at_once_never_share_the_socket() {
    let fixture = Fixture::new();
    let inside = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut turns = 0;
                while turns < 50 {
                    if let Ok(listener) = fixture.bind() {
                        assert!(!inside.swap(true, Ordering::AcqRel), "two listen at once");
                        turns += 1;
                        inside.store(false, Ordering::Release);
                        drop(listener);
                    }
                }
            });
        }
    });
    assert!(fixture.files().is_empty());
}

#[test]
fn only_our_own_files_are_removed() {
    let fixture = Fixture::new();
    let listener = fixture.bind().unwrap();
    for name in ["s", "s.lock"] {
        fs::remove_file(fixture.path(name)).unwrap();
        fs::write(fixture.path(name), "theirs").unwrap();
    }
    drop(listener);
    assert_eq!(fixture.files(), ["s", "s.lock"]);
    assert_eq!(fs::read(fixture.socket()).unwrap(), b"theirs");

    let fixture = Fixture::new();
    let listener = fixture.bind().unwrap();
    fs::remove_file(fixture.socket()).unwrap();
    symlink("s.lock", fixture.socket()).unwrap();
    drop(listener);
    assert_eq!(fixture.files(), ["s"]);
}

#[test]
fn a_directory_that_was_renamed_is_still_cleaned() {
    let fixture = Fixture::new();
    fs::create_dir(fixture.path("before")).unwrap();
    let listener = bind_path(&fixture.path("before/s"), 0o600).unwrap();
    fs::rename(fixture.path("before"), fixture.path("after")).unwrap();
    drop(listener);
    assert_eq!(fs::read_dir(fixture.path("after")).unwrap().count(), 0);
}

#[test]
fn an_impossible_path_is_a_usage_error() {
    let fixture = Fixture::new();
    fs::write(fixture.path("file"), "").unwrap();
    for path in ["missing/s", "file/s", "file/", "..", "", "nul\0"] {
        let path = if path.is_empty() {
            PathBuf::new()
        } else {
            fixture.path(path)
        };
        let error = bind_path(&path, 0o600).unwrap_err();
        assert!(error.is_usage(), "{path:?}: {error}");
    }
    assert_eq!(fixture.files(), ["file"]);
}

#[test]
fn the_longest_path_with_room_for_its_temporary_name_works() {
    let fixture = Fixture::new();
    let used = fixture.path("").as_os_str().len();
    let longest = fixture.path(&"a".repeat(103 - used));
    let listener = bind_path(&longest, 0o600).unwrap();
    talk(&listener, &listener.local_address());
    let error = bind_path(&fixture.path(&"a".repeat(104 - used)), 0o600).unwrap_err();
    assert!(matches!(error, BindError::TooLong { .. }), "{error}");
    assert!(
        error.is_usage() && error.to_string().contains("107"),
        "{error}"
    );
}

#[test]
fn our_descriptors_do_not_reach_a_child() {
    let fixture = Fixture::new();
    let unix = fixture.bind().unwrap();
    let tcp = bind_tcp("tcp://127.0.0.1:0").unwrap();
    let (client, accepted) = within(async {
        let address = unix.local_address();
        let (client, accepted) = smol::future::zip(connect(&address), unix.accept()).await;
        (client.unwrap(), accepted.unwrap().0)
    });
    let named = |descriptor: &dyn AsFd| {
        let number = descriptor.as_fd().as_raw_fd().to_string();
        (
            number.clone(),
            fs::read_link(format!("/proc/self/fd/{number}")).unwrap(),
        )
    };
    let mut ours = vec![
        named(&unix),
        named(&tcp[0]),
        named(&client),
        named(&accepted),
    ];
    // The lock and the directory, which have names.
    for entry in fs::read_dir("/proc/self/fd").unwrap() {
        let entry = entry.unwrap();
        let number = entry.file_name().into_string().unwrap();
        // The descriptors of other tests come and go.
        match fs::read_link(entry.path()) {
            Ok(target) if target.starts_with(fixture.directory.path()) => {
                ours.push((number, target))
            }
            Ok(_) | Err(_) => {}
        }
    }
    assert_eq!(ours.len(), 6, "{ours:?}");
    // No child is started to see it: it would hold the listeners of other tests until it has its
    // program.
    for (number, target) in ours {
        let facts = fs::read_to_string(format!("/proc/self/fdinfo/{number}")).unwrap();
        let flags = facts
            .lines()
            .find_map(|line| line.strip_prefix("flags:"))
            .unwrap();
        let flags = u32::from_str_radix(flags.trim(), 8).unwrap();
        assert_ne!(flags & OFlags::CLOEXEC.bits(), 0, "{target:?} leaks");
    }
}
