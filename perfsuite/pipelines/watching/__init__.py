"""What happens while a pipeline is built and first called: what is compiled, where its code comes from."""
