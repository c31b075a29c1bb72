//! The `target` layer.
