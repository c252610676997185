"""The HTTP face: translates requests into pipeline calls, decides nothing."""
