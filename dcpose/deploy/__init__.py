"""What is done to a trained network so that it runs faster or elsewhere."""
