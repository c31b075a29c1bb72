//! The `torrent` layer.
