"""The command lines, one file each: `main` reads arguments, calls a job and prints."""
