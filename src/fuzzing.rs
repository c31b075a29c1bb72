//! Entry points for `fuzz/` and `tests/corpus.rs`.
