"""The voice: listens to people and answers them."""
