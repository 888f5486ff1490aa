# What must hold before a change lands.

.PHONY: check check-cuda unit test emulated-cuda cuda

check: ## Format, lints, documentation
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --document-private-items --locked --quiet

unit: build ## Unit, property and pipeline tests
	cargo test --release --workspace --locked

# The device that tests run the CUDA path on where there is no GPU.
EMULATOR := $(abspath target/emulator)
# What it compiles of the path, and the tests that need a device.
CUDA_TESTS := -p cuda --lib -p engine --test conformance -p house-tests --test cuda

check-cuda: ## Lints of the feature cuda; neither a GPU nor anything of CUDA is needed
	cargo clippy --workspace --all-targets --locked --features cuda -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc -p cuda -p engine --features cuda --no-deps --document-private-items --locked --quiet

emulated-cuda: ## The tests of the feature cuda on an emulated device
	crates/cuda/emulator/build $(EMULATOR)
	cargo build --release --workspace --locked --features cuda
	SECATEUR_NEEDS_CUDA=1 SECATEUR_EMULATOR=$(EMULATOR) LD_LIBRARY_PATH=$(EMULATOR) EMULATED_MEMORY=400000000 \
		SECATEUR_CACHE=$(EMULATOR)/measured cargo test --release --locked --features cuda $(CUDA_TESTS)

cuda: ## The tests of the feature cuda on this machine's GPU
	cargo build --release --workspace --locked --features cuda
	SECATEUR_NEEDS_CUDA=1 cargo test --release --locked --features cuda $(CUDA_TESTS)

test: check check-cuda unit emulated-cuda ## Everything that CI runs

.PHONY: faults

faults: build ## Every stage under kills, failing calls, full disks, limits and damaged files (minutes): [ONLY=...]
	$(BIN)/faults --bin $(BIN) $(if $(ONLY),--only $(call quoted,$(ONLY)))

.PHONY: bench-peers bench-layers parity

bench-peers: build ## Time ours against PyTorch, ONNX Runtime and OpenVINO: PYTHON=... [OUT=rows.jsonl]
	$(PYTHON) pipelines/peers/bench.py $(BIN) $(if $(filter command line environment,$(origin OUT)),--out $(OUT))

parity: build ## Checkpoints to PyTorch and back, bit for bit; its networks through all stages: PYTHON=... [NETS=...]
	$(PYTHON) pipelines/peers/parity.py $(BIN)
	$(PYTHON) pipelines/peers/selection.py $(BIN)
	$(PYTHON) pipelines/peers/scoring.py $(BIN)
	$(PYTHON) pipelines/peers/export.py $(call quoted,$(NETS)) --forms torchscript,dynamo --missing
	$(PYTHON) pipelines/peers/table.py $(BIN) $(call quoted,$(NETS)) $(THREAD_FLAG) $(if $(filter 1,$(FRESH)),--fresh)

bench-layers: build ## Time each convolution shape alone, dense and at several sparsities: [MODEL=...]
	$(BIN)/models bench --layers $(or $(MODEL),resnet18)
