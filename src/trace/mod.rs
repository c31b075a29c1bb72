//! The `trace` layer.
