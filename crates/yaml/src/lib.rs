//! YAML 1.1 as PyYAML's safe loader reads it, with positions.
