const LANES = 16u; // invocations that share a row
