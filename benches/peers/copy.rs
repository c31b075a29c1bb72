//! The least that a decoder fed by reads can do: copy them.

use std::hint::black_box;

/// Copies each read of a stream into one buffer, which stays in the cache.
pub(crate) fn chunks(stream: &[u8], read_len: usize) -> usize {
    let mut buffer = vec![0; read_len];
    let mut copied = 0;
    for read in stream.chunks(read_len) {
        let (into, _) = buffer.split_at_mut(read.len());
        into.copy_from_slice(read);
        black_box(&mut buffer);
        copied += read.len();
    }
    copied
}
