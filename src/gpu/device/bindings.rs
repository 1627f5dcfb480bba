//! The bindings of a module, read from its declarations: one per line, `@group(0) @binding(N) var… name: type`.

/// How a kernel uses a binding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    Uniform,
    Read,
    Write,
    TextureRead,
    TextureWrite,
}

/// One declared binding.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Binding {
    pub at: u32,
    pub name: String,
    pub access: Access,
}

/// The bindings of a module, in the order of their numbers.
///
/// # Panics
/// If a declaration has another form. (A test compares all modules of this crate with what a compiler reads.)
pub fn declared(source: &str) -> Vec<Binding> {
    let lines = source.lines().filter_map(|line| line.strip_prefix("@group(0) @binding("));
    let read = |line: &str| declaration(line).unwrap_or_else(|| panic!("a binding of another form: {line}"));
    let mut bindings: Vec<_> = lines.map(read).collect();
    bindings.sort();
    bindings
}

/// The binding declared after `@group(0) @binding(`.
fn declaration(line: &str) -> Option<Binding> {
    let (at, rest) = line.split_once(") var")?;
    let (qualifier, rest) = match rest.strip_prefix('<') {
        Some(rest) => rest.split_once('>')?,
        None => ("", rest),
    };
    let (name, of) = rest.trim_start().split_once(": ")?;
    let access = match qualifier {
        "uniform" => Access::Uniform,
        "storage, read" => Access::Read,
        "storage, read_write" => Access::Write,
        "" if of.starts_with("texture_storage_2d<rgba32float, read>") => Access::TextureRead,
        "" if of.starts_with("texture_storage_2d<rgba32float, write>") => Access::TextureWrite,
        _ => return None,
    };
    Some(Binding { at: at.parse().ok()?, name: name.into(), access })
}

/// The resource for each binding after the params, in order.
///
/// # Panics
/// If a binding has no resource, or a resource no binding.
pub fn matched<T: Clone>(kernel: &str, bindings: &[Binding], given: &[(&str, T)]) -> Vec<(u32, T)> {
    let wanted = || bindings.iter().filter(|binding| binding.access != Access::Uniform);
    let names = || wanted().map(|binding| binding.name.as_str()).collect::<Vec<_>>();
    for (at, (name, _)) in given.iter().enumerate() {
        assert!(names().contains(name), "{kernel} binds {:?}, not {name}", names());
        assert!(given[..at].iter().all(|(other, _)| other != name), "{kernel} is given {name} twice");
    }
    let of = |binding: &Binding| {
        let found = given.iter().find(|(name, _)| *name == binding.name);
        let (_, resource) = found.unwrap_or_else(|| panic!("{kernel} is given nothing for {}", binding.name));
        (binding.at, resource.clone())
    };
    wanted().map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODULE: &str = "@group(0) @binding(0) var<uniform> params: Params;\n\
        @group(0) @binding(2) var<storage, read_write> out: array<vec4f>; // (n)\n\
        @group(0) @binding(1) var table: texture_storage_2d<rgba32float, read>;\n";

    #[test]
    fn declarations_are_read_in_order() {
        let [params, table, out] = &declared(MODULE)[..] else { panic!() };
        assert_eq!((params.at, params.access), (0, Access::Uniform));
        assert_eq!((table.at, table.name.as_str(), table.access), (1, "table", Access::TextureRead));
        assert_eq!((out.at, out.name.as_str(), out.access), (2, "out", Access::Write));
    }

    #[test]
    fn names_decide_and_not_the_order() {
        assert_eq!(matched("k", &declared(MODULE), &[("out", 'o'), ("table", 't')]), [(1, 't'), (2, 'o')]);
    }

    #[test]
    #[should_panic(expected = "not tables")]
    fn an_unknown_name_is_refused() {
        matched("k", &declared(MODULE), &[("out", 'o'), ("tables", 't')]);
    }

    #[test]
    #[should_panic(expected = "nothing for table")]
    fn a_missing_one_is_refused() {
        matched("k", &declared(MODULE), &[("out", 'o')]);
    }

    #[test]
    #[should_panic(expected = "another form")]
    fn another_form_is_refused() {
        declared("@group(0) @binding(1) var<storage> out: array<u32>;");
    }
}
