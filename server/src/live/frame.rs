//! One message of the stream, put into bytes once for everybody.

use std::fmt::Write as _;

use bytes::Bytes;

/// A server-sent event. Cloning it copies nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    event: &'static str,
    seq: Option<u64>,
    bytes: Bytes,
}

impl Frame {
    /// `json` is one document. A frame with a number has an id by which a client resumes; the others leave the client's id as it is.
    pub(super) fn new(event: &'static str, epoch: &str, seq: Option<u64>, json: &str) -> Self {
        let mut text = String::with_capacity(json.len() + 64);
        // Writing to a string cannot fail.
        let _ = writeln!(text, "event: {event}");
        if let Some(seq) = seq {
            let _ = writeln!(text, "id: {epoch}-{seq}");
        }
        // A line break would end the field; documents from elsewhere may be indented.
        for line in json.split(['\n', '\r']).filter(|line| !line.is_empty()) {
            let _ = writeln!(text, "data: {line}");
        }
        text.push('\n');
        Self { event, seq, bytes: text.into() }
    }

    /// What kind of message it is.
    pub fn event(&self) -> &'static str {
        self.event
    }

    /// The number of the topology that results, for frames of the map.
    pub fn seq(&self) -> Option<u64> {
        self.seq
    }

    /// As it goes over the wire.
    pub fn bytes(&self) -> Bytes {
        self.bytes.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_a_server_sent_event() {
        assert_eq!(
            Frame::new("delta", "18f", Some(7), r#"{"seq":7}"#).bytes(),
            "event: delta\nid: 18f-7\ndata: {\"seq\":7}\n\n"
        );
        assert_eq!(
            Frame::new("plugins", "18f", None, "{\n\"a\":1\r\n}").bytes(),
            "event: plugins\ndata: {\ndata: \"a\":1\ndata: }\n\n"
        );
    }
}
