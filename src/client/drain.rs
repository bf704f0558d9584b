//! A drain from the request to the exit of the process.
//!
//! Owns the order of the two calls: the wait is in flight before the request is sent. It never
//! decides how long either is retried.

use std::pin::pin;
use std::time::{Duration, Instant};

use futures_lite::future::{self, or};

use super::{Client, Error, Process, Shutdown, State};

impl Client {
    /// Requests the graceful shutdown and waits until the process is gone, at most `timeout`.
    ///
    /// Prefer it to [`shut_down`](Self::shut_down) followed by [`wait_until`](Self::wait_until): a
    /// wrapper with `--exit-when-gone always` may exit between the two calls, and the exit status
    /// is lost. Here the wait is in flight before the request is sent. The request never reaches
    /// another process: one that has taken the address meanwhile is [`Error::Replaced`].
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # use process_wrapper::client::{Client, Error, Shutdown};
    /// # async fn example(client: Client) -> Result<(), Error> {
    /// let hour = Duration::from_secs(3600);
    /// let gone = client.drain(&Shutdown::default(), Some(hour)).await?;
    /// println!("{:?}", gone.exit);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`shut_down`](Self::shut_down) and [`wait_until`](Self::wait_until).
    pub async fn drain(
        &self,
        shutdown: &Shutdown,
        timeout: Option<Duration>,
    ) -> Result<Process, Error> {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        self.drain_by(shutdown, deadline, |_| {}).await
    }

    /// [`drain`](Self::drain) with a point in time as its limit. `on_answer` receives the answer to
    /// the request.
    pub(crate) async fn drain_by(
        &self,
        shutdown: &Shutdown,
        deadline: Option<Instant>,
        on_answer: impl FnOnce(&Process),
    ) -> Result<Process, Error> {
        let before = self.watch().until(deadline).next().await?;
        let watch = self.watch().until(deadline);
        let (connected, wait_connected) = async_channel::bounded::<()>(1);
        // A full channel means that a later connection reports again.
        let mut end = pin!(watch.end(&before, || {
            let _ = connected.try_send(());
        }));
        let mut ended = None;
        let process = {
            let wait = async {
                ended = Some(end.as_mut().await);
                connected.close();
                // The request still needs its answer.
                future::pending().await
            };
            let request = async {
                // A closed channel means that the wait has already ended.
                let _ = wait_connected.recv().await;
                self.shut_down_process(Some(&before), shutdown, deadline)
                    .await
            };
            or(wait, request).await
        };
        let process = match (process, ended.take()) {
            (Ok(process), seen) => {
                ended = seen;
                process
            }
            // The end was seen, and its wrapper left before the request reached it.
            (Err(Error::Unreachable { .. } | Error::Replaced { .. }), Some(Ok(gone))) => {
                return Ok(gone);
            }
            (Err(error), _) => return Err(error),
        };
        on_answer(&process);
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
