"""Parts of the packaged person detector."""
