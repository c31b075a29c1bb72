//! Bencoding: a tolerant zero-copy reader beside bendy, which encodes and judges canonical form.

use bytes::Bytes;

/// A bencoded value as it stood on the wire: dictionary order and repeated keys are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// An integer.
    Int(i128),
    /// A byte string.
    Bytes(Bytes),
    /// A list.
    List(Vec<Value>),
    /// A dictionary: keys in wire order, repeats kept.
    Dict(Vec<(Bytes, Value)>),
}
