//! Devices nobody has at hand.
