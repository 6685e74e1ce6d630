"""The researcher's window: labels for recordings, by hand and by keyboard."""
