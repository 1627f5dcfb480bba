const SCATTERED = true; // totals of gradients
