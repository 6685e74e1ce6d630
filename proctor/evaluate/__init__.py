"""The researcher's instrument: false flags and misses, measured on labelled recordings."""
