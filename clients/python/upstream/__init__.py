"""Runs the test suites of others, unchanged, on this package: `python -m upstream <suite>`. See `__main__.py`."""
