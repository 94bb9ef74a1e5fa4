"""Who is calling and what they may do: accounts, teams, projects, keys."""
