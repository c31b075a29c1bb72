//! Memory and open files of a process group, from `/proc` where there is one.

use std::fs;

/// What a process group uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Usage {
    /// Resident bytes.
    pub(super) memory: Option<u64>,
    /// Open files and sockets.
    pub(super) files: Option<u64>,
}

/// Sums up the processes of a group.
pub(super) fn of_group(group: u32) -> Usage {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Usage::default();
    };
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    let members = pids.filter(|pid| group_of(*pid) == Some(group));
    members.fold(Usage::default(), |sum, pid| Usage {
        memory: add(sum.memory, memory(pid)),
        files: add(sum.files, files(pid)),
    })
}

fn add(a: Option<u64>, b: Option<u64>) -> Option<u64> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.saturating_add(b)),
        (a, b) => a.or(b),
    }
}

fn group_of(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything; state, parent and group follow it.
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(2)?.parse().ok()
}

fn memory(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    let kib = line.split_whitespace().nth(1)?.parse::<u64>().ok()?;
    Some(kib.saturating_mul(1024))
}

fn files(pid: u32) -> Option<u64> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).ok()?;
    u64::try_from(entries.count()).ok()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn sees_our_own_group() {
        let group = group_of(std::process::id()).unwrap();
        let usage = of_group(group);
        assert!(usage.memory.unwrap() > 100_000);
        assert!(usage.files.unwrap() >= 3);
        assert_eq!(of_group(u32::MAX), Usage::default());
    }
}
