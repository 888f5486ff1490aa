# Prune once, fine-tune, deploy, report.

# $(call one-shot-at,SPARSITY): the folder of that run.
one-shot-at = $(OUT)/one-shot-$(1)$(HOW_SUFFIX)$(if $(FT_EPOCHS),-e$(FT_EPOCHS))
ONE_SHOT := $(call one-shot-at,$(SPARSITY))
PRUNED := $(ONE_SHOT)/pruned
TUNED := $(ONE_SHOT)/tuned
DEPLOYED := $(call deployed,$(TUNED))

# $(call one-shot-rules,SPARSITY)
define one-shot-rules
$(call one-shot-at,$(1))/pruned/manifest.yaml: $(addsuffix /manifest.yaml,$(DENSE) $(SCORES)) | build
	$$(BIN)/pruner $$(COMMON) --checkpoint $(DENSE) --sparsity $(1) --out $$(@D) $$(HOW_FLAGS)

$(call one-shot-at,$(1))/tuned/manifest.yaml: $(call one-shot-at,$(1))/pruned/manifest.yaml | build
	$$(BIN)/finetuner $$(COMMON) --checkpoint $(call one-shot-at,$(1))/pruned --data $(DATA) --out $$(@D) $(if $(FT_EPOCHS),--epochs $(FT_EPOCHS)) $$(BATCH_FLAG) $$(ON_DEVICE)

$(call deploy-rules,$(call one-shot-at,$(1))/tuned,$(call deployed,$(call one-shot-at,$(1))/tuned))
endef
$(foreach s,$(sort $(SPARSITY) $(SPARSITIES)),$(eval $(call one-shot-rules,$(s))))

$(ONE_SHOT)/report$(PACKED_SUFFIX)/manifest.yaml: $(DEPLOYED:%=%/manifest.yaml) | build
	$(BIN)/reporter $(COMMON) --out $(@D) $(TUNED) $(DEPLOYED)

$(ONE_SHOT)/report-with-scan$(PACKED_SUFFIX)/manifest.yaml: $(DEPLOYED:%=%/manifest.yaml) $(SCAN)/manifest.yaml | build
	$(BIN)/reporter $(COMMON) --out $(@D) $(TUNED) $(SCAN) $(DEPLOYED)

$(call timed-alone,$(DEPLOYED),$(if $(filter report,$(MAKECMDGOALS)),$(SCAN)))
