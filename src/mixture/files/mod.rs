//! Files of mixtures and points.
