//! The `audit` layer.
