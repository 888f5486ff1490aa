//! How much memory is left.

use std::path::Path;

use crate::file;

/// Bytes that this process may still take: the least of what the machine has available, its limit on
/// address space (`ulimit -v`) and its control group's. `None` where nothing of that is known.
pub fn available() -> Option<u64> {
    [machine(), address_space(), control_group()].into_iter().flatten().min()
}

fn machine() -> Option<u64> {
    kib(&read("/proc/meminfo")?, "MemAvailable:")
}

fn address_space() -> Option<u64> {
    let limits = read("/proc/self/limits")?;
    let soft = limits.lines().find_map(|l| l.strip_prefix("Max address space"))?;
    let limit: u64 = soft.split_whitespace().next()?.parse().ok()?;
    // Not VmSize: the allocator reserves more than it uses.
    Some(limit.saturating_sub(kib(&read("/proc/self/status")?, "VmRSS:")?))
}

fn control_group() -> Option<u64> {
    let number = |path: &str| read(path)?.trim().parse::<u64>().ok();
    let most = number("/sys/fs/cgroup/memory.max")?;
    // What is kept of files counts as used, and is given up when memory is wanted.
    let stat = read("/sys/fs/cgroup/memory.stat")?;
    let cached = |name: &str| -> Option<u64> {
        stat.lines().find_map(|line| line.strip_prefix(name))?.trim().parse().ok()
    };
    let given_up = cached("inactive_file ")? + cached("active_file ")?;
    let used = number("/sys/fs/cgroup/memory.current")?.saturating_sub(given_up);
    Some(most.saturating_sub(used))
}

fn read(path: &str) -> Option<String> {
    file::read_text(Path::new(path)).ok()
}

/// The number behind `name` in `text`, given there in KiB, in bytes.
fn kib(text: &str, name: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    Some(rest.split_whitespace().next()?.parse::<u64>().ok()? << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_available_is_less_than_the_machine_has() {
        let total = read("/proc/meminfo").and_then(|text| kib(&text, "MemTotal:"));
        let (Some(available), Some(total)) = (available(), total) else { return };
        assert!((1..=total).contains(&available), "{available} of {total}");
    }
}
