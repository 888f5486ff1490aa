# Prune each layer by its own ratio, fine-tune, scan again, deploy, report.

ifneq ($(filter planned,$(MAKECMDGOALS)),)
$(if $(PLAN),,$(error make planned: expected PLAN=FILE, such as pipelines/plans/net10.yaml, or PLAN=scan))
endif

# A file, or `scan`: the largest ratios of the dense network's scan that cost little.
planned-at = $(OUT)/planned-$(1)$(STRUCTURE_SUFFIX)$(if $(FT_EPOCHS),-e$(FT_EPOCHS))
BY_SCAN := $(filter scan,$(PLAN))
PLANNED := $(call planned-at,$(if $(BY_SCAN),scan$(RATIO_SUFFIX),$(subst /,_,$(basename $(patsubst pipelines/plans/%,%,$(or $(PLAN),none))))))
PLAN_FILE := $(if $(BY_SCAN),$(PLANNED).yaml,$(PLAN))
# What the scan before pruning is made on: the dense network, or what the run of the plan AFTER left.
SCAN_BEFORE := $(if $(AFTER),$(PLANNED)/scan-of-$(AFTER)$(RATIO_SUFFIX),$(SCAN))
SCAN_PRUNED := $(PLANNED)/scan-pruned$(RATIO_SUFFIX)
SCAN_TUNED := $(PLANNED)/scan-tuned$(RATIO_SUFFIX)
PLANNED_SCANS := $(SCAN_BEFORE) $(SCAN_PRUNED) $(SCAN_TUNED)
PLANNED_REPORT := $(PLANNED)/report$(addprefix -after-,$(AFTER))$(RATIO_SUFFIX)$(PACKED_SUFFIX)
PLANNED_DEPLOYED := $(call deployed,$(PLANNED)/tuned)

ifneq ($(BY_SCAN),)
$(PLAN_FILE): $(SCAN)/manifest.yaml | build
	$(BIN)/pruner plan --from-scan $(SCAN) --out $@ --fresh
endif

$(PLANNED)/pruned/manifest.yaml: $(DENSE)/manifest.yaml $(PLAN_FILE) | build
	$(BIN)/pruner $(COMMON) --checkpoint $(DENSE) --plan $(PLAN_FILE) --out $(@D) $(PLANNED_FLAGS)

$(PLANNED)/tuned/manifest.yaml: $(PLANNED)/pruned/manifest.yaml | build
	$(BIN)/finetuner $(COMMON) --checkpoint $(PLANNED)/pruned --data $(DATA) --out $(@D) $(if $(FT_EPOCHS),--epochs $(FT_EPOCHS)) $(BATCH_FLAG) $(ON_DEVICE)

# $(call scan-rules,SCAN,CHECKPOINT)
define scan-rules
$(1)/manifest.yaml: $(2)/manifest.yaml | build
	$$(BIN)/scanner $$(COMMON) --checkpoint $(2) --data $(DATA) --out $$(@D) $$(RATIO_FLAG) $$(ON_DEVICE)
endef
$(if $(AFTER),$(eval $(call scan-rules,$(SCAN_BEFORE),$(call planned-at,$(AFTER))/tuned)))
$(eval $(call scan-rules,$(SCAN_PRUNED),$(PLANNED)/pruned))
$(eval $(call scan-rules,$(SCAN_TUNED),$(PLANNED)/tuned))

$(call deploy-rules,$(PLANNED)/tuned,$(PLANNED_DEPLOYED))
$(call timed-alone,$(PLANNED_DEPLOYED),$(PLANNED_SCANS))

$(PLANNED_REPORT)/manifest.yaml: $(PLANNED_DEPLOYED:%=%/manifest.yaml) $(PLANNED_SCANS:%=%/manifest.yaml) | build
	$(BIN)/reporter $(COMMON) --out $(@D) $(PLANNED)/tuned $(PLANNED_SCANS) $(PLANNED_DEPLOYED)
