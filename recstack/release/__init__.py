"""From a trained candidate to what is served: promotion (who becomes champion, and why) and rollout."""
