//! Every scenario that is shipped is as its author expected, and the same at each run.

use callboard_sim::scenario::{pack, packed};
use callboard_sim::{Options, Scenario, read_with, run};
use std::path::{Path, PathBuf};

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/scenarios");
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).expect("the folder").map(|file| file.expect("a file").path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "yml"));
    files.sort();
    files
}

fn scenario(path: &Path) -> Scenario {
    let name = path.file_name().expect("a name").to_string_lossy().into_owned();
    let load = |file: &str| std::fs::read(path.with_file_name(file)).map_err(|error| error.to_string());
    let read = read_with(&name, &std::fs::read(path).expect("a file"), &[], &load);
    read.unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn small_scenarios_pass() {
    let mut failed = String::new();
    for path in files() {
        let scenario = scenario(&path);
        if scenario.hosts() <= 100 {
            let outcome = run(&scenario, &Options::default());
            if !outcome.passed {
                failed.push_str(&outcome.summary().to_string());
            }
            assert_eq!(outcome.hash, run(&scenario, &Options::default()).hash, "{}", scenario.name);
        }
    }
    assert!(failed.is_empty(), "{failed}");
}

/// The large ones take too long without optimisation; the command line runs them.
#[test]
fn large_scenarios_can_be_read_and_scaled() {
    let large: Vec<Scenario> =
        files().iter().map(|path| scenario(path)).filter(|it| it.hosts() > 100).collect();
    for name in ["bad-build", "high-memory", "host-failure", "trickle"] {
        assert!(large.iter().any(|scenario| scenario.name == name && scenario.hosts() == 1000), "{name}");
    }
    for scenario in large {
        assert_eq!(scenario.scaled_to(37).hosts(), 37);
    }
}

#[test]
fn names_are_those_of_the_files() {
    for path in files() {
        assert_eq!(scenario(&path).name, path.file_stem().unwrap().to_string_lossy());
    }
}

/// The program holds what the folder holds, and each says what it teaches.
#[test]
fn all_are_shipped_and_teach_something() {
    let mut folder: Vec<String> = files().iter().map(|path| scenario(path).name).collect();
    let mut shipped: Vec<String> = pack().map(String::from).collect();
    folder.sort();
    shipped.sort();
    assert_eq!(shipped, folder);
    for name in shipped {
        let scenario = packed(&name, &[]).expect("it is shipped").unwrap_or_else(|error| panic!("{error}"));
        assert!(scenario.teaches.len() > 20 && scenario.description.len() > 20, "{name} teaches nothing");
    }
}
