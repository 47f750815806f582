"""Networks on which people call the band."""
