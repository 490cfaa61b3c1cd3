# Each word prints what it does and where the result is. `make help` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help setup dev up down test test-long test-attacks test-faults bench lint fix proto lock

help:
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

proto: $(VENV)/.dev ## write the generated readers of proto/
	$(BIN)/python proto/generate.py
