"""Pure rules: values in, decisions with reasons out."""
