//! Decode and encode throughput.

fn main() {}
