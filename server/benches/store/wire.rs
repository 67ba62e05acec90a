//! OTLP protobuf, written field by field: the sender shares two cores with the server, so it must cost little itself.
//!
//! Field numbers are those of `opentelemetry/proto/{trace,common,resource}/v1`; the peers read the result with
//! `opentelemetry-proto`, so a mistake here shows there.

/// Appends a varint.
fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn varint_len(value: u64) -> usize {
    (64 - (value | 1).leading_zeros() as usize).div_ceil(7)
}

/// A field that is a run of bytes, a text or a message.
pub fn bytes(out: &mut Vec<u8>, field: u32, content: &[u8]) {
    varint(out, u64::from(field << 3 | 2));
    varint(out, content.len() as u64);
    out.extend_from_slice(content);
}

/// A field that is a varint.
pub fn number(out: &mut Vec<u8>, field: u32, value: u64) {
    varint(out, u64::from(field << 3));
    varint(out, value);
}

/// A field that is eight bytes.
pub fn fixed64(out: &mut Vec<u8>, field: u32, value: u64) {
    varint(out, u64::from(field << 3 | 1));
    out.extend_from_slice(&value.to_le_bytes());
}

/// A list of `KeyValue`, each as field number `field` of whoever holds them.
pub struct Attributes {
    field: u32,
    /// The list, ready to be appended to its message.
    pub bytes: Vec<u8>,
}

impl Attributes {
    /// An empty list.
    pub fn new(field: u32) -> Self {
        Self { field, bytes: Vec::with_capacity(512) }
    }

    /// Drops what is in it.
    pub fn clear(&mut self) {
        self.bytes.clear();
    }

    /// A `string_value`.
    pub fn text(&mut self, key: &str, value: &str) {
        self.key(key, 1 + varint_len(value.len() as u64) + value.len());
        bytes(&mut self.bytes, 1, value.as_bytes());
    }

    /// A `bool_value`.
    pub fn flag(&mut self, key: &str, value: bool) {
        self.key(key, 2);
        number(&mut self.bytes, 2, u64::from(value));
    }

    /// An `int_value`.
    pub fn int(&mut self, key: &str, value: u64) {
        self.key(key, 1 + varint_len(value));
        number(&mut self.bytes, 3, value);
    }

    /// A `double_value`.
    pub fn double(&mut self, key: &str, value: f64) {
        self.key(key, 9);
        fixed64(&mut self.bytes, 4, value.to_bits());
    }

    /// All of a `KeyValue` up to the content of its `AnyValue`, which is `value_len` bytes long.
    fn key(&mut self, key: &str, value_len: usize) {
        let any = 1 + varint_len(value_len as u64) + value_len;
        let pair = 1 + varint_len(key.len() as u64) + key.len() + any;
        varint(&mut self.bytes, u64::from(self.field << 3 | 2));
        varint(&mut self.bytes, pair as u64);
        bytes(&mut self.bytes, 1, key.as_bytes());
        varint(&mut self.bytes, 2 << 3 | 2);
        varint(&mut self.bytes, value_len as u64);
    }
}
