"""What a demo looked like, drawn after it from what was recorded: a film strip and a film."""
