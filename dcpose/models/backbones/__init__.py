"""Networks that see one image each."""
