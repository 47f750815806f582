"""Thousands of posts through a real bot, real workers and a real Redis, while all of them fall over."""
