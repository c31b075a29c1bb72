//! The `requirement` layer.

pub mod level;

pub use level::Level;
