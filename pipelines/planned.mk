# Prune each layer by its own ratio, fine-tune, scan again, report.

# A plan of ours, or `scan`: the largest ratios of the dense network's scan that cost little.
PLAN_NAME := $(notdir $(basename $(PLAN)))
PLANNED := $(OUT)/planned-$(or $(PLAN_NAME),none)$(if $(FT_EPOCHS),-e$(FT_EPOCHS))
PLAN_FILE := $(if $(filter scan,$(PLAN)),$(PLANNED)-by-scan.yaml,$(PLAN))
# What the scan before pruning is made on: the dense network, or what an earlier run left.
SCANNED_BEFORE := $(or $(AFTER),$(DENSE))
SCAN_BEFORE := $(if $(AFTER),$(PLANNED)/scan-before,$(SCAN))

$(PLANNED)-by-scan.yaml: $(SCAN)/manifest.yaml | build
	$(BIN)/pruner plan --from-scan $(SCAN) --out $@ --fresh

$(PLANNED)/pruned/manifest.yaml: $(DENSE)/manifest.yaml $(PLAN_FILE) | build
	$(BIN)/pruner $(COMMON) --checkpoint $(DENSE) --plan $(PLAN_FILE) --out $(@D)

$(PLANNED)/tuned/manifest.yaml: $(PLANNED)/pruned/manifest.yaml | build
	$(BIN)/finetuner $(COMMON) --checkpoint $(PLANNED)/pruned --data $(DATA) --out $(@D) $(if $(FT_EPOCHS),--epochs $(FT_EPOCHS)) $(BATCH_FLAG) $(ON_DEVICE)

ifneq ($(AFTER),)
$(SCAN_BEFORE)/manifest.yaml: $(AFTER)/manifest.yaml | build
	$(BIN)/scanner $(COMMON) --checkpoint $(AFTER) --data $(DATA) --out $(@D) $(RATIO_FLAG) $(ON_DEVICE)
endif

$(PLANNED)/scan-pruned/manifest.yaml: $(PLANNED)/pruned/manifest.yaml | build
	$(BIN)/scanner $(COMMON) --checkpoint $(PLANNED)/pruned --data $(DATA) --out $(@D) $(RATIO_FLAG) $(ON_DEVICE)

$(PLANNED)/scan-tuned/manifest.yaml: $(PLANNED)/tuned/manifest.yaml | build
	$(BIN)/scanner $(COMMON) --checkpoint $(PLANNED)/tuned --data $(DATA) --out $(@D) $(RATIO_FLAG) $(ON_DEVICE)

PLANNED_SCANS := $(SCAN_BEFORE) $(PLANNED)/scan-pruned $(PLANNED)/scan-tuned
$(PLANNED)/report/manifest.yaml: $(PLANNED)/tuned/manifest.yaml $(PLANNED_SCANS:%=%/manifest.yaml) | build
	$(BIN)/reporter $(COMMON) --out $(@D) $(PLANNED)/tuned $(PLANNED_SCANS)
