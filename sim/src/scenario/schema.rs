//! The JSON Schema of scenario files, for editors.

use super::Scenario;
use super::form::Form;
use super::{configuration, tree};

/// Gives the JSON Schema of scenario files.
#[must_use]
pub fn schema() -> String {
    let mut form = Form::description();
    let mut scenario = Scenario::default();
    scenario.world(&mut form);
    scenario.events(&mut form);
    configuration::sections(&mut form);
    let head = tree::object([
        ("$schema", tree::text("https://json-schema.org/draft/2020-12/schema")),
        ("title", tree::text("A scenario of the Callboard simulator")),
    ]);
    tree::json(&tree::join(head, form.described()))
}
