//! The `scenario` layer.
