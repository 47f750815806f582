.PHONY: help set-up demo test soak lint types layers

help:  ## what can be made
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

set-up:  ## system packages, .venv, Python packages; quick when done before
	@./set-up

demo: set-up  ## play one post through the whole band; the track comes to out/demo
	.venv/bin/lnh play "@lnh_ai Dancing robots /compose /g heavy-metal /t 160 /r 0.2" --out out/demo

test: set-up  ## all tests
	.venv/bin/python -m pytest

soak: set-up  ## 10,000 posts while everything falls over; for less: make soak ARGS="--posts 500"
	PYTHONPATH=.:tests:tests/bot/platforms .venv/bin/python -m soak $(ARGS)

lint: set-up  ## style and likely mistakes
	.venv/bin/ruff check

types: set-up  ## mypy, strict
	.venv/bin/mypy

layers: set-up  ## imports run bot, worker, model and never back
	.venv/bin/lint-imports
