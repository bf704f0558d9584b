//! When a process counts as ready: what the command line says, and what the process answers.

use process_wrapper::readiness::condition::{ReadinessProbe, ReadyAfter};
use process_wrapper::readiness::response::{DECIDING_BYTES, is_success};

/// A condition is read again as it was, or refused in one line; a request holds no other line. A
/// response is judged by its first bytes, however they are cut.
pub fn run(data: &[u8]) {
    let judged = is_success(data);
    if data.len() >= DECIDING_BYTES {
        assert!(judged.is_some(), "{data:?}");
    }
    for end in 0..=data.len().min(2 * DECIDING_BYTES) {
        let part = is_success(&data[..end]);
        assert!(
            part == judged || part.is_none(),
            "a verdict stays: {part:?} after {end} bytes, then {judged:?}"
        );
    }
    if judged == Some(true) {
        assert!(data.starts_with(b"HTTP/1.") && data[9] == b'2');
    }
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    match text.parse::<ReadyAfter>() {
        Ok(condition) => {
            assert_eq!(condition.to_string().parse(), Ok(condition.clone()));
            let ReadyAfter::Answer(probe) = condition else {
                return;
            };
            let address = match &probe {
                ReadinessProbe::Connect(address) => address,
                ReadinessProbe::Get { address, target } => {
                    assert!(target.starts_with('/'));
                    assert!(target.bytes().all(|byte| byte.is_ascii_graphic()));
                    address
                }
            };
            assert!(
                !process_wrapper::address::is_beyond_loopback(address),
                "{probe}"
            );
        }
        Err(error) => {
            let error = error.to_string();
            assert!(!error.is_empty() && !error.contains('\n'), "{error}");
        }
    }
}
