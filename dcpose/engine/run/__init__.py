"""The run folder: what it holds, and how a run goes on from it."""
