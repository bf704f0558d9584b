//! The queue: every change is performed, the last one of a file wins, and nothing waits for a disk.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

use std::sync::mpsc;
use std::time::Duration;

use smol::future::FutureExt as _;

use super::*;
use crate::spool::directory::{Found, peek};
use crate::spool::frame::tests::{ID, full};

fn start() -> (tempfile::TempDir, Writer) {
    let folder = tempfile::tempdir().unwrap();
    let directory = Directory::open(&folder.path().join("state")).unwrap();
    (folder, Writer::start(directory).unwrap())
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    let late = async {
        smol::Timer::after(Duration::from_secs(20)).await;
        unreachable!("20 s have passed")
    };
    future.or(late).await
}

#[test]
fn a_change_is_on_disk_once_it_is_done_and_a_closed_writer_frees_the_lock() {
    let (folder, writer) = start();
    let path = folder.path().join("state");
    smol::block_on(within(async {
        writer
            .write(ID, full().encode().unwrap())
            .wait()
            .await
            .unwrap();
        assert!(matches!(&peek(&path).unwrap()[..], [Found::Record(_)]));
        assert!(Directory::open(&path).is_err());
        let removed = writer.remove(ID);
        writer.close().await;
        removed.wait().await.unwrap();
    }));
    assert!(peek(&path).unwrap().is_empty());
    Directory::open(&path).unwrap();
}

#[test]
fn behind_a_hanging_disk_the_last_change_of_a_file_wins_and_all_are_answered() {
    let (folder, writer) = start();
    let (go, hang) = mpsc::channel::<()>();
    writer.run(move |_| hang.recv().unwrap());
    let mut done = Vec::new();
    for attempts in 0..1000 {
        let record = crate::spool::record::Record { attempts, ..full() };
        done.push(writer.write(ID, record.encode().unwrap()));
    }
    assert!(writer.shared.lock().pending.len() <= 1);
    go.send(()).unwrap();
    smol::block_on(within(async {
        for one in done {
            one.wait().await.unwrap();
        }
    }));
    match &peek(&folder.path().join("state")).unwrap()[..] {
        [Found::Record(record)] => assert_eq!(record.attempts, 999),
        other => unreachable!("{other:?}"),
    }
}

#[test]
fn an_error_of_the_disk_reaches_the_caller() {
    let (folder, writer) = start();
    std::fs::create_dir(folder.path().join(format!("state/{ID}.new"))).unwrap();
    let done = writer.write(ID, Vec::new());
    let error = smol::block_on(within(done.wait())).unwrap_err();
    assert!(error.to_string().contains("directory"), "{error}");
}
