//! A drain from the request to the end of the process.
//!
//! Owns the order of the two calls: the wait stands before the request is sent. It never decides how long either
//! is tried.

use std::pin::pin;
use std::time::Instant;

use smol::future::{self, or};

use super::{Client, Error, Process, Shutdown, State};

impl Client {
    /// Asks for the shutdown and waits until the process is gone. `asked` sees what the request was answered with.
    ///
    /// An end that comes at once may take the wrapper with it (`--exit-when-gone always`), and a wait that began
    /// after the answer would find nobody. So it stands before the request is sent.
    ///
    /// # Errors
    ///
    /// Those of [`shut_down`](Self::shut_down) and [`wait_until`](Self::wait_until).
    pub(crate) async fn drain(
        &self,
        shutdown: &Shutdown,
        deadline: Option<Instant>,
        asked: impl FnOnce(&Process),
    ) -> Result<Process, Error> {
        let before = self.watch().until(deadline).next().await?;
        let watch = self.watch().until(deadline);
        let (stands, stood) = smol::channel::bounded::<()>(1);
        // A second connection that stands says nothing new.
        let mut end = pin!(watch.end(&before, || {
            let _ = stands.try_send(());
        }));
        let mut ended = None;
        let process = {
            let noticed = async {
                ended = Some(end.as_mut().await);
                stands.close();
                // Whether the request was taken counts all the same.
                future::pending().await
            };
            let asked = async {
                // Closed is as good: then there is nothing to wait for any more.
                let _ = stood.recv().await;
                self.shut_down_by(shutdown, deadline).await
            };
            or(noticed, asked).await?
        };
        asked(&process);
        if process.state == State::Gone {
            return Ok(process);
        }
        let end = match ended {
            Some(end) => end,
            None => end.await,
        };
        end.map_err(|error| error.after(Some(&process)))
    }
}
