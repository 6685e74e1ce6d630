"""The hub: what an institution runs. Only :mod:`proctor.hub.client` and ``staff_client`` run elsewhere."""
