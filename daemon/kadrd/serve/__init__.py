"""The socket: listener (get it), session (one connection), commands (one function for each request)."""
