"""The hub: here so far only the side that an exam runs on, :mod:`proctor.hub.client`."""
