"""Who uses the machine: scan, compare two scans, add up by name, keep the top ones."""
