//! Plans are configuration: an operator makes their own, and no organisation is left without its plan.

use std::process::Output;

use crate::binary::Installation;

const PASSWORD: &str = "correct horse battery\n";

fn said(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn a_plan_that_the_configuration_lost_stops_the_start_with_a_sentence() {
    let place = Installation::nowhere();
    let defaults = include_str!("../../config.example.toml");
    let professional = defaults.split("[plans.professional]").nth(1).unwrap().split("\n[").next().unwrap();
    let config = place.data().with_file_name("config.toml");
    std::fs::write(&config, format!("[plans.team]{professional}\n")).unwrap();
    let config = config.to_str().unwrap();
    let init = ["init", "--org", "Acme Corp", "--email", "ada@example.com", "--password-stdin", "--plan", "team"];
    let unknown = place.run_with(&init, PASSWORD);
    assert_eq!(unknown.status.code(), Some(2), "wrong usage");
    assert!(said(&unknown).contains("enterprise"), "names the plans that there are: {}", said(&unknown));
    let made = place.run_with(&[&["--config", config], &init[..]].concat(), PASSWORD);
    assert!(made.status.success(), "{}", said(&made));

    for arguments in [&["serve", "--listen", "127.0.0.1:0"][..], &["key", "list"], &["user", "list"]] {
        let lost = place.run(arguments);
        assert_eq!((lost.status.code(), said(&lost).lines().count()), (Some(1), 1), "{arguments:?}: {}", said(&lost));
        let sentence = said(&lost);
        for word in ["Acme Corp", "`team`", "[plans.team]"] {
            assert!(sentence.contains(word), "{arguments:?} names {word}: {sentence}");
        }
    }
    let found = place.run(&["--config", config, "key", "list"]);
    assert!(found.status.success(), "{}", said(&found));
}
