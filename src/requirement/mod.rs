//! The `requirement` layer.
