//! What the fields of requests mean.

use std::time::Duration;

use process_wrapper::grpc::Code;
use process_wrapper::service::convert::{duration, wanted_state};

use super::cursor::Cursor;

/// A duration is exactly what it says or is refused by the name of its field; a state is one of
/// ours.
pub fn run(data: &[u8]) {
    let mut cursor = Cursor::new(data);
    let value = prost_types::Duration {
        nanos: cursor.u32().cast_signed(),
        seconds: cursor.i64(),
    };
    match duration("kill_after", Some(&value)) {
        Ok(read) => {
            let read = read.unwrap();
            assert_eq!(i64::try_from(read.as_secs()), Ok(value.seconds));
            assert_eq!(i32::try_from(read.subsec_nanos()), Ok(value.nanos));
            assert!(read >= Duration::ZERO && value.nanos < 1_000_000_000);
        }
        Err(status) => {
            assert!(value.seconds < 0 || !(0..1_000_000_000).contains(&value.nanos));
            assert_eq!(status.code, Code::InvalidArgument);
            assert!(status.message.starts_with("kill_after "));
        }
    }
    let number = cursor.u32().cast_signed();
    match wanted_state(number) {
        Ok(state) => assert_eq!(state.is_none(), number == 0),
        Err(status) => {
            assert!(!(0..=3).contains(&number));
            assert_eq!(status.code, Code::InvalidArgument);
        }
    }
}
