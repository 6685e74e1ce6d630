"""One step a file. Steps of different parts of the hub stand side by side on ``core_0001``."""
