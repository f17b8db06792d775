"""One careful reader and one careful writer for every file of the package."""
