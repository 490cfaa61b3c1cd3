"""Metrics of programs that speak OTLP, brought into the catalogue's names and units. Imported only once switched on.

In the order of a number's way: `wire` (bytes → message), `points` (message → points), `rules` (name → what it is
here), `streams` (what grew since last time), `distribution` (buckets → mean and quantiles), `receiver` (all of it).
"""
