const SCATTERED = false; // totals of coefficients
