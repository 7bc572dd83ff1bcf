"""Configuration files, TOML, made into Bilby objects and settings."""
