"""Energy E(t) and the signals derived from tokens (CONTRACTS §2, §3). Pure: time comes in as an argument."""
