//! The webhooks of a round: requested at the start or by calls, and delivered despite all faults.
//!
//! Owns their URLs and their required outcomes.

use crate::round::{Round, World};
use crate::{names, receiver};

/// No round has more: the limit of the wrapper is 16, and a webhook that it refuses is another
/// test.
const MOST: usize = 6;

/// One URL.
#[derive(Debug, Clone)]
pub(crate) struct ExpectedWebhook {
    url: String,
    path: String,
    /// Whether the wrapper has accepted it.
    pub(crate) accepted: bool,
}

impl ExpectedWebhook {
    pub(crate) fn any(rng: &mut fastrand::Rng, world: &World, mark: &str, number: usize) -> Self {
        let path = format!("/{mark}/{number}/{}", receiver::any_answers(rng));
        let host = match rng.u8(..3) {
            0 if world.names => {
                format!("{}-{mark}-{number}.chaos.example", names::any_answers(rng))
            }
            1 => "localhost".to_owned(),
            _ => "127.0.0.1".to_owned(),
        };
        Self {
            url: format!("http://{host}:{}{path}", world.receiver.port),
            path,
            accepted: false,
        }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}

impl Round<'_> {
    /// A webhook for a request, new or a repetition; its index.
    pub(super) fn any_webhook(&mut self) -> Option<usize> {
        if !cfg!(feature = "webhooks") || self.rng.bool() {
            return None;
        }
        let number = self.webhooks.len();
        if number < MOST {
            let webhook = ExpectedWebhook::any(&mut self.rng, self.world, &self.mark, number);
            self.webhooks.push(webhook);
            return Some(number);
        }
        Some(self.rng.usize(..number))
    }

    /// Checks after an exit of the wrapper without a kill; returns the deliveries and attempts.
    pub(super) fn judge_webhooks(&self, code: i32, context: &str) -> (usize, usize) {
        let (mut delivered, mut all) = (0, 0);
        for webhook in &self.webhooks {
            let attempts = self.world.receiver.attempts(&webhook.path);
            let taken = attempts.iter().filter(|attempt| attempt.taken).count();
            delivered += taken;
            all += attempts.len();
            // A second stop signal asks not to wait.
            assert!(
                taken == 1 || taken == 0 && (self.stops > 1 || !webhook.accepted),
                "{webhook:?} was taken {taken} times in {attempts:?}: {context}"
            );
            assert!(
                attempts.iter().rev().skip(1).all(|attempt| !attempt.taken),
                "{webhook:?} was sent again after it was taken: {attempts:?}: {context}"
            );
            for (number, attempt) in attempts.iter().enumerate() {
                let body = &attempt.body;
                assert_eq!(
                    body["id"], attempts[0].body["id"],
                    "one id for all attempts"
                );
                assert!(
                    body["attempt"].as_u64().unwrap() > number as u64,
                    "attempts are counted: {attempts:?}"
                );
                assert_eq!(body["state"], "gone");
                // A wrapper that has left at once never reported its child.
                if let Some(main) = self.main {
                    assert_eq!(body["pid"].as_i64(), Some(i64::from(main)), "{context}");
                }
                let told = body["exit_code"]
                    .as_i64()
                    .or_else(|| Some(128 + body["exit_signal"].as_i64()?));
                assert_eq!(told, Some(i64::from(code)), "{body}: {context}");
            }
        }
        (delivered, all)
    }
}
