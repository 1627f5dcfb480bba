//! Teachers.
