//! The learners: what they must reach, what they must refuse, and that fast and plain arithmetic agree.

mod em;
mod sampling;
mod table;
mod truth;
