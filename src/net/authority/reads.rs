//! Reads of a socket, through the filter.
//!
//! Owns the bytes that the filter has written and h2 has not read yet. It never reads ahead: it
//! reads the socket only once all of them are taken.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_lite::io::AsyncRead;

use super::AuthorityFilter;

/// The capacity in octets that an idle connection keeps.
const KEPT_CAPACITY: usize = 512;

/// Reads in one turn that complete no frame. A peer that sends single bytes must not hold the
/// thread.
const MAX_FRUITLESS_READS: usize = 8;

/// The filter of a connection and its output.
#[derive(Debug, Default)]
pub struct FilteredReads {
    filter: AuthorityFilter,
    output: Vec<u8>,
    /// Octets of the output that are taken.
    taken: usize,
}

impl FilteredReads {
    /// Reads from a peer that has a host: its `:authority` passes.
    #[cfg(feature = "wrapper")]
    pub(in crate::net) fn keeping_authority() -> Self {
        Self {
            filter: AuthorityFilter::keeping_authority(),
            ..Self::default()
        }
    }

    /// Reads from the socket as [`AsyncRead::poll_read`] does.
    pub(in crate::net) fn poll_read(
        &mut self,
        mut socket: impl AsyncRead + Unpin,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        for _ in 0..MAX_FRUITLESS_READS {
            let taken = self.take(buffer);
            if taken > 0 {
                return Poll::Ready(Ok(taken));
            }
            let read = ready!(Pin::new(&mut socket).poll_read(cx, buffer))?;
            if read == 0 {
                return Poll::Ready(Ok(0));
            }
            let bytes = buffer.get(..read).unwrap_or_default();
            self.filter.apply(bytes, &mut self.output);
        }
        let taken = self.take(buffer);
        if taken > 0 {
            return Poll::Ready(Ok(taken));
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn take(&mut self, buffer: &mut [u8]) -> usize {
        let rest = self.output.get(self.taken..).unwrap_or_default();
        let taken = rest.len().min(buffer.len());
        let (Some(from), Some(to)) = (rest.get(..taken), buffer.get_mut(..taken)) else {
            return 0;
        };
        to.copy_from_slice(from);
        self.taken += taken;
        if self.taken == self.output.len() {
            self.taken = 0;
            self.output.clear();
            self.output.shrink_to(KEPT_CAPACITY);
        }
        taken
    }
}
