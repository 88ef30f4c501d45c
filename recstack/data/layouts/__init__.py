"""Ready-made mappings for the layouts that people have; `inspection.like` fills them in."""
