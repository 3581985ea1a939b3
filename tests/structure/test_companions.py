"""The small model's companions are what their cards say: small, whole, and they take hold."""




MOST_BYTES = 12_000_000


def sums(place):
    return [line.split("  ", 1) for line in place.with_name(f"{place.name}.sha256").read_text().splitlines()]
