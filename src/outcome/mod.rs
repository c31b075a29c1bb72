//! The `outcome` layer.
