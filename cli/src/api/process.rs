//! What the process uses, under the names that Prometheus' client libraries give these numbers.

use std::fs;

use rustix::process::{Resource, getrlimit};
use rustix::time::{ClockId, clock_gettime};

use crate::render::metrics::MetricsText;
use crate::report::metrics as families;

/// Writes the numbers of this process. Those that the system does not tell are left out.
pub(super) fn render(text: &mut MetricsText) {
    let cpu = clock_gettime(ClockId::ProcessCPUTime);
    let cpu_s = format!("{}.{:09}", cpu.tv_sec, cpu.tv_nsec);
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kib_of = |name| number(&status, name).map(|kib| kib * 1024);
    // Reading the directory opens a file of its own.
    let files = fs::read_dir("/proc/self/fd").ok().map(|files| files.count().saturating_sub(1) as u64);
    for (family, value) in [
        (&families::PROCESS_RESIDENT, kib_of("VmRSS:")),
        (&families::PROCESS_VIRTUAL, kib_of("VmSize:")),
        (&families::PROCESS_THREADS, number(&status, "Threads:")),
        (&families::PROCESS_FILES, files),
        (&families::PROCESS_FILES_MAX, getrlimit(Resource::Nofile).current),
    ] {
        if let Some(value) = value {
            text.one(family, value);
        }
    }
    text.one(&families::PROCESS_CPU, cpu_s);
}

/// Reads the number of a line of `/proc/self/status`, without its unit.
fn number(status: &str, name: &str) -> Option<u64> {
    status.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
}
