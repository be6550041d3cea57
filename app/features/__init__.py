"""What the application does, one folder a feature."""
