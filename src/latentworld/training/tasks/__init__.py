"""How models of other people's tasks are made: episodes of stable-worldmodel -> a model that plans to a picture."""
