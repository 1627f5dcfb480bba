//! The learners: what they must reach, what they must refuse, and that fast and plain arithmetic agree.

mod choice;
mod covariances;
mod draws;
mod em;
mod learners;
mod made;
mod odd;
mod parity;
mod points_as_teacher;
mod refusals;
mod sampling;
mod table;
mod thinned;
mod truth;
mod verb;
