"""Joules: whose energy it was, second by second (CONTRACTS §1). Everything but the voice and the day book is pure."""
