"""NVIDIA GPUs by NVML. The library is loaded late, and only where a driver is."""
