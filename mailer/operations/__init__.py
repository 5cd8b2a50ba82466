"""Use cases for the admin of a deployment: watching it and running it."""
