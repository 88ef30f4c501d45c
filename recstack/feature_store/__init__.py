"""Everything of Feast: configuration, registry, offline join, online reads; faster classes stand in `feast_*`."""
