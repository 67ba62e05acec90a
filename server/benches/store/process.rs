//! What the kernel counts of a process.

/// User and system time in seconds. In ticks of 10 ms, as on every common Linux.
pub fn cpu_s(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    // utime and stime are fields 14 and 15 of proc(5); the name, field 2, was cut off with its parenthesis.
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

/// A line of `/proc/PID/status` (`VmRSS:`, `VmHWM:`) in MB.
pub fn memory_mb(pid: u32, what: &str) -> f64 {
    line(&format!("/proc/{pid}/status"), what).unwrap() as f64 / 1_024.0
}

/// Bytes that were fetched from the disk for it; `None` where the kernel does not say.
pub fn disk_read_bytes(pid: u32) -> Option<u64> {
    line(&format!("/proc/{pid}/io"), "read_bytes:")
}

fn line(file: &str, what: &str) -> Option<u64> {
    let text = std::fs::read_to_string(file).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(what))?;
    line.split_whitespace().next()?.parse().ok()
}
