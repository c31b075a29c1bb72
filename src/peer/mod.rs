//! The `peer` layer.
