//! How a device describes itself.

use std::fmt;

/// The kinds of devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Reference,
    Cpu,
    Gpu,
    /// A Vulkan adapter that is itself software.
    Software,
}

/// The adapter of a GPU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdapterInfo {
    pub name: String,
    /// "discrete GPU", "integrated GPU", …
    pub kind: String,
    /// "Vulkan", "Metal", "DX12"
    pub api: String,
    pub driver: String,
    /// How many other devices work with it.
    pub n_others: usize,
    /// How many others of its type failed to open.
    pub n_refused: usize,
}

/// A device as data. Its text, such as "cpu: 2 threads, f32", is for people and `summary.json`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    pub kind: Kind,
    /// Threads of the CPU.
    pub n_threads: usize,
    pub adapter: Option<AdapterInfo>,
}

impl Description {
    /// Name and value of what distinguishes the device from others of its kind: a GPU's adapter, type, API and driver. Empty for other
    /// devices.
    pub fn details(&self) -> Vec<(&'static str, String)> {
        let of =
            |a: &AdapterInfo| [("name", &a.name), ("type", &a.kind), ("api", &a.api), ("driver", &a.driver)].map(|(k, v)| (k, v.clone()));
        self.adapter.iter().flat_map(of).collect()
    }
}

impl fmt::Display for Description {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.adapter, self.kind) {
            (_, Kind::Reference) => write!(f, "reference: plain loops, f64"),
            (_, Kind::Cpu) | (None, _) => write!(f, "cpu: {} threads, f32", self.n_threads),
            (Some(adapter), kind) => {
                write!(f, "{}: {}, {}", if kind == Kind::Software { "software" } else { "gpu" }, adapter.name, adapter.api)?;
                for (n, what) in [(adapter.n_others, "more"), (adapter.n_refused, "that did not open")] {
                    if n > 0 {
                        write!(f, " and {n} {what}")?;
                    }
                }
                write!(f, ", f32")
            }
        }
    }
}
