"""What an admin needs to watch and run a deployment."""
