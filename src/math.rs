#![doc = include_str!("math.md")]
