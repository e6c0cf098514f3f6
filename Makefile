# A fresh machine needs git, make and Python 3.11 or newer; everything else comes into .venv.
# Flags for a command: make demo ARGS=--keep, make test ARGS="tests/unit -k plan".

.DEFAULT_GOAL := test
.PHONY: demo test test-long test-browser pictures bench chaos mutants conformance check package release docs audit test-tls clean

INSTALLED := .venv/.installed
INSTALLED_DEMO := .venv/.installed-demo
EXTRAS := worker,monitor,demo,test
ARGS :=
INSTALL_MORE := .venv/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e

demo: $(INSTALLED_DEMO)
	@.venv/bin/phoenix-lxc demo $(ARGS)

test: $(INSTALLED)
	@.venv/bin/pytest $(ARGS)

# What takes longest: outages of half a minute, failovers, a short chaos, a conformance run, the set-up page as typed (asks
# PyPI). Run it before a release.
test-long: $(INSTALLED)
	@.venv/bin/pytest -m long $(ARGS)

# A real browser before the page and Flower, services in JavaScript, a generated client, the alerts by promtool. Gets Chromium,
# Node.js and promtool by apt where they are missing, as root.
test-browser: $(INSTALLED)
	@scripts/browser.sh
	@.venv/bin/pytest -n0 -m browser tests/browser $(ARGS)

# The pictures of the page, docs/pictures, by the same browser.
pictures: $(INSTALLED)
	@scripts/browser.sh
	@PICTURES=docs/pictures .venv/bin/pytest -n0 -m browser tests/browser/test_page_pictures.py $(ARGS)

chaos: $(INSTALLED)
	@.venv/bin/python -m tests.chaos $(ARGS)

# What tests make of small changes to the rules: make mutants ARGS="core/allowed --show". Installs mutmut; asks PyPI.
mutants: $(INSTALLED)
	@.venv/bin/python -c 'import mutmut' 2>/dev/null || $(INSTALL_MORE) '.[mutants]'
	@.venv/bin/python -m tests.mutants $(ARGS)

# On a Proxmox of yours: make conformance ARGS="--pve URL --token USER@REALM!NAME --node … --storage … --ctids 9000-9020"
conformance: $(INSTALLED)
	@.venv/bin/python -m tests.conformance $(ARGS)

bench: $(INSTALLED)
	@.venv/bin/python -c 'import matplotlib' 2>/dev/null || $(INSTALL_MORE) '.[bench]'
	@.venv/bin/python -m tests.benchmarks $(ARGS)

# Builds wheel and sdist and installs them in fresh environments of every Python on this machine; asks PyPI.
package: $(INSTALLED)
	@.venv/bin/python scripts/package.py $(ARGS)

# The site of docs in build/site, each broken link an error. Installs mkdocs where it is missing; asks PyPI for it.
docs: $(INSTALLED)
	@.venv/bin/python -c 'import mkdocs, mkdocstrings' 2>/dev/null || $(INSTALL_MORE) '.[docs]'
	@NO_MKDOCS_2_WARNING=1 .venv/bin/mkdocs build --strict $(ARGS)

# Tags, builds and signs what is checked out, with an SBOM; publishing is the hosted workflow's, when the tag is pushed.
release: $(INSTALLED)
	@.venv/bin/python scripts/release.py $(ARGS)

# Redis over its own TLS: with a redis-server or valkey-server on PATH that has it (Debian: apt install redis-server).
test-tls: $(INSTALLED)
	@NATIVE_TLS=1 .venv/bin/pytest tests/acceptance/test_secured_redis.py $(ARGS)

# Known vulnerabilities of the pinned dependencies, and their licenses; asks PyPI.
audit: $(INSTALLED)
	@.venv/bin/python scripts/audit.py

check: $(INSTALLED)
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy producer/phoenix_producer worker/phoenix_worker tests scripts/install.py scripts/uv_command.py scripts/package.py scripts/audit.py scripts/node_door.py scripts/links.py scripts/release.py scripts/metadata.py scripts/docs_site.py
	.venv/bin/lint-imports
	.venv/bin/codespell
	.venv/bin/python scripts/links.py

clean:
	rm -rf .venv dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find producer worker tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(INSTALLED_DEMO): EXTRAS := monitor,http,demo
$(INSTALLED) $(INSTALLED_DEMO): pyproject.toml constraints.txt scripts/install.py scripts/uv_command.py
	@for python in python3 python3.11 python3.12 python3.13 python3.14; do \
	  "$$python" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue; \
	  exec "$$python" scripts/install.py "$@" "$(EXTRAS)"; \
	done; \
	echo "No Python >= 3.11 with its venv module found (tried python3, python3.11 ... python3.14)." \
	  "On Debian and Ubuntu: apt install python3-venv" >&2; \
	exit 1
