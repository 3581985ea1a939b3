"""What a pipeline does, counted: graphs, synchronisations, operators. No timing, so no noise."""
