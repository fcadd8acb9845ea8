# What can be done here. The work is in tools/*.sh; each says in its first lines what it does.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help demo example test lint bench bench-full soak valgrind install setup clean

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

demo: ## Watch a user being ensured in CometChat (KEEP=1: leave it running to try things)
	@KEEP='$(KEEP)' tools/demo.sh

example: ## Start the example web app: sign up, log in, chat; on a local CometChat, no accounts needed
	@tools/example.sh

test: ## Run all tests, in PostgreSQL 15 and 17 (PG=15: only there; T=name: those whose name contains it); last line: N passed, N failed, N skipped
	@COMETCHAT_PG='$(PG)' tools/test.sh '$(T)'

lint: ## Formatting, clippy, and the rules of the house
	@tools/lint.sh

bench: ## Measure: transport against bare ureq, ending a hanging call, cost of a sign-up, the worker
	@tools/bench.sh

bench-full: ## The same with 200 tries of everything, 1,000,000 users, 10,000 calls in one session
	@tools/bench.sh --full

soak: ## Kill worker, sessions and server 500 times in a run of sign-ups (KILLS=n; SEED=n: the same again)
	@tools/soak.sh '$(KILLS)' '$(SEED)'

valgrind: ## Run the tests of names and encodings on a server under valgrind (T=name: others), 20 minutes at the most
	@tools/valgrind.sh $(T)

install: ## Build and install into the PostgreSQL of PG_CONFIG=/path/to/pg_config
	@tools/install.sh '$(PG_CONFIG)'

setup: ## Only install what the other targets need
	@tools/setup.sh

clean: ## Remove what was built or fetched in here
	@tools/clean.sh
