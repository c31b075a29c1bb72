//! What a process group uses, from `/proc` where there is one.

use std::fs;
use std::time::Duration;

/// What a process group uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Resident bytes.
    pub memory: Option<u64>,
    /// Open files and sockets.
    pub files: Option<u64>,
    /// Time on processors since each process began.
    pub cpu: Option<Duration>,
}

/// Sums up the processes of a group.
pub(super) fn of_group(group: u32) -> Usage {
    of_members(&members(group))
}

/// The processes of a group.
pub(super) fn members(group: u32) -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| group_of(*pid) == Some(group)).collect()
}

/// Sums up these processes.
pub(super) fn of_members(pids: &[u32]) -> Usage {
    pids.iter().fold(Usage::default(), |sum, pid| Usage {
        memory: add(sum.memory, memory(*pid)),
        files: add(sum.files, files(*pid)),
        cpu: match (sum.cpu, cpu(*pid)) {
            (Some(a), Some(b)) => Some(a.saturating_add(b)),
            (a, b) => a.or(b),
        },
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

/// User and system time, in the ticks of `/proc`, of which all Linux systems have a hundred a
/// second.
fn cpu(pid: u32) -> Option<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let user = fields.next()?.parse::<u64>().ok()?;
    let system = fields.next()?.parse::<u64>().ok()?;
    Some(Duration::from_millis(
        user.saturating_add(system).saturating_mul(10),
    ))
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
        assert!(usage.cpu.is_some());
        assert_eq!(of_group(u32::MAX), Usage::default());
    }
}
