"""How the robot's world model is made: driven rooms -> drives -> batches -> weights and held-out figures."""
