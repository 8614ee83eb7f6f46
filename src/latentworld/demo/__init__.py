"""The whole product in one command: driven live, scored beside simple controllers, drawn."""
