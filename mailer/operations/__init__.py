"""Use cases for the admin of the service: watching and running a deployment."""
