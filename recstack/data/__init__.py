"""From any source to checked interactions and items: the contract, ingest, numbering of ids, and splits."""
