//! The line between the wrapper and a helper process of its own binary: a socket pair that the kernel closes
//! however either of them dies, and over which they hand each other one descriptor.
//!
//! Owns the socket, and how a helper is started. It never knows what the helper is for.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};

/// Both ends, closed on exec.
///
/// # Errors
/// EMFILE and ENFILE, `socketpair(2)`.
pub(super) fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )?)
}

/// Our own binary with this first argument, in a process group of its own. The link leads to it also where
/// its file has been replaced or removed.
pub(super) fn helper(argument: &str) -> Command {
    let mut command = Command::new("/proc/self/exe");
    command
        .arg0("process-wrapper")
        .arg(argument)
        .process_group(0);
    command
}

/// Hands a descriptor over. It is received also if the sender dies right after.
///
/// # Errors
/// EPIPE if the other one has died; `sendmsg(2)`.
pub(super) fn hand_over(line: impl AsFd, descriptor: BorrowedFd<'_>) -> Result<(), Errno> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let handed = [descriptor];
    control.push(SendAncillaryMessage::ScmRights(&handed));
    let byte = [io::IoSlice::new(b"d")];
    loop {
        match sendmsg(&line, &byte, &mut control, SendFlags::NOSIGNAL) {
            Ok(_) => return Ok(()),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}

/// The descriptor that the other one hands over, closed on exec; nothing if it dies before.
///
/// # Errors
/// EMFILE, `recvmsg(2)`.
pub(super) fn receive(line: impl AsFd) -> Result<Option<OwnedFd>, Errno> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    loop {
        let mut buffer = [io::IoSliceMut::new(&mut byte)];
        match recvmsg(&line, &mut buffer, &mut control, RecvFlags::CMSG_CLOEXEC) {
            Ok(_) => break,
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
        // Credentials are never sent, and the type is open to more.
        RecvAncillaryMessage::ScmCredentials(_) | _ => None,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_descriptor_arrives_although_the_sender_is_gone_and_nothing_after_it() {
        let (ours, theirs) = pair().unwrap();
        let (handed, _) = pair().unwrap();
        hand_over(&ours, handed.as_fd()).unwrap();
        drop(ours);
        assert!(receive(&theirs).unwrap().is_some());
        assert!(receive(&theirs).unwrap().is_none());
        assert_eq!(hand_over(&theirs, handed.as_fd()), Err(Errno::PIPE));
    }
}
