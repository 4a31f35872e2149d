//! docs/invariants.md lists every loom model with its bound and its mutants.

use std::collections::BTreeMap;
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

#[test]
fn the_table_lists_every_model() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = fs::read_dir(here.join("tests/loom")).expect("the models");
    let files = files.map(|file| read(&file.expect("a file").path()));
    let declared: BTreeMap<_, _> = files.flat_map(|source| declared(&source)).collect();
    let table = read(&here.join("../docs/invariants.md"));
    let listed: BTreeMap<_, _> = table.lines().filter_map(listed).collect();
    assert!(declared.len() > 40, "the models were not found");
    assert_eq!(declared, listed);
}
