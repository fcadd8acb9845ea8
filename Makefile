# What can be done here. The work is in tools/*.sh; each says in its first lines what it does.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help setup build demo example examples example-vue example-angular example-nextjs example-expo example-from-your-own-route \
	check lint test test-all monitoring twins soak valgrind instructions bench bench-full install hosted package package-test clean

# The groups stand in the order of a newcomer's day; the targets of a group in the order of use.
help: ## This list
	@awk -F ':.*## ' '/^##@ / { printf "\n%s\n", substr($$0, 5) } \
	  /^[a-z-]+:.*## / { printf "  make %-14s  %s\n", $$1, $$2 }' Makefile

##@ Try it
demo: ## Watch a user being ensured in CometChat (KEEP=1: leave it running to try things)
	@KEEP='$(KEEP)' tools/demo.sh

example: ## Start the example web app: sign up, log in, chat; no accounts needed (APP=vue, angular, nextjs, expo: that one)
	@$(if $(APP),tools/examples.sh run '$(APP)',tools/example.sh)

install: ## Build and install into the PostgreSQL of PG_CONFIG=/path/to/pg_config
	@tools/install.sh '$(PG_CONFIG)'

##@ Ship it (RELEASING.md)
package: ## Build the Debian package and the tarball into target/package (PG=17: for PostgreSQL 17 instead of 15)
	@tools/package.sh '$(or $(PG),15)'

package-test: ## Install, upgrade, remove, purge that package in a bare Debian; lintian; Dockerfiles; built twice (PG=15, 17 or 18)
	@tools/package_test.sh '$(or $(PG),15)'

hosted: ## Make the edition for supabase.com, one SQL file: dist/cometchat_hosted.sql (docs/hosted.md)
	@tools/hosted.sh

##@ Work on it (CONTRIBUTING.md)
setup: ## Only install what the other targets need (PG=17: for PostgreSQL 17 instead of 15)
	@tools/setup.sh $(PG)

build: ## Build in dev mode what `cargo test -p scenarios NAME` needs (PG=17: for PostgreSQL 17)
	@tools/setup.sh '$(or $(PG),15)' && tools/build.sh '$(or $(PG),15)' dev

check: ## Before each commit, no server needed: lint, tests of the crates, simulator and TypeScript client
	@tools/check.sh

lint: ## Formatting, clippy, import graph, and the rules of the house
	@tools/lint.sh

test: ## Run all tests, in PostgreSQL 15 and 17 (PG=15: only there; T=name: those whose name contains it)
	@COMETCHAT_PG='$(PG)' tools/test.sh '$(T)'

test-all: ## Run all tests in PostgreSQL 15, 16, 17 and 18, hours on two cores; a table of suites and majors at the end
	@tools/test_all.sh '$(T)'

monitoring: ## Only try packaging/monitoring with the real Prometheus and postgres_exporter (PG=17: there)
	@COMETCHAT_PG='$(PG)' tools/monitoring.sh test

examples: ## Run the tests of the examples of docs/frameworks in a browser (make example-vue, …: of one), 10 minutes
	@tools/examples.sh test

example-vue example-angular example-nextjs example-expo example-from-your-own-route:
	@tools/examples.sh test $(@:example-%=%)

##@ Long runs
twins: ## Live through 5,000 users in both editions and compare each step (USERS=n; SEED=n: the same again)
	@tools/twins.sh '$(USERS)' '$(SEED)'

soak: ## An hour of kills, failovers, clock steps, upgrades and random walks (MINUTES=n; SEED=n: the same again)
	@tools/soak.sh '$(or $(MINUTES),60)' $(SEED)

valgrind: ## Run the tests of names and encodings under valgrind (T=name: others), 20 minutes at the most
	@tools/valgrind.sh $(T)

instructions: ## Count the instructions of a stored call, a sign-up's trigger, a user from the queue, an answer (PG=17)
	@COMETCHAT_PG='$(or $(PG),15)' tools/instructions.sh

bench: ## Measure: transport against bare ureq, ending a hanging call, cost of a sign-up, the worker
	@tools/bench.sh

bench-full: ## The same with 200 tries of everything, 1,000,000 users, 10,000 calls in one session
	@tools/bench.sh --full

##@ Tidy up
clean: ## Remove what was built or fetched in here
	@tools/clean.sh
