"""Use cases for the admin who monitors and runs a deployment."""
