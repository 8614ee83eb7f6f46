"""How the model of a scene before a camera at rest is made: possible clips -> weights and a calibrated surprise."""
