# Prune once, fine-tune, report.

# $(call one-shot-at,SPARSITY): the folder of that run.
one-shot-at = $(OUT)/one-shot-$(1)$(if $(FT_EPOCHS),-e$(FT_EPOCHS))
ONE_SHOT := $(call one-shot-at,$(SPARSITY))
PRUNED := $(ONE_SHOT)/pruned
TUNED := $(ONE_SHOT)/tuned

# $(call one-shot-rules,SPARSITY)
define one-shot-rules
$(call one-shot-at,$(1))/pruned/manifest.yaml: $(DENSE)/manifest.yaml | build
	$$(BIN)/pruner $$(COMMON) --checkpoint $(DENSE) --sparsity $(1) --out $$(@D)

$(call one-shot-at,$(1))/tuned/manifest.yaml: $(call one-shot-at,$(1))/pruned/manifest.yaml | build
	$$(BIN)/finetuner $$(COMMON) --checkpoint $(call one-shot-at,$(1))/pruned --data $(DATA) --out $$(@D) $(if $(FT_EPOCHS),--epochs $(FT_EPOCHS)) $$(BATCH_FLAG) $$(ON_DEVICE)
endef
$(foreach s,$(sort $(SPARSITY) $(SPARSITIES)),$(eval $(call one-shot-rules,$(s))))

$(ONE_SHOT)/report/manifest.yaml: $(TUNED)/manifest.yaml | build
	$(BIN)/reporter $(COMMON) --out $(@D) $(TUNED)

$(ONE_SHOT)/report-with-scan/manifest.yaml: $(TUNED)/manifest.yaml $(SCAN)/manifest.yaml | build
	$(BIN)/reporter $(COMMON) --out $(@D) $(TUNED) $(SCAN)
