"""Finds, fetches and verifies the networks named in manifest.toml."""
