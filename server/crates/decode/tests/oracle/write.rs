//! What is written as OTLP/JSON reads back as it was.

use proptest::prelude::*;
use prost::Message as _;
use spillway_decode::{
    Limits,
    otlp::{json, protobuf, write::write_traces},
};

use crate::{back, request};

proptest! {
    #[test]
    fn every_field_and_type_comes_back(sent in request::arbitrary()) {
        let batch = protobuf::decode_traces(&sent.encode_to_vec(), &Limits::default()).unwrap().batch;

        let line = write_traces(&batch);

        prop_assert!(!line.contains('\n'));
        let read = json::decode_traces(line.as_bytes(), &Limits::default())
            .map_err(|error| TestCaseError::fail(format!("{error}\n{line}")))?;
        prop_assert_eq!(read.message(), "");
        prop_assert_eq!(back::request(&read.batch), back::request(&batch));
    }
}
