//! Programs that are not ours: what clients use, and what generates and fuzzes. `tests/run` installs them.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A program of the packages that `tests/tools` pins: `python/bin/mypy`, `node_modules/.bin/tsc`.
pub fn tool(path: &str) -> Command {
    let found = directory().join(path);
    assert!(found.exists(), "{} is not there: run tests/run once, it installs what the tests need", found.display());
    Command::new(found)
}

/// Where these packages are.
pub fn directory() -> PathBuf {
    let beside_the_build = || {
        let target = Path::new(env!("CARGO_BIN_EXE_claribi")).ancestors().nth(2);
        target.unwrap().join("tools")
    };
    std::env::var_os("CLARIBI_TEST_TOOLS").map_or_else(beside_the_build, PathBuf::from)
}

/// Runs a program to its end, which has to be a good one.
pub fn succeed(command: &mut Command) -> Output {
    let output = run(command);
    assert!(output.status.success(), "{command:?} fails:\n{}", said(&output));
    output
}

/// Runs a program to its end, whichever that is.
pub fn run(command: &mut Command) -> Output {
    let name = command.get_program().to_owned();
    command.output().unwrap_or_else(|error| panic!("{}: {error}; tests/run installs it", name.display()))
}

/// What a program printed, for a failure's text.
pub fn said(output: &Output) -> String {
    format!("{}\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
