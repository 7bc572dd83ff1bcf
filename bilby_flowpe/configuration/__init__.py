"""Configuration files (TOML), and the Bilby objects and settings made from them."""
