"""What an admin watches: the figures of `/metrics`."""
