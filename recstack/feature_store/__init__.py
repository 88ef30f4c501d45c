"""Everything of Feast: configuration, registry, offline join, online reads; `feast_*` are faster store classes."""
