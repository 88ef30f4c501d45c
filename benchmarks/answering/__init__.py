"""One answer end to end: a made-up deployment, three servers in front of it, and what loads them."""
