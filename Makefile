# Everything needs Python 3.11 or newer and make, nothing else.
PYTHON ?= python3
BIN := .venv/bin
LOCK := uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header

.PHONY: up test check lock local-model benchmark memory scale readers chaos conformance escapes browser fuzz clean

up: .venv/run  ## set everything up and start Turnlog
	@$(BIN)/turnlog up

test: .venv/dev  ## set everything up and run the tests
	@$(BIN)/pytest

check: .venv/dev  ## lint, types, imports, sizes
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/basedpyright --warnings
	@$(BIN)/lint-imports
	@$(BIN)/python tests/sizes.py

local-model: .venv/dev  ## judge the built-in small model over the real tool list (several minutes)
	@$(BIN)/python -m benchmarks.local_model

benchmark: .venv/dev  ## CPU a turn against the bare Agents SDK, a tool call against a bare route; two replicas
	@$(BIN)/python -m benchmarks.turn
	@$(BIN)/python -m benchmarks.tools
	@$(BIN)/python -m benchmarks.limits
	@$(BIN)/python -m benchmarks.start
	@$(BIN)/python -m benchmarks.fleet

memory: .venv/dev  ## 200,000 tool calls, whose server is to grow by nothing (five minutes)
	@MEMORY_CALLS=200000 $(BIN)/python -m benchmarks.tools

scale: .venv/dev  ## a million messages against ten thousand (five minutes); MESSAGES=1000000
	@$(BIN)/python -m benchmarks.scale

readers: .venv/dev  ## what 500 stalled readers and 1,000 idle ones cost the others (two minutes)
	@$(BIN)/python -m benchmarks.readers

chaos: .venv/dev  ## hurt a cluster while clients use it; TURNS=10000 KILLS=900 SEED=1
	@TURNS=$(TURNS) KILLS=$(KILLS) SEED=$(SEED) $(BIN)/python -m tests.chaos

conformance: .venv/dev  ## the official MCP conformance suite against the tool server (half a minute; fetches it once)
	@$(BIN)/python -m tests.conformance

escapes: .venv/dev  ## races for files, ways out of folders and of the sandbox, deaths in a call, a crowd, bodies, tokens: all of them (three minutes)
	@RACES=10000 EVERY_ESCAPE=1 EVERY_DEATH=1 PEOPLE=50 $(BIN)/pytest -n0 -o timeout=900 \
		tests/mcp_server/test_file_races.py tests/mcp_server/test_file_escapes_spelled.py \
		tests/mcp_server/test_python_escapes.py tests/mcp_server/test_effects_killed.py \
		tests/mcp_server/test_isolation.py tests/chat_api/test_hostile_json.py tests/chat_api/test_auth_forgeries.py

browser: .venv/dev  ## all tests of the web page, each flow on a desktop and on a phone (two minutes)
	@EVERY_WIDTH=1 PAGE_KILLS=1 $(BIN)/pytest tests/web_ui

fuzz: .venv/dev  ## 100,000 requests made from the OpenAPI document (forty minutes); CASES=10000 SEED=1
	@CASES=$(CASES) SEED=$(SEED) $(BIN)/python -m tests.fuzz

lock:  ## renew the lock files (needs uv)
	$(LOCK) --extra embedded --extra local --extra web --group build -o requirements.lock
	$(LOCK) --extra embedded --extra local --extra web --group dev -o requirements-dev.lock
	$(LOCK) --group build --constraints requirements.lock -o requirements-server.lock  # for the container image
	$(LOCK) --extra web --group build --constraints requirements.lock -o requirements-web.lock  # for that of the web page

clean:
	rm -rf .venv

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Turnlog needs Python 3.11 or newer; try: make up PYTHON=python3.12")'
	@$(PYTHON) -m venv .venv

.venv/run: requirements.lock pyproject.toml | .venv/bin/python
	@echo "Installing Turnlog into .venv (about a minute the first time)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

.venv/dev: requirements-dev.lock .venv/run
	@echo "Installing the test tools into .venv"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@
