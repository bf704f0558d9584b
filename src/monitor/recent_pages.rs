//! The pages of metrics that were made last.
//!
//! Owns how often a page is made. A request beyond the limit gets the last page of its format, so a
//! flood of scrapes costs little and delays no other scraper. Time is an argument.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::format::MetricsFormat;
use crate::access::throttle::Throttle;

/// Pages that are made at once on all connections of a listener, then one per interval.
const BURST: u32 = 20;
const INTERVAL: Duration = Duration::from_millis(50);

/// The last page of each format, and the limit.
pub(super) struct RecentPages {
    limit: Throttle,
    last: [Option<Bytes>; 2],
}

impl RecentPages {
    pub(super) const fn new() -> Self {
        Self {
            limit: Throttle::new(BURST, INTERVAL),
            last: [None, None],
        }
    }

    /// Makes a page, or returns the last one if the limit is reached.
    ///
    /// # Errors
    /// Those of `make`.
    pub(super) fn get<E>(
        &mut self,
        format: MetricsFormat,
        now: Instant,
        make: impl FnOnce() -> Result<String, E>,
    ) -> Result<Bytes, E> {
        let last = &mut self.last[match format {
            MetricsFormat::OpenMetrics => 0,
            MetricsFormat::Text => 1,
        }];
        match (self.limit.try_acquire(now), last) {
            (None, Some(page)) => Ok(page.clone()),
            (Some(_) | None, last) => Ok(last.insert(Bytes::from(make()?)).clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    #[test]
    fn beyond_the_limit_the_last_page_of_the_format_is_returned() {
        let mut pages = RecentPages::new();
        let start = Instant::now();
        let mut made = 0;
        let mut get = |format, now| {
            let page = pages.get(format, now, || {
                made += 1;
                Ok::<_, Infallible>(made.to_string())
            });
            String::from_utf8(page.unwrap().to_vec()).unwrap()
        };
        let text: Vec<_> = (0..100).map(|_| get(MetricsFormat::Text, start)).collect();
        assert_eq!((&*text[18], &*text[19], &*text[99]), ("19", "20", "20"));
        // No page of this format is there yet.
        assert_eq!(get(MetricsFormat::OpenMetrics, start), "21");
        assert_eq!(get(MetricsFormat::OpenMetrics, start), "21");
        assert_eq!(get(MetricsFormat::Text, start + INTERVAL), "22");
    }
}
