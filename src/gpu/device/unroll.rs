//! Unrolls loops in the text of a shader. No compiler between WGSL and the machine unrolls loops reliably, and arrays in loops that are not
//! unrolled end up in memory.
//!
//! `//* for c in FEATURES` … `//* end` repeats the lines between for c = 0, 1, …; in them `$c` is that number, `$c/4` and `$c%4` its
//! quotient and remainder, and `.$c%4` one of x, y, z, w. `//* every 4 c` … `//* end` keeps its lines if c is a multiple of 4, and `//*
//! every 4 c from KEPT` only from that number on. `//* include name` inserts a part. Parts are expanded as well.

/// The values of the names in a template.
pub(crate) struct Names<'a> {
    /// The number of repetitions of `//* for … in NAME`.
    pub counts: &'a [(&'a str, usize)],
    /// The text that `//* include name` inserts.
    pub parts: &'a [(&'a str, &'a str)],
}

/// The text with every loop unrolled.
///
/// # Panics
/// On a name that is not among `names`, or a `for` without its `end`. (A test expands all templates of this crate.)
pub(crate) fn unroll(template: &str, names: &Names) -> String {
    let mut out = String::with_capacity(16 * template.len());
    expand(&template.lines().collect::<Vec<_>>(), names, &mut Vec::new(), &mut out);
    out
}

fn expand(lines: &[&str], names: &Names, values: &mut Vec<(char, usize)>, out: &mut String) {
    let mut at = 0;
    while at < lines.len() {
        let words: Vec<&str> = lines[at].split_whitespace().collect();
        match words[..] {
            ["//*", "for", variable, "in", name] => {
                let end = at + matching_end(&lines[at..]);
                for value in 0..look_up(names.counts, name) {
                    values.push((variable.chars().next().unwrap_or('_'), value));
                    expand(&lines[at + 1..end], names, values, out);
                    values.pop();
                }
                at = end;
            }
            ["//*", "every", n, variable, ref from @ ..] => {
                let end = at + matching_end(&lines[at..]);
                let value = value_of(variable, values, lines[at]);
                let reached = !matches!(from, ["from", name] if value < look_up(names.counts, name));
                if reached && value.is_multiple_of(n.parse().unwrap_or(1)) {
                    expand(&lines[at + 1..end], names, values, out);
                }
                at = end;
            }
            ["//*", "include", name] => expand(&look_up(names.parts, name).lines().collect::<Vec<_>>(), names, values, out),
            _ => {
                substitute(lines[at], values, out);
                out.push('\n');
            }
        }
        at += 1;
    }
}

fn matching_end(lines: &[&str]) -> usize {
    let mut depth = 0;
    for (at, line) in lines.iter().enumerate() {
        match line.split_whitespace().collect::<Vec<_>>()[..] {
            ["//*", "for" | "every", ..] => depth += 1,
            ["//*", "end"] => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at;
        }
    }
    panic!("a repetition in a template has no end: {}", lines[0]);
}

fn look_up<T: Copy>(table: &[(&str, T)], name: &str) -> T {
    table.iter().find(|entry| entry.0 == name).unwrap_or_else(|| panic!("a template names {name}, which nobody defined")).1
}

fn value_of(variable: &str, values: &[(char, usize)], line: &str) -> usize {
    values.iter().rev().find(|v| variable.starts_with(v.0)).unwrap_or_else(|| panic!("${variable} has no value in: {line}")).1
}

/// `line` with every `$v`, `$v/n` and `$v%n` replaced.
fn substitute(line: &str, values: &[(char, usize)], out: &mut String) {
    let mut parts = line.split('$');
    out.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let mut rest = part.chars();
        let value = value_of(rest.next().map_or("", |first| &part[..first.len_utf8()]), values, line);
        let text = rest.as_str();
        let operand = text[1.min(text.len())..].chars().next().and_then(|digit| digit.to_digit(10)).map(|digit| digit as usize);
        match (text.chars().next(), operand) {
            (Some('/'), Some(n)) => out.push_str(&format!("{}{}", value / n, &text[2..])),
            (Some('%'), Some(n)) if out.ends_with('.') => out.push_str(&format!("{}{}", ["x", "y", "z", "w"][value % n], &text[2..])),
            (Some('%'), Some(n)) => out.push_str(&format!("{}{}", value % n, &text[2..])),
            _ => out.push_str(&format!("{value}{text}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repetitions_nest_and_parts_are_expanded() {
        let names =
            Names { counts: &[("N", 2), ("NONE", 0), ("M", 5), ("KEPT", 4)], parts: &[("part", "//* for b in N\nb$b$r;\n//* end")] };
        assert_eq!(unroll("//* for r in N\nr$ru\n//* include part\n//* end\nlast", &names), "r0u\nb00;\nb10;\nr1u\nb01;\nb11;\nlast\n");
        assert_eq!(unroll("//* for r in NONE\n//* for c in N\n$c\n//* end\n//* end\nx", &names), "x\n");
        assert!(unroll("//* for c in M\na$c/4.$c%4 $c%3\n//* end", &names).ends_with("a0.w 0\na1.x 1\n"));
        assert_eq!(unroll("//* for c in M\n//* every 2 c\n$c\n//* end\n//* end", &names), "0\n2\n4\n");
        assert_eq!(unroll("//* for c in M\n//* every 2 c from KEPT\n$c\n//* end\n//* end", &names), "4\n");
    }

    #[test]
    #[should_panic(expected = "no end")]
    fn a_missing_end_is_found() {
        unroll("//* for r in N\nx", &Names { counts: &[("N", 2)], parts: &[] });
    }
}
