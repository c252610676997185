"""What the API shows: queries that change nothing, one module for each noun."""
