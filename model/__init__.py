"""The composer: knows music only."""
