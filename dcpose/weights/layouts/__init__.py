"""How projects name the weights of the same networks, one file per family of networks."""
