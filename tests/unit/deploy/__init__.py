"""What cannot run without containers is read and checked."""
