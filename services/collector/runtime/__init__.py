"""What all samplers of model runtimes share: finding them, asking them, reading what they answer."""
