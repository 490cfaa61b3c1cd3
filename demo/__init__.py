"""A demonstration without any model installed: tiny random models, served by a real llama.cpp, through the tap."""
