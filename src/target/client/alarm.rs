//! What clients write when something in them goes wrong for good.

/// Whether a line tells of a panic, a failed assertion or a sanitizer.
pub fn is_alarm(line: &str) -> bool {
    ALARMS.iter().any(|alarm| line.contains(alarm))
}

/// How such lines read in the languages that clients are written in.
const ALARMS: [&str; 16] = [
    "panicked at",
    "AddressSanitizer",
    "UndefinedBehaviorSanitizer",
    "ThreadSanitizer",
    "LeakSanitizer",
    "MemorySanitizer",
    "runtime error:",
    "Assertion `",
    "assertion failed",
    "Assertion failed",
    "terminate called",
    "Segmentation fault",
    "stack smashing detected",
    "fatal error: ",
    "panic: ",
    "Uncaught ",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_trouble_from_chatter() {
        assert!(is_alarm("thread 'main' panicked at src/peer.rs:3:1:"));
        assert!(is_alarm(
            "==1==ERROR: AddressSanitizer: heap-use-after-free"
        ));
        assert!(is_alarm(
            "x.cpp:3:1: runtime error: shift exponent 64 is too large"
        ));
        assert!(!is_alarm(
            "peer 127.0.0.1:4711 disconnected: invalid message"
        ));
    }
}
