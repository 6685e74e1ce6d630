"""How the hub's database came to be what it is (Alembic); ``proctor hub migrate`` brings one up to date."""
