//! Limits, in the runtime's form.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use oci_spec::OciSpecError;
use oci_spec::runtime::{
    LinuxBlockIo, LinuxBlockIoBuilder, LinuxCpu, LinuxDeviceCgroup, LinuxMemory,
    LinuxMemoryBuilder, LinuxPidsBuilder, LinuxResources, LinuxThrottleDevice,
    LinuxThrottleDeviceBuilder,
};

use crate::container::cgroup::Layout;
use crate::container::error::{Error, Result};
use crate::container::request::Limits;
use crate::container::value::{Bytes, Cpus, DeviceRate, SwapLimit};

/// Shares that the kernel takes; what lies outside is moved to the nearest
/// end, as Docker does.
const SHARES: std::ops::RangeInclusive<u64> = 2..=262_144;

/// All limits, and the devices that may be used.
///
/// # Errors
/// A throttled device isn't a block device.
pub fn resources(
    limits: &Limits,
    layout: &Layout,
    devices: Vec<LinuxDeviceCgroup>,
) -> Result<LinuxResources> {
    let mut resources = LinuxResources::default();
    resources.set_devices(Some(devices));
    resources.set_memory(memory(limits, layout)?);
    resources.set_cpu(cpu(limits));
    if let Some(limit) = limits.pids {
        // 0 means no limit to Docker's users and no process to the kernel.
        let limit = if limit <= 0 { -1 } else { limit };
        resources.set_pids(Some(describe(LinuxPidsBuilder::default().limit(limit).build())?));
    }
    resources.set_block_io(block_io(limits)?);
    Ok(resources)
}

fn describe<T>(built: Result<T, OciSpecError>) -> Result<T> {
    built.map_err(|e| Error::invalid("can't describe the limits").with_source(e))
}

/// Memory; where nothing is said about swap, twice as much with swap as
/// without, if the kernel counts it.
fn memory(limits: &Limits, layout: &Layout) -> Result<Option<LinuxMemory>> {
    let swap = match (limits.memory, limits.memory_swap) {
        (None, None) => return Ok(None),
        (_, Some(SwapLimit::Unlimited)) => Some(-1),
        (_, Some(SwapLimit::Total(total))) => Some(signed(total)),
        (Some(memory), None) => layout
            .has_file("memory", "memory.memsw.limit_in_bytes")?
            .then(|| signed(memory).saturating_mul(2)),
    };
    let mut built = LinuxMemoryBuilder::default();
    if let Some(memory) = limits.memory {
        built = built.limit(signed(memory));
    }
    if let Some(swap) = swap {
        built = built.swap(swap);
    }
    describe(built.build()).map(Some)
}

fn signed(bytes: Bytes) -> i64 {
    i64::try_from(bytes.0).unwrap_or(i64::MAX)
}

fn cpu(limits: &Limits) -> Option<LinuxCpu> {
    let mut cpu = LinuxCpu::default();
    cpu.set_shares(limits.cpu_shares.map(|s| s.clamp(*SHARES.start(), *SHARES.end())));
    cpu.set_period(limits.cpus.map_or(limits.cpu_period, |_| Some(Cpus::PERIOD)));
    cpu.set_quota(limits.cpus.map_or(limits.cpu_quota, |c| Some(c.quota())));
    cpu.set_cpus(limits.cpuset_cpus.as_ref().map(|set| set.as_str().to_owned()));
    (cpu != LinuxCpu::default()).then_some(cpu)
}

fn block_io(limits: &Limits) -> Result<Option<LinuxBlockIo>> {
    if limits.read_bps.is_empty() && limits.write_bps.is_empty() {
        return Ok(None);
    }
    let all = |flag, rates: &[DeviceRate]| -> Result<Vec<_>> {
        rates.iter().map(|rate| throttle(flag, rate)).collect()
    };
    let built = LinuxBlockIoBuilder::default()
        .throttle_read_bps_device(all("--device-read-bps", &limits.read_bps)?)
        .throttle_write_bps_device(all("--device-write-bps", &limits.write_bps)?);
    describe(built.build()).map(Some)
}

fn throttle(flag: &str, rate: &DeviceRate) -> Result<LinuxThrottleDevice> {
    let path = Path::new(&rate.path);
    let meta = fs::metadata(path).map_err(|e| Error::io_at("look at", path, e))?;
    if !meta.file_type().is_block_device() {
        return Err(Error::refused(flag, format!("{} isn't a block device", rate.path)));
    }
    let (major, minor) = super::devices::numbers(meta.rdev());
    describe(
        LinuxThrottleDeviceBuilder::default().major(major).minor(minor).rate(rate.rate.0).build(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout() -> Layout {
        Layout::Unified {
            mount: "/sys/fs/cgroup".into(),
            controllers: std::iter::once("memory".to_owned()).collect(),
        }
    }

    #[test]
    fn nothing_asked_nothing_limited() {
        let resources = resources(&Limits::default(), &layout(), vec![]).unwrap();
        assert!(resources.memory().is_none() && resources.cpu().is_none());
        assert!(resources.pids().is_none() && resources.block_io().is_none());
    }

    #[test]
    fn memory_and_swap() {
        let of = |bytes: Option<u64>, memory_swap| {
            let limits = Limits { memory: bytes.map(Bytes), memory_swap, ..Limits::default() };
            let memory = memory(&limits, &layout()).unwrap().unwrap();
            (memory.limit(), memory.swap())
        };
        assert_eq!(of(Some(10), None), (Some(10), Some(20)));
        assert_eq!(of(Some(10), Some(SwapLimit::Unlimited)), (Some(10), Some(-1)));
        assert_eq!(of(Some(10), Some(SwapLimit::Total(Bytes(15)))), (Some(10), Some(15)));
        assert_eq!(of(None, Some(SwapLimit::Unlimited)), (None, Some(-1)));
    }

    #[test]
    fn processor_time() {
        let of = |limits: Limits| cpu(&limits).map(|c| (c.shares(), c.quota(), c.period()));
        let cpus = Limits { cpus: Some("1.5".parse().unwrap()), ..Limits::default() };
        assert_eq!(of(cpus), Some((None, Some(150_000), Some(100_000))));
        let low = Limits { cpu_shares: Some(0), ..Limits::default() };
        assert_eq!(of(low), Some((Some(2), None, None)));
        let raw = Limits { cpu_period: Some(5000), cpu_quota: Some(-1), ..Limits::default() };
        assert_eq!(of(raw), Some((None, Some(-1), Some(5000))));
        assert_eq!(of(Limits::default()), None);
    }

    #[test]
    fn only_block_devices_are_throttled() {
        let rate: DeviceRate = "/dev/null:1m".parse().unwrap();
        let limits = Limits { read_bps: vec![rate], ..Limits::default() };
        let error = block_io(&limits).unwrap_err().to_string();
        assert_eq!(error, "--device-read-bps: /dev/null isn't a block device");
    }
}
