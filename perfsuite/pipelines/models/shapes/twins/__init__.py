"""Small trained companions of the small SDXL: adapters, a smaller UNet and a tiny decoder.

Each module is a command that trains one of them from the weights that ship; `lessons` holds what they
share. All are seeded and resumable, as `train` is.
"""
