"""Cinder's API as `serve_wsgi.py` serves it."""

import nephoscope_sqlite  # noqa: F401
from cinder.wsgi.api import application  # noqa: F401
