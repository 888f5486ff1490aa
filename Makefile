# The pipelines. `make help` lists targets and variables.
#
# A target is the manifest of the artifact that a stage makes: it appears last, so that its
# existence means the artifact is whole. Every setting that changes a result is part of its path:
# nothing is ever overwritten, and the dense run is shared by all that starts from it.

include pipelines/settings.mk
include pipelines/deploy.mk
include pipelines/one-shot.mk
include pipelines/iterative.mk
include pipelines/sweep.mk
include pipelines/while-training.mk
include pipelines/planned.mk
include pipelines/lottery.mk
include pipelines/experiments.mk
include pipelines/checks.mk

.DEFAULT_GOAL := help
.PHONY: help build data dense scan one-shot prune finetune deploy iterative sweep gradual acdc rigl report

help: ## This list
	@pipelines/help.sh $(MAKEFILE_LIST)

build: ## Compile every stage (optimised)
	@$(BUILD)

data: $(DATA)/manifest.yaml ## Make the dataset: built in, or imported with SOURCE=...

dense: $(DENSE)/manifest.yaml ## Train the dense network

scan: $(SCAN)/manifest.yaml ## Prune each layer alone at several ratios: how much does it cost?

prune: $(PRUNED)/manifest.yaml ## Prune the dense network to SPARSITY in one go

finetune: $(TUNED)/manifest.yaml ## ... and train what is left

deploy: $(DEPLOYED:%=%/manifest.yaml) ## ... and pack, verify and time that

one-shot: $(ONE_SHOT)/report$(PACKED_SUFFIX)/manifest.yaml ## Train, prune to SPARSITY, fine-tune, deploy, report

iterative: $(ITERATIVE)/report$(PACKED_SUFFIX)/manifest.yaml ## Prune ROUND_RATE of what remains a round, until SPARSITY

sweep: $(SWEEP)/report$(PACKED_SUFFIX)/manifest.yaml ## One-shot at each of SPARSITIES from one dense run, one report

gradual: $(call while-training,gradual)/report$(PACKED_SUFFIX)/manifest.yaml ## Prune to SPARSITY little by little, in one training

acdc: $(call while-training,acdc)/report$(PACKED_SUFFIX)/manifest.yaml ## Train sparse and dense by turns (AC/DC)

rigl: $(call while-training,rigl)/report$(PACKED_SUFFIX)/manifest.yaml ## Train sparse from the start, with regrowth (RigL)

report: $(ONE_SHOT)/report-with-scan$(PACKED_SUFFIX)/manifest.yaml ## The one-shot report with sensitivity curves

# With SOURCE given the import always looks: the same content is no work, other content is refused.
$(DATA)/manifest.yaml: $(if $(SOURCE),FORCE) | build
	$(MAKE_DATA)
FORCE:

$(DENSE)/manifest.yaml: $(DATA)/manifest.yaml $(RECIPE_FILE) $(addsuffix /manifest.yaml,$(INITIAL)) | build
	$(TRAIN) --out $(DENSE) $(if $(SAVE_AT),--save-at $(SAVE_AT))

$(OUT)/initial/manifest.yaml: $(WEIGHTS) | build
	$(BIN)/models import $(WEIGHTS) --network $(or $(MODEL),$(call recipe-says,network)) $(addprefix --side ,$(or $(SIDE),$(call recipe-says,side))) --replace-head --seed $(SEED) $(THREAD_FLAG) $(if $(filter 1,$(FRESH)),--fresh) --out $(@D)

$(SCAN)/manifest.yaml: $(DENSE)/manifest.yaml | build
	$(BIN)/scanner $(COMMON) --checkpoint $(DENSE) --data $(DATA) --out $(SCAN) $(RATIO_FLAG) $(ON_DEVICE)

$(OUT)/scores-%/manifest.yaml: $(DENSE)/manifest.yaml | build
	$(BIN)/scanner scores --seed $(SEED) $(THREAD_FLAG) $(if $(filter 1,$(FRESH)),--fresh) --checkpoint $(DENSE) --data $(DATA) --score $* --out $(@D) $(ON_DEVICE)
