"""What may not be lost (DESIGN §3): the mapped ring file for samples, the transactional journal for state."""
