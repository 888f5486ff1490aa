# What must hold before a change lands.

.PHONY: check unit test

check: ## Format, lints, documentation
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --document-private-items --locked --quiet

unit: build ## Unit, property and pipeline tests
	cargo test --release --workspace --locked

test: check unit ## Everything that CI runs

.PHONY: bench-peers bench-layers parity

bench-peers: build ## Time ours against PyTorch and ONNX Runtime: PYTHON=... [OUT=rows.jsonl]
	$(PYTHON) pipelines/peers/bench.py $(BIN) $(if $(filter command line environment,$(origin OUT)),--out $(OUT))

parity: build ## Checkpoints to PyTorch and back, bit for bit: PYTHON=...
	$(PYTHON) pipelines/peers/parity.py $(BIN)

bench-layers: build ## Time each convolution shape alone, dense and at several sparsities: [MODEL=...]
	$(BIN)/models bench --layers $(or $(MODEL),resnet18)
