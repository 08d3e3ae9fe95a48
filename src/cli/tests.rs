use super::*;

fn parsed(line: &str) -> Result<Cli, String> {
    Cli::try_parse_from(line.split(' ')).map_err(|error| sentence(&error.render().to_string()))
}

#[test]
fn the_arguments_of_all_commands_fit_together() {
    Cli::command().debug_assert();
}

#[test]
fn options_of_every_command_may_stand_before_or_after_it() {
    for line in ["claribi --data-dir d --json key list", "claribi key list --data-dir d --json"] {
        let cli = parsed(line).unwrap();
        assert_eq!(cli.globals.data_dir.as_deref(), Some(std::path::Path::new("d")), "{line}");
        assert!(cli.globals.json, "{line}");
    }
}

#[test]
fn passwords_are_never_arguments() {
    for line in
        ["claribi init --org A --email a@b --password x", "claribi user create --email a@b --role viewer --password x"]
    {
        assert!(parsed(line).is_err(), "{line}");
    }
    let refusal = parsed("claribi org create --name A --email a@b").unwrap_err();
    assert!(refusal.contains("--password-stdin"), "{refusal}");
}

#[test]
fn wrong_usage_is_one_sentence_that_names_the_help() {
    for (line, words) in [
        ("claribi key create --name x", "see `claribi key create --help`"),
        ("claribi kye", "see `claribi --help`"),
        (
            "claribi user create --email a@b --role boss --password-stdin",
            "there are owner, administrator, analyst and viewer",
        ),
        ("claribi key create --user a@b --name x --scope read-only --permission usage:read", "cannot be used with"),
        ("claribi report generate -o x.pdf", "--source"),
        ("claribi report generate --source a --dashboard b -o x.pdf", "cannot be used with"),
        ("claribi serve --listen example.com:80", "is no address to listen on"),
        ("claribi key create --user a@b --name x --expires soon", "is no duration"),
    ] {
        let refusal = parsed(line).unwrap_err();
        assert!(refusal.contains(words), "{line}: {refusal}");
        assert!(!refusal.contains('\n') && !refusal.contains("Usage") && !refusal.starts_with("error"), "{refusal}");
    }
}

/// The help of the program and of each command, as a newcomer reads it at 100 columns.
#[test]
fn the_help_is_what_was_read_and_found_good() {
    let mut all = String::new();
    collect(&Cli::command(), &["claribi".to_owned()], &mut all);
    insta::assert_snapshot!(all);
}

fn collect(command: &clap::Command, path: &[String], all: &mut String) {
    let asked = path.iter().cloned().chain(["--help".to_owned()]);
    let help = Cli::command().term_width(100).try_get_matches_from(asked).unwrap_err();
    all.push_str(&format!("=== {} --help\n{}\n", path.join(" "), help.render()));
    for inner in command.get_subcommands().filter(|inner| !inner.is_hide_set()) {
        let path: Vec<String> = path.iter().cloned().chain([inner.get_name().to_owned()]).collect();
        collect(inner, &path, all);
    }
}
