"""The studio: turns a request into a finished track."""
