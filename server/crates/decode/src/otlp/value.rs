//! Nested attribute values, taken apart.

use spillway_model::batch::ValueRef;

use super::protobuf::wire;

/// A value of any shape, owned: for showing one, and for changing what is inside.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Tree {
    /// Unset.
    #[default]
    Null,
    /// True or false.
    Bool(bool),
    /// 64-bit integer.
    Int(i64),
    /// 64-bit float.
    Double(f64),
    /// Text.
    String(String),
    /// Raw bytes.
    Bytes(Vec<u8>),
    /// Values in order.
    Array(Vec<Tree>),
    /// Keys and values in the sender's order; a key may come twice.
    Map(Vec<(String, Tree)>),
}

/// The whole of a value.
///
/// Arrays and maps of a decoded batch are well-formed; bytes of other origin that are not come back as [`Tree::Bytes`], so
/// that nothing is hidden.
pub fn tree(value: ValueRef<'_>) -> Tree {
    match value {
        ValueRef::Empty => Tree::Null,
        ValueRef::Str(text) => Tree::String(text.to_owned()),
        ValueRef::Bool(bool) => Tree::Bool(bool),
        ValueRef::Int(int) => Tree::Int(int),
        ValueRef::Double(double) => Tree::Double(double),
        ValueRef::Bytes(bytes) => Tree::Bytes(bytes.to_owned()),
        ValueRef::Array(bytes) => wire::decode_array(bytes).map_or_else(|_| Tree::Bytes(bytes.to_owned()), Tree::Array),
        ValueRef::Map(bytes) => wire::decode_map(bytes).map_or_else(|_| Tree::Bytes(bytes.to_owned()), Tree::Map),
    }
}

/// What a nested value may still take, all its levels together.
#[derive(Debug)]
pub(super) struct Budget {
    left: usize,
    exceeded: bool,
}

impl Budget {
    /// An item costs its tag and length; this keeps a long list of empty ones from costing nothing.
    const ITEM: usize = 4;

    pub fn new(bytes: usize) -> Self {
        Self { left: bytes, exceeded: false }
    }

    pub fn unlimited() -> Self {
        Self::new(usize::MAX)
    }

    /// True when one more item may be kept.
    pub fn item(&mut self) -> bool {
        let fits = self.left >= Self::ITEM;
        if fits {
            self.left -= Self::ITEM;
        } else {
            self.exceeded = true;
        }
        fits
    }

    pub fn text(&mut self, text: &str) -> String {
        let kept = &text[..text.floor_char_boundary(self.left)];
        self.spend(text.len(), kept.len());
        kept.to_owned()
    }

    pub fn bytes(&mut self, bytes: &[u8]) -> Vec<u8> {
        let kept = &bytes[..bytes.len().min(self.left)];
        self.spend(bytes.len(), kept.len());
        kept.to_owned()
    }

    fn spend(&mut self, wanted: usize, kept: usize) {
        self.left -= kept;
        self.exceeded |= kept < wanted;
    }

    /// True when something was left out.
    pub fn exceeded(&self) -> bool {
        self.exceeded
    }
}
