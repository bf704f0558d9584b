//! The directory: who may have it, and what a crash or a stranger leaves in it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by it")]

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;

use super::*;
use crate::spool::frame::tests::{ID, full};
use crate::spool::markers::Order;

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn mode(path: &Path) -> u32 {
    path.symlink_metadata().unwrap().permissions().mode() & 0o777
}

fn open(folder: &tempfile::TempDir) -> Directory {
    Directory::open(&folder.path().join("state")).unwrap()
}

#[test]
fn a_new_directory_and_its_files_are_private_under_any_umask() {
    let folder = tempfile::tempdir().unwrap();
    let directory = open(&folder);
    assert_eq!(mode(directory.path()), 0o700);
    let record = full();
    directory.write(ID, &record.encode().unwrap()).unwrap();
    assert_eq!(mode(&directory.path().join(format!("{ID}.webhook"))), 0o600);
    match &directory.load(|_| false).unwrap()[..] {
        [Found::Record(found)] => assert_eq!(**found, record),
        other => panic!("{other:?}"),
    }
    directory.remove(ID).unwrap();
    directory.remove(ID).unwrap();
    assert!(directory.load(|_| false).unwrap().is_empty());
}

#[test]
fn a_directory_that_others_can_enter_is_refused_and_one_inside_it_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let open_to_all = folder.path().join("volume");
    std::fs::create_dir(&open_to_all).unwrap();
    for mode in [0o777, 0o755, 0o2770] {
        set_mode(&open_to_all, mode);
        let refused = Directory::open(&open_to_all).unwrap_err();
        assert!(matches!(refused, DirectoryError::Open { .. }), "{refused}");
    }
    set_mode(&open_to_all, 0o777);
    let inside = Directory::open(&open_to_all.join("state")).unwrap();
    let risk = inside.unsafe_parent().unwrap();
    assert_eq!(risk.why, PathRisk::WorldWritable(0o777));
    set_mode(&open_to_all, 0o1777);
    assert_eq!(inside.unsafe_parent(), None);
}

#[test]
fn a_link_or_a_file_in_its_place_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let real = open(&folder).path().to_owned();
    let link = folder.path().join("link");
    std::os::unix::fs::symlink(&real, &link).unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "mine").unwrap();
    for path in [&link, &link.join("")] {
        let refused = Directory::open(path).unwrap_err();
        assert!(matches!(refused, DirectoryError::Link(_)), "{refused}");
    }
    for path in [&file, &folder.path().join("missing/state")] {
        let refused = Directory::open(path).unwrap_err();
        assert!(
            matches!(refused, DirectoryError::Failed { .. }),
            "{refused}"
        );
    }
    assert_eq!(std::fs::read(&file).unwrap(), b"mine");
}

#[test]
fn one_wrapper_has_it_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let first = open(&folder);
    let path = first.path().to_owned();
    assert!(matches!(
        Directory::open(&path),
        Err(DirectoryError::InUse(_))
    ));
    drop(first);
    drop(Directory::open(&path).unwrap());
    std::fs::write(path.join(LOCK), "mine").unwrap();
    assert!(matches!(
        Directory::open(&path),
        Err(DirectoryError::NotALock(_))
    ));
}

#[test]
fn what_no_wrapper_wrote_is_set_aside_and_the_rest_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let directory = open(&folder);
    let at = |name: &str| directory.path().join(name);
    let bytes = full().encode().unwrap();
    let id = |digit: &str| format!("msg_{}", digit.repeat(32));
    directory.write(ID, &bytes).unwrap();
    // Torn, foreign, a copy under another name, another kind of file.
    std::fs::write(at(&format!("{}.webhook", id("1"))), &bytes[..40]).unwrap();
    std::fs::write(at("notes.webhook"), "mine").unwrap();
    std::fs::write(at(&format!("{}.webhook", id("2"))), &bytes).unwrap();
    std::fs::create_dir(at(&format!("{}.webhook", id("3")))).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", at(&format!("{}.webhook", id("4")))).unwrap();
    // Half written by a wrapper that was killed; a file of another program.
    std::fs::write(at(&format!("{}.new", id("5"))), &bytes[..7]).unwrap();
    std::fs::write(at("README"), "mine").unwrap();

    let found = directory.load(|_| false).unwrap();
    let records = found.iter().filter(|one| matches!(one, Found::Record(_)));
    assert_eq!(records.count(), 1);
    let aside = found
        .iter()
        .filter(|one| matches!(one, Found::SetAside { .. }));
    assert_eq!(aside.count(), 5);
    assert_eq!(std::fs::read(at("notes.webhook.bad")).unwrap(), b"mine");
    assert!(at("README").exists() && !at(&format!("{}.new", id("5"))).exists());
    // The next start finds them set aside.
    assert_eq!(directory.load(|_| false).unwrap().len(), 1);
}

#[test]
fn a_file_of_a_later_version_stays_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let directory = open(&folder);
    // Of another format, no message, and one without its fields.
    for (version, message) in [(2, &b"later"[..]), (1, b"\xff"), (1, b"")] {
        let later = crate::spool::frame::tests::framed(version, message);
        directory.write(ID, &later).unwrap();
        for _ in 0..2 {
            let found = directory.load(|_| false).unwrap();
            assert!(matches!(&found[..], [Found::Left { .. }]), "{found:?}");
        }
    }
}

#[test]
fn a_write_that_fails_keeps_the_old_contents() {
    let folder = tempfile::tempdir().unwrap();
    let directory = open(&folder);
    let bytes = full().encode().unwrap();
    directory.write(ID, &bytes).unwrap();
    let name = directory.path().join(format!("{ID}.new"));
    std::fs::create_dir(&name).unwrap();
    directory.write(ID, b"later").unwrap_err();
    let file = directory.path().join(format!("{ID}.webhook"));
    assert_eq!(std::fs::read(file).unwrap(), bytes);
}

#[test]
fn failed_webhooks_are_bounded_and_starve_no_undelivered_one() {
    let folder = tempfile::tempdir().unwrap();
    let directory = open(&folder);
    let put = |number: usize, failed_at: Option<std::time::SystemTime>| {
        let record = Record {
            id: format!("msg_{number:032x}"),
            failed_at,
            ..full()
        };
        let file = directory.path().join(format!("{}.webhook", record.id));
        std::fs::write(file, record.encode().unwrap()).unwrap();
        record.id
    };
    let at = |second| std::time::UNIX_EPOCH + std::time::Duration::from_secs(second);
    let ordered = put(0, Some(at(1)));
    crate::spool::markers::leave(directory.path(), &ordered, Order::Retry).unwrap();
    let old = put(1, Some(at(2)));
    for number in 2..2 + MAX_FAILED {
        put(number, Some(at(1000)));
    }
    let undelivered = put(MAX_FAILED + 2, None);
    let ids = |found: &[Found]| {
        let ids = found.iter().filter_map(|one| match one {
            Found::Record(record) => Some(record.id.clone()),
            Found::SetAside { .. } | Found::Left { .. } => None,
        });
        ids.collect::<Vec<_>>()
    };
    let found = directory.load(|_| false).unwrap();
    let read = ids(&found);
    assert_eq!(read.len(), MAX_FAILED + 2);
    assert!(read.contains(&ordered) && read.contains(&undelivered) && !read.contains(&old));
    assert!(matches!(found.last(), Some(Found::Left { .. })));
    assert!(directory.has(&old));
    // What is over goes, except if an operator wants it.
    let found = directory.load(|_| true).unwrap();
    assert_eq!(ids(&found), [ordered, undelivered]);
    assert!(!directory.has(&old));
}

#[test]
fn undelivered_webhooks_are_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let directory = open(&folder);
    let half_written = directory.path().join(format!("msg_{}.new", "f".repeat(32)));
    std::fs::write(&half_written, "").unwrap();
    for number in 0..MAX_PENDING + 10 {
        let record = Record {
            id: format!("msg_{number:032x}"),
            failed_at: None,
            ..full()
        };
        let file = directory.path().join(format!("{}.webhook", record.id));
        std::fs::write(file, record.encode().unwrap()).unwrap();
    }
    let found = directory.load(|_| false).unwrap();
    assert_eq!(found.len(), MAX_PENDING + 1);
    assert!(matches!(found.last(), Some(Found::Left { .. })));
    assert_eq!(peek(directory.path()).unwrap().len(), MAX_PENDING + 10);
    assert!(!half_written.exists());
}
