const LANES = 1u; // invocations that share a row
