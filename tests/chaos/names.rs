//! A name server that answers late, wrongly or not at all before it answers.
//!
//! Owns the names under `chaos.example`: their first label spells the outcome of each query. The
//! machine's own resolver is set to it in a mount namespace, which takes root; without root this
//! part is left out.

use std::collections::HashMap;
use std::io::Write;
use std::net::{Ipv4Addr, UdpSocket};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

/// The file that names the servers of the system's resolver.
const RESOLV_CONF: &str = "/etc/resolv.conf";

/// How many questions were answered late, wrongly or not at all.
pub(crate) static STALLED: AtomicUsize = AtomicUsize::new(0);

/// How the name server answers the questions for a name: up to twice badly, then with loopback.
pub(crate) fn any_answers(rng: &mut fastrand::Rng) -> String {
    let bad = ['l', 's', 'f', 'e'];
    let times = [0, 1, 1, 2][rng.usize(..4)];
    let answers = std::iter::repeat_with(|| bad[rng.usize(..bad.len())]).take(times);
    answers.chain(['n']).collect()
}

/// Starts the name server and makes this thread, and all threads and processes that it starts from
/// now on, ask it. Whether that could be done.
pub(crate) fn stall() -> bool {
    // A name server has port 53. Another run of this test may have the first address.
    let mut candidates = (1..=20).map(|n| UdpSocket::bind((Ipv4Addr::new(127, 53, 54, n), 53)));
    let Some(socket) = candidates.find_map(Result::ok) else {
        return false;
    };
    let address = socket.local_addr().unwrap().ip();
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "nameserver {address}\noptions timeout:1 attempts:2").unwrap();
    if !resolve_by(file.path()) {
        return false;
    }
    std::thread::spawn(move || serve(&Arc::new(socket)));
    true
}

/// Binds a file over the configuration of the resolver, in this mount namespace only.
fn resolve_by(file: &Path) -> bool {
    let nothing = None::<&str>;
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    unshare(CloneFlags::CLONE_NEWNS).is_ok()
        && mount(nothing, "/", nothing, private, nothing).is_ok()
        && mount(Some(file), RESOLV_CONF, nothing, MsFlags::MS_BIND, nothing).is_ok()
}

fn serve(socket: &Arc<UdpSocket>) {
    let mut asked: HashMap<Vec<u8>, usize> = HashMap::new();
    let mut packet = [0; 512];
    while let Ok((length, peer)) = socket.recv_from(&mut packet) {
        // The header, then the name in labels with their lengths before them, then the type.
        let question = &packet[12..length];
        let name_end = question.iter().position(|byte| *byte == 0).unwrap() + 1;
        let (name, kind) = (&question[..name_end], question[name_end + 1]);
        let answer = if kind == 1 {
            let count = asked.entry(name.to_vec()).or_default();
            *count += 1;
            // Any other name does not exist.
            let first = &name[1..=usize::from(name[0])];
            let plan = first.split(|byte| *byte == b'-').next().unwrap();
            plan.get(*count - 1).copied().unwrap_or(b'n')
        } else {
            b'e'
        };
        if kind == 1 && answer != b'n' {
            STALLED.fetch_add(1, Ordering::Relaxed);
        }
        // The same id; a response, recursion available; one question.
        let mut response = packet[..2].to_vec();
        response.extend([0x81, if answer == b'f' { 0x82 } else { 0x80 }, 0, 1, 0]);
        let found = u8::from(matches!(answer, b'n' | b'l'));
        response.extend([found, 0, 0, 0, 0]);
        response.extend(&question[..name_end + 4]);
        if found == 1 {
            // The name of the question, A, IN, for no time at all.
            response.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 127, 0, 0, 1]);
        }
        let delay = match answer {
            b's' => continue,
            b'l' => Duration::from_millis(700),
            _ => Duration::ZERO,
        };
        let socket = Arc::clone(socket);
        std::thread::spawn(move || {
            std::thread::sleep(delay);
            let _ = socket.send_to(&response, peer);
        });
    }
}
