"""What the program tells about itself, without telling what the person typed."""
