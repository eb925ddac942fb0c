//! How many threads that wait for each other a system has cores for.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Share of the fastest processor's clock below which another one is slow. The cores of one kind are not all clocked
/// alike; those of a slower kind mostly have less than 0.7 of the fastest.
const SLOW_CLOCK: (u64, u64) = (7, 10);
/// Share of the fastest processor's work in the same time below which another one is slow, as Linux rates them.
const SLOW_CAPACITY: (u64, u64) = (1, 2);

/// A processor as the system numbers them, of which a core may be several.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Processor {
    /// Name of its core.
    core: String,
    /// Work in a time, in a unit of the system's; `None` where it does not say.
    capacity: Option<u64>,
    /// Largest clock, in kHz; `None` where the system does not say.
    clock: Option<u64>,
}

/// Returns the number of threads for which there are cores, at most `most`. The system is asked anew each time: it may
/// give fewer processors to an app that nobody sees.
pub(crate) fn threads(most: u32) -> u32 {
    let all = std::thread::available_parallelism().map_or(1, |n| u32::try_from(n.get()).unwrap_or(u32::MAX));
    let fast = fast_cores(&processors(Path::new("/sys/devices/system/cpu"), &allowed()));
    share(if fast == 0 { all } else { fast }, all, most)
}

/// Returns how many of `fast` cores are to be used where there are `all` processors in all. Other processes and the
/// app's other threads run beside: they get the slow cores, or one of the fast ones.
fn share(fast: u32, all: u32, most: u32) -> u32 {
    let cores = if fast < all { fast } else { all.saturating_sub(1) };
    cores.min(most).max(1)
}

/// Returns the number of cores that are about as fast as the fastest; 0 of none.
fn fast_cores(processors: &[Processor]) -> u32 {
    let fastest = |of: fn(&Processor) -> Option<u64>| processors.iter().filter_map(of).max().unwrap_or(0);
    let (capacity, clock) = (fastest(|p| p.capacity), fastest(|p| p.clock));
    let is_slow = |value: Option<u64>, fastest: u64, (over, under): (u64, u64)| {
        value.is_some_and(|value| value.saturating_mul(under) < fastest.saturating_mul(over))
    };
    let fast = processors.iter().filter(|processor| {
        !is_slow(processor.capacity, capacity, SLOW_CAPACITY) && !is_slow(processor.clock, clock, SLOW_CLOCK)
    });
    let cores: BTreeSet<&str> = fast.map(|processor| processor.core.as_str()).collect();
    u32::try_from(cores.len()).unwrap_or(u32::MAX)
}

/// Reads what Linux and Android say of these processors, without those that are switched off.
fn processors(folder: &Path, numbers: &[u32]) -> Vec<Processor> {
    let processor = |number: &u32| {
        let read = |name: &str| fs::read_to_string(folder.join(format!("cpu{number}/{name}"))).ok();
        let value = |name: &str| read(name)?.trim().parse().ok();
        let core = read("topology/thread_siblings_list")?.trim().to_owned();
        Some(Processor { core, capacity: value("cpu_capacity"), clock: value("cpufreq/cpuinfo_max_freq") })
    };
    numbers.iter().filter_map(processor).collect()
}

/// Returns the numbers of the processors that this thread may run on; none where the system does not say.
fn allowed() -> Vec<u32> {
    let status = fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    list.map(numbers).unwrap_or_default()
}

/// Reads a list of numbers as the kernel writes them: `0-3,6`. What is no such list has none.
fn numbers(list: &str) -> Vec<u32> {
    /// Largest number of processors that Linux is built for.
    const MAX: u32 = 8192;
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (u32, u32) = (first.parse().ok()?, last.parse().ok()?);
        Some(first..=last.min(MAX))
    };
    list.trim().split(',').filter_map(range).flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Makes processors, each a core, of counts, capacities and clocks in MHz.
    fn phone(kinds: &[(u32, Option<u64>, u64)]) -> Vec<Processor> {
        let mut processors = Vec::new();
        for &(count, capacity, clock) in kinds {
            for _ in 0..count {
                let core = processors.len().to_string();
                processors.push(Processor { core, capacity, clock: Some(clock * 1000) });
            }
        }
        processors
    }

    #[test]
    fn slow_cores_of_a_phone_do_not_count() {
        let one_three_four = phone(&[(1, None, 3200), (3, None, 2420), (4, None, 1800)]);
        assert_eq!(fast_cores(&one_three_four), 4);
        let two_six = phone(&[(2, Some(1024), 2200), (6, Some(390), 1800)]);
        assert_eq!(fast_cores(&two_six), 2, "the clocks alone do not tell them apart");
        let alike = phone(&[(8, Some(1024), 2000)]);
        assert_eq!(fast_cores(&alike), 8);
    }

    #[test]
    fn two_processors_of_one_core_are_one_core() {
        let core = |name: &str| Processor { core: name.into(), ..Processor::default() };
        assert_eq!(fast_cores(&[core("0,4"), core("1,5"), core("0,4"), core("1,5")]), 2);
        assert_eq!(fast_cores(&[]), 0);
    }

    #[test]
    fn a_core_is_left_to_others_where_nothing_else_would_be() {
        // Fast cores, processors, limit.
        assert_eq!(share(4, 8, 4), 4, "a phone with four slow cores besides");
        assert_eq!(share(2, 8, 4), 2);
        assert_eq!(share(8, 8, 4), 4);
        assert_eq!(share(4, 4, 4), 3);
        assert_eq!(share(2, 2, 4), 1);
        assert_eq!(share(1, 1, 4), 1);
        assert_eq!(share(8, 16, u32::MAX), 8, "a server with two processors a core");
        assert_eq!(share(32, 2, u32::MAX), 1, "a container with a part of a large machine");
        assert_eq!(share(8, 8, 0), 1);
    }

    #[test]
    fn lists_of_the_kernel_are_read_and_others_have_no_numbers() {
        assert_eq!(numbers("\t0-3,6\n"), [0, 1, 2, 3, 6]);
        assert_eq!(numbers("5"), [5]);
        assert!(numbers("").is_empty() && numbers("a-b").is_empty() && numbers("9-2").is_empty());
        assert_eq!(numbers("8190-4294967295").len(), 3, "no list of four thousand million");
    }

    #[test]
    fn what_the_system_says_of_its_processors_is_read_and_a_processor_that_is_off_is_left_out() {
        let folder = std::env::temp_dir().join(format!("uhlm-cores-{}", std::process::id()));
        let write = |path: &str, text: &str| {
            let path = folder.join(path);
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            fs::write(path, text).expect("a file");
        };
        write("cpu0/topology/thread_siblings_list", "0,2\n");
        write("cpu0/cpu_capacity", "1024\n");
        write("cpu0/cpufreq/cpuinfo_max_freq", "2400000\n");
        write("cpu1/topology/thread_siblings_list", "1\n");
        write("cpu2/online", "0\n");
        let found = processors(&folder, &[0, 1, 2, 3]);
        fs::remove_dir_all(&folder).expect("its own folder");
        let known = Processor { core: "0,2".into(), capacity: Some(1024), clock: Some(2_400_000) };
        assert_eq!(found, [known, Processor { core: "1".into(), ..Processor::default() }]);
    }

    #[test]
    fn there_is_a_thread_on_every_system_and_never_more_than_wanted() {
        assert_eq!(threads(1), 1);
        assert!((1..=4).contains(&threads(4)));
    }
}
