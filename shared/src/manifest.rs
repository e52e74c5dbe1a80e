//! The manifest of a package: canonical text (being written).
