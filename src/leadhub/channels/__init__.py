"""How each kind of sender is verified and unpacked; pure over the request."""
