"""What caused that? A value that leaves its usual range is kept with the processes of that moment."""
