"""latentworld: a robot that simulates the consequences of its actions, in latent space, before it takes them."""

__version__ = "0.1.0"
