//! The answer of `grpc.health.v1.Health/Check`.

use spillway_model::event::HealthStatus;

use super::Verdict;
use crate::otlp::protobuf::reader::Reader;

/// Codes of gRPC that say something here (google.rpc.Code).
const OK: u32 = 0;
const NOT_FOUND: u32 = 5;
const UNIMPLEMENTED: u32 = 12;
const UNAUTHENTICATED: u32 = 16;
const PERMISSION_DENIED: u32 = 7;

/// Reads an answer: the code of the call, and the `HealthCheckResponse` that came with it.
pub fn grpc(code: u32, message: &[u8]) -> Verdict {
    match code {
        OK => {}
        NOT_FOUND => return Verdict::none("it does not know the service that was asked for"),
        UNIMPLEMENTED => return Verdict::none("it has no health service"),
        UNAUTHENTICATED | PERMISSION_DENIED => return Verdict::none("it does not let us ask"),
        code => return Verdict::says(HealthStatus::Down, format!("the call ended with code {code}")),
    }
    let mut reader = Reader::new(message);
    let mut read = || {
        let mut status = 0;
        while let Some(tag) = reader.tag()? {
            match tag.field {
                1 => status = reader.integer(tag)?,
                _ => reader.skip(tag)?,
            }
        }
        Ok::<_, Box<crate::otlp::DecodeError>>(status)
    };
    match read() {
        Err(error) => Verdict::none(format!("the answer is no HealthCheckResponse: {error}")),
        Ok(1) => Verdict::says(HealthStatus::Up, ""),
        Ok(2) => Verdict::says(HealthStatus::Down, "it answers NOT_SERVING"),
        Ok(3) => Verdict::none("it answers SERVICE_UNKNOWN"),
        Ok(_) => Verdict::none("it answers UNKNOWN"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_answer_has_its_meaning() {
        assert_eq!(grpc(0, &[8, 1]), Verdict::says(HealthStatus::Up, ""));
        assert_eq!(grpc(0, &[8, 2]), Verdict::says(HealthStatus::Down, "it answers NOT_SERVING"));
        assert_eq!(grpc(0, &[]), Verdict::none("it answers UNKNOWN"));
        assert_eq!(grpc(0, &[8, 3]), Verdict::none("it answers SERVICE_UNKNOWN"));
        assert_eq!(grpc(5, &[]), Verdict::none("it does not know the service that was asked for"));
        assert_eq!(grpc(14, &[]), Verdict::says(HealthStatus::Down, "the call ended with code 14"));
        assert!(matches!(grpc(0, &[8]), Verdict::None { .. }));
    }

    proptest! {
        #[test]
        fn no_message_panics(code in 0_u32..20, message in prop::collection::vec(any::<u8>(), 0..32)) {
            let _ = grpc(code, &message);
        }
    }
}
