"""The tap in front of a real llama.cpp with small models of random weights: `make test-long`."""
