//! Measures the cost of the way through Kotlin and Swift, against the Rust API. `cargo xtask bench-ffi` builds what it
//! needs and runs it.
//!
//! There is one driver program per language; all are alive at once and measured in turn, with the same prompts and the
//! same model, in one run. It prints ratios of tokens per second and how long a cancel takes to reach the last decode.
//!
//! `uhlm-bench-ffi FOLDER [--driver NAME COMMAND ARGUMENT...]...` starts the fixture and the Rust driver, which lie
//! beside it, and each further driver with the path of a file that holds the fixture's first line. That file and the
//! programs' logs go into the folder.

#![allow(clippy::print_stdout, reason = "the figures are the program's output")]

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::Value;

/// Number of rounds of each speed; the result is the median ratio of the rounds.
const ROUNDS: usize = 15;
/// Commands to the drivers that measure a speed, with their titles: tokens of 0.2 ms in short replies, and tokens of a
/// model of 57 million parameters.
const SPEEDS: [(&str, &str); 2] = [("speed", "demo draft"), ("steady", "57 M weights")];
/// Number of cancelled generations per language.
const CANCELS: usize = 200;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let (folder, drivers) = words.split_first().ok_or("usage: uhlm-bench-ffi FOLDER [--driver NAME COMMAND...]...")?;
    let folder = Path::new(folder);
    let beside = |name: &str| Ok::<PathBuf, Failure>(std::env::current_exe()?.with_file_name(name));
    let mut fixture = Driver::start("fixture", folder, &mut Command::new(beside("uhlm-fixture")?))?;
    let file = folder.join("fixture.json");
    std::fs::write(&file, fixture.line()?)?;

    let mut running = vec![Driver::start("rust", folder, Command::new(beside("uhlm-bench-driver")?).arg(&file))?];
    for driver in drivers.split(|word| word == "--driver").filter(|driver| !driver.is_empty()) {
        let [name, program, arguments @ ..] = driver else { return Err("a driver has a name and a command".into()) };
        running.push(Driver::start(name, folder, Command::new(program).args(arguments).arg(&file))?);
    }
    for (command, title) in SPEEDS {
        speed(&mut running, command, title)?;
    }
    cancel(&mut running)
}

/// Measures a speed of all drivers and prints the table.
fn speed(drivers: &mut [Driver], command: &str, title: &str) -> Result<(), Failure> {
    for driver in drivers.iter_mut() {
        // The first time is not measured: it fills caches, and the JVM's compiler does its work.
        driver.ask(command)?;
    }
    let mut rates = vec![Vec::new(); drivers.len()];
    for _ in 0..ROUNDS {
        for (driver, rates) in drivers.iter_mut().zip(&mut rates) {
            let answer = driver.ask(command)?;
            rates.push(number(&answer, "tokens")? / number(&answer, "seconds")?);
        }
    }
    println!("{title:<18}  {:>8}  {:>7}  {:>14}", "tokens/s", "of rust", "5 to 95 %");
    for (driver, own) in drivers.iter().zip(&rates) {
        let ratios: Vec<f64> = own.iter().zip(&rates[0]).map(|(own, rust)| own / rust).collect();
        let [low, middle, high] = [5, 50, 95].map(|percent| percentile(&ratios, percent));
        let (name, rate, spread) = (&driver.name, percentile(own, 50), format!("{low:.3} to {high:.3}"));
        println!("{name:<18}  {rate:>8.0}  {middle:>7.3}  {spread:>14}");
    }
    println!();
    Ok(())
}

/// Measures cancels of all drivers and prints the table.
fn cancel(drivers: &mut [Driver]) -> Result<(), Failure> {
    println!("{:<18}  {:>8}  {:>6}  {:>6}  {:>6}", "cancel to idle, ms", "one step", "median", "95 %", "most");
    for driver in drivers {
        let (mut times, mut steps) = (Vec::new(), Vec::new());
        for _ in 0..CANCELS {
            let answer = driver.ask("cancel")?;
            times.push(number(&answer, "micros")? / 1000.0);
            steps.push(number(&answer, "stepMicros")? / 1000.0);
        }
        let (name, step) = (&driver.name, percentile(&steps, 50));
        let [median, late, most] = [50, 95, 100].map(|percent| percentile(&times, percent));
        println!("{name:<18}  {step:>8.2}  {median:>6.2}  {late:>6.2}  {most:>6.2}");
    }
    Ok(())
}

/// Returns the value at a share of the sorted values, in percent; not a number where there are none.
fn percentile(values: &[f64], percent: usize) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get((sorted.len().saturating_sub(1) * percent + 50) / 100).copied().unwrap_or(f64::NAN)
}

/// Returns a number of a driver's answer.
fn number(answer: &Value, field: &str) -> Result<f64, Failure> {
    answer[field].as_f64().ok_or_else(|| format!("no `{field}` in {answer}").into())
}

/// A driver program, which answers each line with a line; on drop, its input ends, and with that the program.
struct Driver {
    name: String,
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Driver {
    /// Starts a program, with its standard error in a log in `folder`.
    fn start(name: &str, folder: &Path, command: &mut Command) -> Result<Self, Failure> {
        let log = File::create(folder.join(format!("{name}.log")))?;
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .map_err(|error| format!("starting the {name} driver: {error}"))?;
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().ok_or("a driver without output")?);
        Ok(Self { name: name.to_owned(), child, input, output })
    }

    /// Sends a line; returns the answer.
    fn ask(&mut self, command: &str) -> Result<Value, Failure> {
        let input = self.input.as_mut().ok_or("a driver without input")?;
        writeln!(input, "{command}").map_err(|error| format!("asking the {} driver: {error}", self.name))?;
        let line = self.line()?;
        serde_json::from_str(&line).map_err(|error| format!("the {} driver said {line}: {error}", self.name).into())
    }

    fn line(&mut self) -> Result<String, Failure> {
        let mut line = String::new();
        if self.output.read_line(&mut line)? == 0 {
            return Err(format!("the {0} driver ended; {0}.log says why", self.name).into());
        }
        Ok(line.trim().to_owned())
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.input = None;
        // The program, which this one started, ends with its input.
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let values = [5.0, 1.0, 3.0, 2.0, 4.0];
        assert_eq!([0, 50, 100].map(|percent| percentile(&values, percent)), [1.0, 3.0, 5.0]);
        assert!(percentile(&[], 50).is_nan());
    }
}
