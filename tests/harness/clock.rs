//! Now, as spans and events say it.

use std::time::{SystemTime, UNIX_EPOCH};

pub fn now_ns() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos().try_into().unwrap()
}

pub fn now_rfc3339() -> String {
    spillway_api::Timestamp::from_unix_ns(now_ns().try_into().unwrap()).to_string()
}
