"""What can end a run too early, and what is told then."""
