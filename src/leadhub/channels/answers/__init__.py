"""What a person filled in, in a form or at a bot: names and texts, and what they stand for."""
