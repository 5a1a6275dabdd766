"""What the commands do, one file each: from a config to files."""
