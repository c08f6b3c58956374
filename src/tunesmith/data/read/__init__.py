"""From what the recipe names to records: files found, unpacked, decoded, their format recognised."""
