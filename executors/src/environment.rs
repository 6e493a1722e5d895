//! What every task finds in its environment, whatever runs it.

use crate::Failure;
use callboard_core::model::{Task, port_variable};
use std::collections::BTreeMap;

/// Tells a task who it is and which ports it was given: `PORT` and `CALLBOARD_PORT`, `PORT_<NAME>` for each further one,
/// and `CALLBOARD_` with what names it.
pub(crate) fn of(task: &Task) -> BTreeMap<String, String> {
    let mut environment: BTreeMap<String, String> = BTreeMap::new();
    let mut set = |name: &str, value: &dyn ToString| environment.insert(name.to_string(), value.to_string());
    if let Some(port) = task.port {
        set("PORT", &port);
        set("CALLBOARD_PORT", &port);
    }
    for (name, of) in &task.ports {
        set(&port_variable(name), &of.port);
    }
    set("CALLBOARD_TASK_ID", &task.id);
    set("CALLBOARD_CLUSTER", &task.cluster);
    set("CALLBOARD_SERVICE", &task.service);
    set("CALLBOARD_HOST", &task.host);
    set("CALLBOARD_VERSION", &task.version);
    set("CALLBOARD_INSTANCE", &task.instance);
    set("CALLBOARD_GENERATION", &task.generation);
    environment
}

/// Adds what a container sets, each line `NAME=value`.
///
/// # Errors
/// A line is none.
pub(crate) fn extend(environment: &mut BTreeMap<String, String>, lines: &[String]) -> Result<(), Failure> {
    for line in lines {
        match line.split_once('=') {
            Some((name, value)) if is_name(name) && !value.contains('\0') => {
                environment.insert(name.to_string(), value.to_string());
            }
            _ => return Err(Failure(format!("env: {line:?} is not of the form NAME=value"))),
        }
    }
    Ok(())
}

/// Tells whether a shell can speak of a variable that is so called.
fn is_name(name: &str) -> bool {
    !name.starts_with(|first: char| first.is_ascii_digit())
        && !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
