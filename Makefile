SHELL := /bin/bash
ENV := . .venv/env.sh &&

.PHONY: help demo test setup lint clean

help: ## what can be made
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /make \1\t/' | expand -t 14

demo: ## drive unseen rooms over ROS 2, beside simple controllers; writes demo_output/
	@./latentworld demo $(ARGS)

test: setup ## everything, over real DDS
	@$(ENV) python -m pytest $(ARGS)

setup: ## prepare .venv/ (the others do it by themselves)
	@tools/setup.sh

lint: setup ## style of the code
	@$(ENV) ruff check .

clean: ## remove what was prepared
	rm -rf .venv
