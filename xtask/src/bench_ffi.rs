//! `cargo xtask bench-ffi` measures the cost of the way through Kotlin and Swift, against the Rust API.
//!
//! There is one driver program per language; all are alive at once and measured in turn, with the same prompts and the
//! same model, in one run. It prints ratios of tokens per second and how long a cancel takes to reach the last decode.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::bindings::{self, Language};
use crate::{cargo, setup, swift, table};

/// Number of rounds of each speed; the result is the median ratio of the rounds.
const ROUNDS: usize = 15;
/// Commands to the drivers that measure a speed, with their titles: tokens of 0.2 ms in short replies, and tokens of a
/// model of 57 million parameters.
const SPEEDS: [(&str, &str); 2] = [("speed", "demo draft"), ("steady", "57 M weights")];
/// Number of cancelled generations per language.
const CANCELS: usize = 200;

/// Builds everything, runs the rounds, prints the tables.
pub(crate) fn run() -> Result<()> {
    setup::ensure()?;
    let library = bindings::build()?;
    bindings::generate(Language::Kotlin, &library)?;
    bindings::generate(Language::Swift, &library)?;
    let mut fixture = Driver::start("fixture", &mut Command::new(bindings::program("uhlm-fixture")?))?;
    let ready = fixture.line()?;
    let file = cargo::root().join("target/bindings/fixture.json");
    fs::write(&file, ready).context("writing down where the fixture is")?;

    let mut rust = Command::new(bindings::program("uhlm-bench-driver")?);
    let mut drivers = vec![Driver::start("rust", rust.arg(&file))?];
    drivers.push(Driver::start("kotlin", &mut kotlin(&library, &file)?)?);
    drivers.push(Driver::start("swift", &mut swift::bench_driver(&file)?)?);

    for (command, title) in SPEEDS {
        println!("{}\n", speed(&mut drivers, command, title)?);
    }
    println!("{}", cancel(&mut drivers)?);
    Ok(())
}

/// Measures a speed of all drivers; returns the table.
fn speed(drivers: &mut [Driver], command: &str, title: &str) -> Result<String> {
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
    let rows = drivers.iter().zip(&rates).map(|(driver, own)| {
        let ratios: Vec<f64> = own.iter().zip(&rates[0]).map(|(own, rust)| own / rust).collect();
        let [low, middle, high] = [5, 50, 95].map(|percent| format!("{:.3}", percentile(&ratios, percent)));
        [driver.name.to_owned(), format!("{:.0}", percentile(own, 50)), middle, format!("{low} to {high}")]
    });
    Ok(table::format([title, "tokens/s", "of rust", "5 to 95 %"], &rows.collect::<Vec<_>>()))
}

/// Measures cancels of all drivers; returns the table.
fn cancel(drivers: &mut [Driver]) -> Result<String> {
    let mut rows = Vec::new();
    for driver in drivers {
        let (mut times, mut steps) = (Vec::new(), Vec::new());
        for _ in 0..CANCELS {
            let answer = driver.ask("cancel")?;
            times.push(number(&answer, "micros")? / 1000.0);
            steps.push(number(&answer, "stepMicros")? / 1000.0);
        }
        let time = |percent| format!("{:.2}", percentile(&times, percent));
        rows.push([driver.name.to_owned(), format!("{:.2}", percentile(&steps, 50)), time(50), time(95), time(100)]);
    }
    Ok(table::format(["cancel to idle, ms", "one step", "median", "95 %", "most"], &rows))
}

/// Returns the value at a share of the sorted values, in percent; not a number where there are none.
fn percentile(values: &[f64], percent: usize) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get((sorted.len().saturating_sub(1) * percent + 50) / 100).copied().unwrap_or(f64::NAN)
}

/// Returns a number in a flat JSON object.
fn number(json: &str, field: &str) -> Result<f64> {
    let (_, rest) = json.split_once(&format!("\"{field}\":")).with_context(|| format!("no `{field}` in {json}"))?;
    let end = rest.find([',', '}']).unwrap_or(rest.len());
    rest[..end].trim().parse().with_context(|| format!("`{field}` of {json}"))
}

/// Compiles the Kotlin driver and returns the command that runs it; Maven writes the class path for it into a file.
fn kotlin(library: &Path, fixture: &Path) -> Result<Command> {
    let project = cargo::root().join("bindings/kotlin");
    let file: PathBuf = project.join("uhlm/target/test-classpath.txt");
    let mut maven = cargo::script("sandbox/maven.sh");
    cargo::run(maven.args(["--file", "bindings/kotlin", "--quiet", "process-test-classes"]))?;
    let dependencies = fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
    let classes = ["classes", "test-classes"].map(|folder| project.join("uhlm/target").join(folder));
    let path = format!("{}:{}:{}", classes[0].display(), classes[1].display(), dependencies.trim());
    let mut command = Command::new("java");
    command.arg("-cp").arg(path).arg(format!("-Duniffi.component.uhlm_ffi.libraryOverride={}", library.display()));
    command.arg("dev.uhlm.bench.BenchKt").arg(fixture);
    Ok(command)
}

/// A driver program, which answers each line with a line; on drop, its input ends, and with that the program.
struct Driver {
    name: &'static str,
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Driver {
    fn start(name: &'static str, command: &mut Command) -> Result<Self> {
        eprintln!("$ {}", cargo::line(command));
        let log = cargo::root().join(format!("target/bindings/{name}.log"));
        let log = File::create(&log).with_context(|| format!("creating {}", log.display()))?;
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .with_context(|| format!("starting the {name} driver"))?;
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().context("the driver's output")?);
        Ok(Self { name, child, input, output })
    }

    /// Sends a line; returns the answer.
    fn ask(&mut self, command: &str) -> Result<String> {
        let input = self.input.as_mut().context("the driver's input")?;
        writeln!(input, "{command}").with_context(|| format!("asking the {} driver", self.name))?;
        self.line()
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        let read = self.output.read_line(&mut line).with_context(|| format!("hearing the {} driver", self.name))?;
        if read == 0 {
            bail!("the {} driver ended; target/bindings/{}.log says why", self.name, self.name);
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
    fn numbers_are_found_in_flat_objects() {
        let json = r#"{"tokens":120,"seconds": 0.5}"#;
        assert_eq!((number(json, "tokens").ok(), number(json, "seconds").ok()), (Some(120.0), Some(0.5)));
        assert!(number(json, "micros").is_err());
        assert!(number(r#"{"error":"no"}"#, "tokens").is_err());
    }

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let values = [5.0, 1.0, 3.0, 2.0, 4.0];
        assert_eq!([0, 50, 100].map(|percent| percentile(&values, percent)), [1.0, 3.0, 5.0]);
        assert!(percentile(&[], 50).is_nan());
    }
}
