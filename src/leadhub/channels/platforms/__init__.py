"""The platforms: one module each, with its proof, its reading and what to do in its screens."""
