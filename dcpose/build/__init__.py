"""The only room that turns a config into objects."""
