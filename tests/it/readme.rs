//! What the README shows works: its commands are the program's, its first answer is the answer.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

const README: &str = include_str!("../../README.md");

/// The lines of the README's shell blocks.
fn shell_lines() -> Vec<&'static str> {
    let blocks = README.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    blocks.flat_map(str::lines).filter(|line| !line.trim().is_empty()).collect()
}

#[test]
fn every_command_and_option_of_the_readme_exists() {
    let mut seen = BTreeSet::new();
    for line in shell_lines() {
        let Some((_, arguments)) = line.split_once("claribi ") else { continue };
        if line.contains("install.sh") || line.contains("http") {
            continue;
        }
        let words: Vec<&str> = arguments.split_whitespace().collect();
        let after_data = if words[0] == "--data-dir" { &words[2..] } else { &words[..] };
        let commands: Vec<&str> = after_data
            .iter()
            .copied()
            .take_while(|word| word.chars().all(|c| c.is_ascii_lowercase()))
            .take(2)
            .collect();
        let help = Command::new(env!("CARGO_BIN_EXE_claribi")).args(&commands).arg("--help").output().unwrap();
        assert!(help.status.success(), "{line}: {}", String::from_utf8_lossy(&help.stderr));
        let text = String::from_utf8(help.stdout).unwrap();
        for option in words.iter().filter(|word| word.starts_with("--")) {
            assert!(text.contains(option), "`{option}` of `{line}` is not in its help:\n{text}");
        }
        seen.insert(commands.join(" "));
    }
    assert!(seen.len() >= 8, "{seen:?}");
}

#[test]
fn every_file_that_the_readme_names_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for link in README.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
        assert!(link.starts_with("http") || root.join(link).exists(), "{link}");
    }
    for script in ["tests/run", "install.sh", "packaging/claribi.service"] {
        assert!(README.contains(script) && root.join(script).exists(), "{script}");
    }
}

#[test]
fn the_architecture_names_folders_and_files_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = include_str!("../../ARCHITECTURE.md");
    for name in page.split('`').skip(1).step_by(2).filter(|name| name.starts_with("src/") || name.starts_with("tests/"))
    {
        assert!(root.join(name).exists(), "{name}");
    }
}
