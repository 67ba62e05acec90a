//! OTLP's answers, written by hand: `Export…ServiceResponse` and `google.rpc.Status`, in the encoding of the request.

use std::time::Duration;

use super::protobuf::wire;

/// How a request was encoded, and so its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// `application/x-protobuf`, and gRPC.
    Protobuf,
    /// `application/json`.
    Json,
}

impl Encoding {
    /// The content type of request and answer.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Protobuf => "application/x-protobuf",
            Self::Json => "application/json",
        }
    }
}

/// What a request holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Spans.
    Traces,
    /// Data points.
    Metrics,
}

impl Signal {
    /// The field that counts what was rejected; its number is the same everywhere.
    const fn rejected_field(self) -> &'static str {
        match self {
            Self::Traces => "rejectedSpans",
            Self::Metrics => "rejectedDataPoints",
        }
    }
}

/// An `ExportTraceServiceResponse` or `ExportMetricsServiceResponse`.
///
/// Everything accepted and nothing to say is the empty message, as OTLP demands; nothing rejected with a message is a warning.
pub fn success(signal: Signal, rejected: u64, message: &str, encoding: Encoding) -> Vec<u8> {
    // The field is an int64.
    let rejected = rejected.min(i64::MAX.cast_unsigned());
    let partial = rejected > 0 || !message.is_empty();
    match encoding {
        Encoding::Protobuf => {
            let mut out = Vec::new();
            if partial {
                let mut inner = Vec::new();
                if rejected > 0 {
                    wire::varint_field(&mut inner, 1, rejected);
                }
                if !message.is_empty() {
                    wire::length_delimited(&mut inner, 2, message.as_bytes());
                }
                wire::length_delimited(&mut out, 1, &inner);
            }
            out
        }
        // 64-bit integers are strings in protobuf's JSON.
        Encoding::Json if partial => {
            let field = signal.rejected_field();
            serde_json::json!({"partialSuccess": {field: rejected.to_string(), "errorMessage": message}})
                .to_string()
                .into_bytes()
        }
        Encoding::Json => b"{}".to_vec(),
    }
}

/// A `google.rpc.Status`, as OTLP wants in the body of every 4xx and 5xx. `code` is a gRPC status code.
pub fn status(code: i32, message: &str, encoding: Encoding) -> Vec<u8> {
    match encoding {
        Encoding::Protobuf => status_fields(code, message),
        Encoding::Json => serde_json::json!({"code": code, "message": message}).to_string().into_bytes(),
    }
}

/// A protobuf `google.rpc.Status` with `google.rpc.RetryInfo`: what makes a gRPC client wait that long and send again.
pub fn retry_info(code: i32, message: &str, retry_after: Duration) -> Vec<u8> {
    let mut delay = Vec::new();
    wire::varint_field(&mut delay, 1, retry_after.as_secs().min(i64::MAX.cast_unsigned()));
    wire::varint_field(&mut delay, 2, u64::from(retry_after.subsec_nanos()));
    let mut info = Vec::new();
    wire::length_delimited(&mut info, 1, &delay);
    let mut detail = Vec::new();
    wire::length_delimited(&mut detail, 1, b"type.googleapis.com/google.rpc.RetryInfo");
    wire::length_delimited(&mut detail, 2, &info);
    let mut out = status_fields(code, message);
    wire::length_delimited(&mut out, 3, &detail);
    out
}

fn status_fields(code: i32, message: &str) -> Vec<u8> {
    let mut out = Vec::new();
    if code != 0 {
        // Negative codes do not exist, but protobuf has an answer: sign extension.
        wire::varint_field(&mut out, 1, i64::from(code).cast_unsigned());
    }
    if !message.is_empty() {
        wire::length_delimited(&mut out, 2, message.as_bytes());
    }
    out
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use opentelemetry_proto::tonic::collector::trace::v1::{ExportTracePartialSuccess, ExportTraceServiceResponse};
    use prost::Message as _;

    use super::*;

    #[test]
    fn complete_success_is_the_empty_message() {
        assert!(success(Signal::Traces, 0, "", Encoding::Protobuf).is_empty());
        assert_eq!(success(Signal::Traces, 0, "", Encoding::Json), b"{}");
    }

    #[test]
    fn partial_success_reads_as_otlp_in_both_encodings() {
        let read = ExportTraceServiceResponse::decode(&*success(Signal::Traces, 300, "no \"id\"", Encoding::Protobuf))
            .unwrap();

        assert_eq!(
            read.partial_success,
            Some(ExportTracePartialSuccess { rejected_spans: 300, error_message: "no \"id\"".to_owned() })
        );
        let json: serde_json::Value =
            serde_json::from_slice(&success(Signal::Traces, 300, "no \"id\"", Encoding::Json)).unwrap();
        assert_eq!(json, serde_json::json!({"partialSuccess": {"rejectedSpans": "300", "errorMessage": "no \"id\""}}));
    }

    #[test]
    fn rejected_data_points_have_a_name_of_their_own() {
        let json = success(Signal::Metrics, 2, "why", Encoding::Json);

        let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
        assert_eq!(json, serde_json::json!({"partialSuccess": {"rejectedDataPoints": "2", "errorMessage": "why"}}));
    }

    /// `google.rpc.Status`, as its proto file says.
    #[derive(Clone, PartialEq, prost::Message)]
    struct Status {
        #[prost(int32, tag = "1")]
        code: i32,
        #[prost(string, tag = "2")]
        message: String,
        #[prost(message, repeated, tag = "3")]
        details: Vec<Any>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    struct Any {
        #[prost(string, tag = "1")]
        type_url: String,
        #[prost(bytes = "vec", tag = "2")]
        value: Vec<u8>,
    }

    #[test]
    fn a_status_reads_as_google_rpc_status() {
        let read = Status::decode(&*status(3, "bad", Encoding::Protobuf)).unwrap();
        assert_eq!((read.code, &*read.message), (3, "bad"));

        let json: serde_json::Value = serde_json::from_slice(&status(3, "bad", Encoding::Json)).unwrap();
        assert_eq!(json, serde_json::json!({"code": 3, "message": "bad"}));

        let read = Status::decode(&*retry_info(14, "later", Duration::from_millis(1500))).unwrap();
        assert_eq!(read.details[0].type_url, "type.googleapis.com/google.rpc.RetryInfo");
        assert_eq!(read.details[0].value, [0x0a, 0x08, 0x08, 0x01, 0x10, 0x80, 0xca, 0xb5, 0xee, 0x01]);
    }
}
