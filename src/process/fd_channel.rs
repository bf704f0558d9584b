//! A socket pair between the wrapper and a helper process of its own binary.
//!
//! Owns the socket, the passing of one descriptor over it (SCM_RIGHTS, `unix(7)`), and the command
//! that starts a helper. It never knows the purpose of the helper. The kernel closes each end
//! however its process dies.

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

/// Both ends, close-on-exec.
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

/// Our own binary with this first argument, in a process group of its own. The link works even if
/// the file was replaced or removed.
pub(super) fn helper_command(argument: &str) -> Command {
    let mut command = Command::new("/proc/self/exe");
    command
        .arg0("process-wrapper")
        .arg(argument)
        .process_group(0);
    command
}

/// Sends a descriptor. The peer receives it even if the sender dies right after.
///
/// # Errors
/// EPIPE if the peer has died; `sendmsg(2)`.
pub(super) fn send_fd(channel: impl AsFd, descriptor: BorrowedFd<'_>) -> Result<(), Errno> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let descriptors = [descriptor];
    control.push(SendAncillaryMessage::ScmRights(&descriptors));
    let byte = [io::IoSlice::new(b"d")];
    loop {
        match sendmsg(&channel, &byte, &mut control, SendFlags::NOSIGNAL) {
            Ok(_) => return Ok(()),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}

/// The descriptor that the peer sends, close-on-exec; `None` if the peer dies first.
///
/// # Errors
/// EMFILE, `recvmsg(2)`.
pub(super) fn receive_fd(channel: impl AsFd) -> Result<Option<OwnedFd>, Errno> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    loop {
        let mut buffer = [io::IoSliceMut::new(&mut byte)];
        match recvmsg(&channel, &mut buffer, &mut control, RecvFlags::CMSG_CLOEXEC) {
            Ok(_) => break,
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
        // The peer sends no credentials, and the type is non-exhaustive.
        RecvAncillaryMessage::ScmCredentials(_) | _ => None,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_descriptor_arrives_after_the_sender_has_closed_its_end() {
        let (ours, theirs) = pair().unwrap();
        let (descriptor, _) = pair().unwrap();
        send_fd(&ours, descriptor.as_fd()).unwrap();
        drop(ours);
        assert!(receive_fd(&theirs).unwrap().is_some());
        assert!(receive_fd(&theirs).unwrap().is_none());
        assert_eq!(send_fd(&theirs, descriptor.as_fd()), Err(Errno::PIPE));
    }
}
