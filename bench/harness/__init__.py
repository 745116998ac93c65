"""Measures Mailstead and its peers side by side; started by bench/run."""
