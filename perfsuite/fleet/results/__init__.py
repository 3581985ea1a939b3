"""What a folder of a plan says to readers: how far it is, its cells, its merged results."""
