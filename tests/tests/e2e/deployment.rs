//! What the suite is deployed with: every setting that it names is one that the program knows, every command one that it has, every
//! secret one that is made.

use std::collections::BTreeSet;
use std::process::Command;

use fandom::settings::SETTINGS;
use fandom_tests::suite::{binary, repository};

/// The files, and the fewest settings that each is known to name.
const FILES: [(&str, usize); 4] =
    [("docker-compose.yml", 15), ("Dockerfile", 3), ("render.yaml", 10), ("deploy/aws/parts.tf", 8)];

fn text(file: &str) -> String {
    std::fs::read_to_string(repository().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// Settings that a file gives to the program. What stands in `${…}` is given to the file.
fn settings_in(text: &str) -> BTreeSet<String> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut found = BTreeSet::new();
    for (place, _) in text
        .match_indices("FANDOM_")
        .chain(text.match_indices("DATABASE_URL"))
        .chain(text.match_indices("KAFKA_BOOTSTRAP"))
    {
        let before = &text[..place];
        if before.ends_with("${") || before.ends_with(is_word) {
            continue;
        }
        let rest = &text[place..];
        let name = &rest[..rest.find(|c| !is_word(c)).unwrap_or(rest.len())];
        found.insert(name.strip_suffix("_FILE").unwrap_or(name).to_owned());
    }
    found
}

#[test]
fn every_setting_is_one_that_the_program_knows() {
    for (file, fewest) in FILES {
        let named = settings_in(&text(file));
        assert!(named.len() >= fewest, "{file}: too few settings to believe it: {named:?}");
        for name in named {
            let known = SETTINGS.iter().any(|setting| setting.variable == name) || name.starts_with("FANDOM_KAFKA_");
            assert!(known, "{file} sets {name}, which is no setting");
        }
    }
}

#[test]
fn every_command_is_one_that_the_program_has() {
    let run = |arguments: &[&str]| Command::new(binary()).args(arguments).output().expect("it runs");
    let compose = text("docker-compose.yml");
    let commands = compose.lines().filter_map(|line| line.trim().strip_prefix("command: [")?.strip_suffix(']'));
    let commands: BTreeSet<&str> = commands.filter(|command| !command.contains(',')).collect();
    assert_eq!(commands.len(), 6, "{commands:?}");
    for command in commands {
        assert!(run(&[command, "--help"]).status.success(), "fandom {command}");
    }
    let health = compose.split("[CMD, fandom, ").skip(1).filter_map(|rest| rest.split(']').next());
    let health: BTreeSet<&str> = health.collect();
    assert_eq!(health.len(), 4, "{health:?}");
    for command in health {
        let mut words: Vec<&str> = command.split(", ").collect();
        words.push("--help");
        assert!(run(&words).status.success(), "fandom {command}");
    }
}

#[test]
fn every_secret_is_made() {
    let (compose, script) = (text("docker-compose.yml"), text("scripts/secrets"));
    let named = compose.split("/run/secrets/").skip(1).map(|rest| {
        rest.split(|c: char| !(c.is_ascii_lowercase() || c == '_')).next().expect("a split has a first part")
    });
    let named: BTreeSet<&str> = named.collect();
    assert!(named.len() >= 5, "{named:?}");
    for name in named {
        assert!(compose.contains(&format!("\n  {name}: {{ file: ./secrets/{name} }}")), "{name} is not declared");
        assert!(script.contains(&format!("\nmake_secret {name} ")), "scripts/secrets does not make {name}");
    }
}
