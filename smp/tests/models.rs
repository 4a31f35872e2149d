//! docs/invariants.md lists every loom model with its bound and its mutants, and every fault that the
//! code can be told to have is a mutant of a model.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// A model's bound on preemptions, and its mutants.
type Model = (String, Vec<String>);

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The models declared in a source file: `model!(name within 3, mutant: REASON, ...);`
fn declared(source: &str) -> Vec<(String, Model)> {
    let declarations = source.split("\nmodel!(").skip(1);
    let declarations = declarations.map(|rest| rest.split(");").next().unwrap_or(rest));
    declarations.map(declaration).collect()
}

fn declaration(text: &str) -> (String, Model) {
    let mut parts = text.split(',').map(str::trim);
    let head = parts.next().unwrap_or_default();
    let (name, bound) = head.split_once(" within ").expect("a bound");
    let mutants = parts.filter_map(|part| part.split_once(':'));
    let mutants = mutants.map(|(mutant, _)| mutant.to_string()).collect();
    (name.to_string(), (bound.to_string(), mutants))
}

/// A row of the table: `| `name` | CPUs | bound | `mutant` `mutant` |`
fn listed(line: &str) -> Option<(String, Model)> {
    let cells: Vec<&str> = line.split('|').map(str::trim).collect();
    let [_, name, _, bound, mutants, _] = cells[..] else {
        return None;
    };
    bound.parse::<u32>().ok()?;
    let mutants = mutants
        .split_whitespace()
        .map(|word| word.trim_matches('`'));
    let mutants = mutants.map(str::to_string).collect();
    Some((
        name.trim_matches('`').to_string(),
        (bound.to_string(), mutants),
    ))
}

/// The texts of all files in `folder` and below.
fn sources(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let texts = paths.flat_map(|path| match path.is_dir() {
        true => sources(&path),
        false => vec![read(&path)],
    });
    texts.collect()
}

fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn models() -> BTreeMap<String, Model> {
    let sources = sources(&here().join("tests/loom"));
    sources.iter().flat_map(|text| declared(text)).collect()
}

#[test]
fn every_fault_in_the_code_is_the_mutant_of_a_model() {
    let sources = sources(&here().join("src"));
    let calls = sources
        .iter()
        .flat_map(|text| text.split("mutate(").skip(1));
    let names = calls.filter_map(|call| call.trim_start().strip_prefix('"')?.split('"').next());
    let faults: BTreeSet<_> = names.map(str::to_string).collect();
    assert!(faults.len() > 40, "the faults were not found");
    let mutants: BTreeSet<_> = models()
        .into_values()
        .flat_map(|(_, mutants)| mutants)
        .collect();
    assert_eq!(faults, mutants);
}

#[test]
fn the_table_lists_every_model() {
    let declared = models();
    let table = read(&here().join("../docs/invariants.md"));
    let listed: BTreeMap<_, _> = table.lines().filter_map(listed).collect();
    assert!(declared.len() > 40, "the models were not found");
    assert_eq!(declared, listed);
}
