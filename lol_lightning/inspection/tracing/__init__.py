"""What an LF reads and asks for, noted while it runs on an instrumented data point."""
