# Prune a little, fine-tune a little, until the sparsity is reached; then fine-tune to the end,
# deploy, report.

ifneq ($(filter iterative,$(MAKECMDGOALS)),)
$(if $(MEASURED),$(error METHOD=$(METHOD): is measured on the dense network, and each round prunes another; expected magnitude or random))
endif

ITERATIVE := $(OUT)/iterative-$(SPARSITY)$(HOW_SUFFIX)-rate$(ROUND_RATE)-e$(ROUND_EPOCHS)-f$(FINAL_EPOCHS)
# The same count as `pruner rounds`: the first round after which 1 - (1 - rate)^n >= sparsity.
ROUNDS := $(shell awk 'BEGIN { left = 1; n = 0; while (left > 1 - $(SPARSITY) + 1e-12 && n < 999) { left *= 1 - $(ROUND_RATE); n++ }; print n }')
$(if $(filter 999,$(ROUNDS)),$(error ROUND_RATE=$(ROUND_RATE): 999 rounds or more to SPARSITY=$(SPARSITY); expected a larger rate))
ROUND_NUMBERS := $(shell seq 1 $(ROUNDS))
LAST_ROUND := $(ITERATIVE)/round-$(ROUNDS)/tuned

# $(call round-rules,NUMBER,CHECKPOINT BEFORE)
define round-rules
$(ITERATIVE)/round-$(1)/pruned/manifest.yaml: $(2)/manifest.yaml | build
	$$(BIN)/pruner $$(COMMON) --checkpoint $(2) --sparsity $(SPARSITY) --rate $(ROUND_RATE) --out $$(@D) $$(HOW_FLAGS)

$(ITERATIVE)/round-$(1)/tuned/manifest.yaml: $(ITERATIVE)/round-$(1)/pruned/manifest.yaml | build
	$$(BIN)/finetuner $$(COMMON) --checkpoint $(ITERATIVE)/round-$(1)/pruned --data $(DATA) --out $$(@D) --epochs $(ROUND_EPOCHS) $$(BATCH_FLAG) $$(ON_DEVICE)
endef
before = $(if $(filter 1,$(1)),$(DENSE),$(ITERATIVE)/round-$(shell expr $(1) - 1)/tuned)
$(foreach n,$(ROUND_NUMBERS),$(eval $(call round-rules,$(n),$(call before,$(n)))))

$(ITERATIVE)/final/manifest.yaml: $(LAST_ROUND)/manifest.yaml | build
	$(BIN)/finetuner $(COMMON) --checkpoint $(LAST_ROUND) --data $(DATA) --out $(@D) --epochs $(FINAL_EPOCHS) $(BATCH_FLAG) $(ON_DEVICE)

ITERATIVE_DEPLOYED := $(call packed-as,$(ITERATIVE)/deployed)
$(call deploy-rules,$(ITERATIVE)/final,$(ITERATIVE_DEPLOYED))
$(call timed-alone,$(ITERATIVE_DEPLOYED))

$(ITERATIVE)/report$(PACKED_SUFFIX)/manifest.yaml: $(ITERATIVE_DEPLOYED:%=%/manifest.yaml) | build
	$(BIN)/reporter $(COMMON) --out $(@D) $(ITERATIVE)/final $(ITERATIVE_DEPLOYED)
