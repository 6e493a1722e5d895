//! One declaration of the fields of an object in a scenario file, which is used three times: to read the object, to write
//! it, and to describe it in the schema.
//!
//! **Invariant:** what can be read can be written and is described, since there is no other way to name a field.

use super::read::Known;
use super::tree;
use callboard_core::config::{Fields, Item, Node};

/// An object in a scenario file.
pub(super) trait Shape: Clone + PartialEq {
    /// Gives what it is when all fields are left out that can be; of several kinds of objects, one of its own kind.
    fn basis(&self) -> Self;
    /// Names its fields.
    fn form(&mut self, form: &mut Form<'_, '_>);
}

/// What may stand in a field.
pub(super) trait Kind {
    /// What it is once it is read.
    type Value: Clone + PartialEq;
    /// Reads it; notes why it cannot be read.
    fn read(&self, item: &Item<'_>, known: &Known<'_>) -> Option<Self::Value>;
    /// Writes it.
    fn write(&self, value: &Self::Value) -> Node;
    /// Describes it, as JSON Schema does.
    fn describe(&self) -> Node;
}

/// A field that was written: its name, what stands in it, and whether it must be there.
type Written = (&'static str, Node, bool);

/// What is done with the fields that are named.
pub(super) enum Form<'f, 'a> {
    /// They are read.
    Read {
        /// Where from.
        fields: &'f mut Fields<'a>,
        /// What they may refer to.
        known: &'f Known<'f>,
    },
    /// They are written, all of them.
    Write {
        /// What was written, and whether it must be.
        written: Vec<Written>,
    },
    /// They are described.
    Describe {
        /// What they are.
        properties: Vec<(&'static str, Node)>,
        /// Those that must be there.
        required: Vec<&'static str>,
        /// Ways of saying the same, of which exactly one must be used: each by one field at least.
        one_of: Vec<&'static [&'static str]>,
    },
}

impl Form<'_, '_> {
    /// Names a field that must be there.
    pub(super) fn must<K: Kind>(&mut self, name: &'static str, says: &str, kind: &K, value: &mut K::Value) {
        match self {
            Form::Read { fields, known } => {
                if let Some(read) = kind.read(&fields.required(name), known) {
                    *value = read;
                }
            }
            Form::Write { written } => written.push((name, kind.write(value), true)),
            Form::Describe { properties, required, .. } => {
                properties.push((name, described(says, kind.describe())));
                required.push(name);
            }
        }
    }

    /// Names a field that is as it is when it is left out.
    pub(super) fn may<K: Kind>(&mut self, name: &'static str, says: &str, kind: &K, value: &mut K::Value) {
        match self {
            Form::Read { fields, known } => {
                if let Some(read) = fields.optional(name).and_then(|item| kind.read(&item, known)) {
                    *value = read;
                }
            }
            Form::Write { written } => written.push((name, kind.write(value), false)),
            Form::Describe { properties, .. } => {
                let default = [("default", kind.write(value))];
                properties.push((name, tree::with(described(says, kind.describe()), default)));
            }
        }
    }

    /// Names a field that is as it is when it is left out, and is written all the same.
    pub(super) fn always<K: Kind>(&mut self, name: &'static str, says: &str, kind: &K, value: &mut K::Value) {
        self.may(name, says, kind, value);
        if let Form::Write { written } = self {
            written.iter_mut().filter(|field| field.0 == name).for_each(|field| field.2 = true);
        }
    }

    /// Names a field without which there is nothing.
    pub(super) fn maybe<K: Kind>(
        &mut self,
        name: &'static str,
        says: &str,
        kind: &K,
        value: &mut Option<K::Value>,
    ) {
        match self {
            Form::Read { fields, known } => {
                if let Some(read) = fields.optional(name).and_then(|item| kind.read(&item, known)) {
                    *value = Some(read);
                }
            }
            Form::Write { written } => {
                written.extend(value.as_ref().map(|value| (name, kind.write(value), false)));
            }
            Form::Describe { properties, .. } => properties.push((name, described(says, kind.describe()))),
        }
    }

    /// Says that exactly one of these ways must be used, each by one of its fields at least; the caller has seen whether
    /// it is so.
    pub(super) fn exactly_one(
        &mut self,
        ways: &[&'static [&'static str]],
        is_so: bool,
        problem: &str,
        allowed: &str,
    ) {
        match self {
            Form::Read { fields, .. } if !is_so => fields.wrong(problem, allowed, ""),
            Form::Describe { one_of, .. } => one_of.extend(ways),
            Form::Read { .. } | Form::Write { .. } => {}
        }
    }

    /// Notes a mistake about the object as a whole, when one is read.
    pub(super) fn wrong(&mut self, problem: &str, allowed: &str) {
        if let Form::Read { fields, .. } = self {
            fields.wrong(problem, allowed, "");
        }
    }

    fn written(self) -> Vec<Written> {
        match self {
            Form::Write { written } => written,
            Form::Read { .. } | Form::Describe { .. } => Vec::new(),
        }
    }

    /// Begins to describe an object.
    pub(super) fn description() -> Form<'static, 'static> {
        Form::Describe { properties: Vec::new(), required: Vec::new(), one_of: Vec::new() }
    }

    /// Gives the names of the fields that were named.
    pub(super) fn names(&self) -> Vec<&'static str> {
        match self {
            Form::Describe { properties, .. } => properties.iter().map(|(name, _)| *name).collect(),
            Form::Read { .. } | Form::Write { .. } => Vec::new(),
        }
    }

    /// Gives the description of an object, all fields of which were named.
    pub(super) fn described(self) -> Node {
        let Form::Describe { properties, required, one_of } = self else { return tree::nothing() };
        let names = |names: Vec<&'static str>| tree::list(names.into_iter().map(tree::text));
        let mut schema =
            tree::object([("type", tree::text("object")), ("properties", tree::object(properties))]);
        if !required.is_empty() {
            schema = tree::with(schema, [("required", names(required))]);
        }
        if !one_of.is_empty() {
            let there = |name: &&'static str| tree::object([("required", names(vec![*name]))]);
            let each = one_of.into_iter().map(|way| match way {
                [name] => there(name),
                names => tree::object([("anyOf", tree::list(names.iter().map(there)))]),
            });
            schema = tree::with(schema, [("oneOf", tree::list(each))]);
        }
        tree::with(schema, [("additionalProperties", tree::plain(false))])
    }

    /// Gives what fields may refer to, when they are read.
    pub(super) fn known(&self) -> Option<&Known<'_>> {
        match self {
            Form::Read { known, .. } => Some(known),
            Form::Write { .. } | Form::Describe { .. } => None,
        }
    }
}

/// Says of something that is described what it is for.
pub(super) fn described(says: &str, kind: Node) -> Node {
    tree::join(tree::object([("description", tree::text(says))]), kind)
}

/// Reads an object: whatever is left out is as in `basis`.
pub(super) fn read<T: Shape>(basis: T, item: &Item<'_>, known: &Known<'_>) -> Option<T> {
    item.object(|fields| {
        let mut value = basis;
        value.form(&mut Form::Read { fields, known });
        value
    })
}

/// Writes an object, without what can be left out.
pub(super) fn write<T: Shape>(value: &T) -> Node {
    needed(value, &value.basis(), T::form)
}

/// Writes those fields of an object that must be there or are not as they are when they are left out.
pub(super) fn needed<T: Clone>(value: &T, left_out: &T, name: fn(&mut T, &mut Form<'_, '_>)) -> Node {
    let all = |value: &T| {
        let mut form = Form::Write { written: Vec::new() };
        name(&mut value.clone(), &mut form);
        form.written()
    };
    let left_out = all(left_out);
    let needed = all(value).into_iter().filter(|field| field.2 || !left_out.contains(field));
    tree::object(needed.map(|(name, node, _)| (name, node)))
}

/// Describes an object.
pub(super) fn describe<T: Shape>(basis: &T) -> Node {
    let mut form = Form::description();
    basis.clone().form(&mut form);
    form.described()
}
