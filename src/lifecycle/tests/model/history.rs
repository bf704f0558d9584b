//! What the history says: where the process stands, which deadlines are open, what keeps the
//! wrapper.
//!
//! Owns the answers, each derived from the whole list of events. It never adds an event.

use std::time::Duration;

use super::super::{DrainRequest, Exit, ExitWhenGone, Outcome, Signal, SignalCause, Slot, State};
use super::{Fact, Model, Rank};

impl Model {
    pub(super) fn when(&self, what: Fact) -> Option<Duration> {
        let found = self.facts.iter().find(|(_, fact)| *fact == what);
        found.map(|(at, _)| *at)
    }

    /// The command after the exit was started and has not ended.
    pub(super) fn runs_command(&self) -> bool {
        self.when(Fact::Started).is_some() && self.when(Fact::Ended).is_none() && !self.left()
    }

    pub(super) fn left(&self) -> bool {
        self.happened(|fact| fact == Fact::Left)
    }

    /// How often something happened to a webhook.
    pub(super) fn count(&self, what: impl Fn(Fact) -> bool) -> usize {
        self.facts.iter().filter(|(_, fact)| what(*fact)).count()
    }

    /// A delivery was begun and has not ended.
    pub(super) fn under_way(&self, slot: Slot) -> bool {
        let begun = self.count(|fact| fact == Fact::Begun(slot));
        let closed = self.count(|fact| matches!(fact, Fact::Closed(closed, _) if closed == slot));
        begun > closed && !self.left()
    }

    pub(super) fn delivers(&self) -> bool {
        let mut facts = self.facts.iter().rev();
        let recovering = facts.find_map(|(_, fact)| {
            if let Fact::Recovering(under_way) = fact {
                Some(*under_way)
            } else {
                None
            }
        });
        let recovers = recovering == Some(true) && !self.left();
        recovers || Slot::all().any(|slot| self.under_way(slot))
    }

    /// A webhook was accepted since its last delivery ended, never delivered, and its time has
    /// come.
    pub(super) fn is_due(&self, slot: Slot) -> bool {
        let since = self.facts.iter().rposition(|(_, fact)| {
            *fact == Fact::Begun(slot) || matches!(fact, Fact::Closed(closed, _) if *closed == slot)
        });
        let news = self.facts.get(since.map_or(0, |index| index + 1)..);
        let accepted =
            news.is_some_and(|news| news.iter().any(|(_, fact)| *fact == Fact::Accepted(slot)));
        let delivered = self.happened(|fact| fact == Fact::Closed(slot, true));
        let closed = !self.under_way(slot) && !delivered;
        accepted && closed && self.exited().is_some() && !self.runs_command() && !self.left()
    }

    pub(super) fn accepts_webhooks(&self) -> bool {
        let stopped = self.happened(|fact| fact == Fact::Stopped);
        let only_delivers = self.exited().is_some() && !self.runs_command() && self.delivers();
        !(self.left() || stopped && only_delivers)
    }

    /// When the command is told to end.
    pub(super) fn end_at(&self) -> Option<Duration> {
        let term = self.when(Fact::SentAfterwards(Signal::TERM));
        let limits = self
            .config
            .after_exit
            .filter(|_| self.runs_command() && term.is_none())?;
        self.when(Fact::Started)?.checked_add(limits.timeout)
    }

    /// When the command is killed.
    pub(super) fn kill_afterwards_at(&self) -> Option<Duration> {
        let kill = self.when(Fact::SentAfterwards(Signal::KILL));
        let limits = self
            .config
            .after_exit
            .filter(|_| self.runs_command() && kill.is_none())?;
        let term = self.when(Fact::SentAfterwards(Signal::TERM))?;
        term.checked_add(limits.grace)
    }

    pub(super) fn happened(&self, what: impl Fn(Fact) -> bool) -> bool {
        self.facts.iter().any(|(_, fact)| what(*fact))
    }

    pub(super) fn exited(&self) -> Option<Exit> {
        self.facts.iter().find_map(|(_, fact)| {
            if let Fact::Exited(exit) = fact {
                Some(*exit)
            } else {
                None
            }
        })
    }

    /// The present stage; before any it is the first one.
    pub(super) fn stage(&self) -> Rank {
        let stages = self.facts.iter().filter_map(|(_, fact)| {
            if let Fact::Began(rank) = fact {
                Some(*rank)
            } else {
                None
            }
        });
        stages.max().unwrap_or(Rank::Drain)
    }

    /// When the last signal of this meaning went to the process.
    pub(super) fn last_sent(&self, rank: Rank) -> Option<Duration> {
        let sent = self.facts.iter().rev();
        let mut sent = sent.filter(|(_, fact)| *fact == Fact::Sent(rank));
        sent.next().map(|(at, _)| *at)
    }

    pub(super) fn may_send_again(&self, now: Duration, rank: Rank) -> bool {
        let repeat = self.config.spacing.repeat;
        self.last_sent(rank)
            .is_none_or(|at| at.checked_add(repeat).is_some_and(|at| at <= now))
    }

    /// When and why the living process was first asked to stop.
    pub(super) fn asked(&self) -> Option<(Duration, SignalCause)> {
        self.facts
            .iter()
            .take_while(|(_, fact)| !matches!(fact, Fact::Exited(_)))
            .find_map(|(at, fact)| {
                if matches!(fact, Fact::Requested(_) | Fact::Forced) {
                    Some((*at, SignalCause::Request))
                } else if matches!(fact, Fact::Stopped | Fact::Meant) {
                    Some((*at, SignalCause::Forwarded))
                } else {
                    None
                }
            })
    }

    /// Why the graceful signal will be sent that waits for the process to be ready, if it does.
    pub(super) fn waiting_cause(&self) -> Option<SignalCause> {
        let (at, cause) = self.asked()?;
        let tried = [Fact::Sent(Rank::Drain), Fact::Refused(Rank::Drain)];
        let over = self.happened(|fact| fact == Fact::Ready || tried.contains(&fact))
            || self.stage() > Rank::Drain
            || self.exited().is_some();
        (at < self.config.ready_within? && !over).then_some(cause)
    }

    pub(super) fn wants_ready(&self) -> bool {
        let starts = self.config.ready_within.is_some()
            && self.asked().is_none()
            && !self.happened(|fact| fact == Fact::Ready)
            && self.exited().is_none();
        starts || self.waiting_cause().is_some()
    }

    pub(super) fn state(&self) -> State {
        if self.exited().is_some() {
            State::Gone
        } else if self.asked().is_some() {
            State::ShuttingDown
        } else {
            State::Running
        }
    }

    pub(super) fn outcome(&self) -> Option<Outcome> {
        let exit = self.exited()?;
        Some(if self.last_sent(Rank::Kill).is_some() {
            Outcome::Killed
        } else if self.last_sent(Rank::Abort).is_some() {
            Outcome::Aborted
        } else if self.asked().is_none() {
            Outcome::Unasked
        } else if exit == Exit::Code(0) {
            Outcome::Drained
        } else {
            Outcome::Failed
        })
    }

    pub(super) fn requests(&self) -> impl Iterator<Item = (Duration, DrainRequest)> {
        self.facts.iter().filter_map(|(at, fact)| {
            if let Fact::Requested(request) = fact {
                Some((*at, *request))
            } else {
                None
            }
        })
    }

    /// The shortest time from the abort stage to KILL, of the option and every request.
    fn kill_after(&self) -> Option<Duration> {
        let requests = self.requests();
        let named = requests.filter_map(|(_, request)| request.kill_after);
        named.chain(self.config.kill_after).min()
    }

    /// The earliest of the option, counted from the first request, and every request; but the
    /// process gets time between two signals, and a stage that sends none does not begin.
    pub(super) fn force_at(&self) -> Option<Duration> {
        if self.stage() > Rank::Drain || self.exited().is_some() {
            return None;
        }
        if self.config.forceful_signal.is_none() {
            self.kill_after()?;
        }
        let option = self.asked().map(|(at, _)| at).zip(self.config.force_after);
        let requests = self
            .requests()
            .filter_map(|(at, request)| Some((at, request.force_after?)));
        let forced = self.when(Fact::Forced).map(|at| (at, Duration::ZERO));
        let earliest = option
            .into_iter()
            .chain(requests)
            .chain(forced)
            .filter_map(|(at, after)| at.checked_add(after))
            .min()?;
        match self.last_sent(Rank::Drain) {
            Some(last) => Some(earliest.max(last.checked_add(self.config.spacing.forceful)?)),
            None => Some(earliest),
        }
    }

    /// The shortest of the option and every request, counted from the beginning of the abort stage.
    pub(super) fn kill_at(&self) -> Option<Duration> {
        if self.stage() != Rank::Abort || self.exited().is_some() {
            return None;
        }
        let since = self.when(Fact::Began(Rank::Abort))?;
        since.checked_add(self.kill_after()?)
    }

    pub(super) fn may_leave(&self) -> bool {
        let by_itself = match self.config.exit_when_gone {
            ExitWhenGone::Never => false,
            ExitWhenGone::Unrequested => self.asked().is_none(),
            ExitWhenGone::Always => true,
        };
        by_itself || self.happened(|fact| fact == Fact::Stopped)
    }
}
