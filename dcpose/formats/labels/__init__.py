"""Labels of other tools, read into one form."""
