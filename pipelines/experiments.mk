# The published experiments: each is a recipe and the pipeline that it goes through.

EXPERIMENTS := efficientnet-transfer resnet-like-scan resnet18-one-shot resnet18-iterative \
	lottery-ticket net10-plan vgg16 vgg-lab-run1 vgg-lab-run2 vgg-lab-run3 vgg-lab-run4 \
	vgg-lab-run5 vgg-lab-runs

# $(call preset,VARIABLE,VALUE): a setting of an experiment; the command line's own wins over it.
preset = $(if $(filter command,$(origin $(1))),,$(1)="$(2)")

# A smoke run is the same pipeline with a narrow network, few images and few epochs.
SMOKE = $(call preset,DATA,data/synth-smoke$(SMOKE_DATA_$(1))) $(call preset,EPOCHS,4) \
	$(call preset,BATCH,32) $(call preset,FT_EPOCHS,2) $(call preset,ROUND_EPOCHS,1) \
	$(call preset,FINAL_EPOCHS,2) $(call preset,ROUND_RATE,0.5) $(call preset,SCAN_RATIOS,0.5$(comma)0.9) \
	$(call preset,MODEL,$(call smoke-network,$(1))) $(SMOKE_$(1))
smoke-network = $(shell sed -n 's/^ *network: *//p' pipelines/recipes/$(1).yaml)@0.125
SMOKE_DATA_efficientnet-transfer := -imagenet
SMOKE_efficientnet-transfer = $(call preset,SIDE,64) $(call preset,STEP_EPOCHS,2)
SMOKE_lottery-ticket = $(call preset,SAVE_AT,20)

# $(call again,TARGET,RECIPE,SETTINGS): this makefile anew, with an experiment's settings.
again = $(MAKE) --no-print-directory $(1) RECIPE=$(2) $(3) \
	$(if $(filter smoke,$(SCALE)),$(call SMOKE,$(2)),$(call preset,DATA,data/cifar10$(SMOKE_DATA_$(2))))

.PHONY: experiment smoke-experiments scores planned lottery $(EXPERIMENTS:%=experiment-%)

given-name := $(if $(filter command,$(origin NAME)),$(NAME))
experiment: $(addprefix experiment-,$(given-name)) ## A published experiment: NAME=resnet18-one-shot [SCALE=smoke]
	$(if $(given-name),,$(error make experiment: expected NAME=one of $(EXPERIMENTS)))

experiment-%:
	$(error NAME=$*: no such experiment; expected one of $(EXPERIMENTS))

smoke-experiments: ## Every experiment at smoke scale on built-in images
	@for name in $(filter-out vgg-lab-run%,$(EXPERIMENTS)) vgg-lab-runs; do \
		$(MAKE) --no-print-directory experiment NAME=$$name SCALE=smoke || exit; \
	done

planned: $(PLANNED_REPORT)/manifest.yaml ## Prune by PLAN=FILE or PLAN=scan, fine-tune, scan, deploy, report

lottery: $(LOTTERY)/report$(PACKED_SUFFIX)/manifest.yaml ## Rewind what pruning left to SAVE_AT, beside controls

scores: ## Sparsity, accuracy and drop of every checkpoint of a run
	$(BIN)/models $(THREAD_FLAG) eval $(OUT) --data $(DATA)

# $(call then-scores,TARGET,RECIPE,SETTINGS): a pipeline, and the table of its checkpoints.
define then-scores
+$(call again,$(1),$(2),$(3))
+$(call again,scores,$(2),$(3))
endef

experiment-efficientnet-transfer:
	$(call then-scores,one-shot,efficientnet-transfer,$(call preset,NORMALISE,imagenet))

experiment-resnet-like-scan:
	$(call then-scores,planned,resnet-like-scan,$(call preset,PLAN,pipelines/plans/resnet-like.yaml))

experiment-resnet18-one-shot:
	$(call then-scores,sweep,resnet18-one-shot,$(call preset,SPARSITIES,0.5 0.75 0.9))

round-settings = $(call preset,ROUND_RATE,0.11) $(call preset,ROUND_EPOCHS,5) $(call preset,FINAL_EPOCHS,100)
experiment-resnet18-iterative:
	+for sparsity in $(if $(filter command,$(origin SPARSITIES)),$(SPARSITIES),0.5 0.75 0.9); do \
		$(call again,iterative,resnet18-iterative,SPARSITY=$$sparsity $(round-settings)) || exit; \
	done
	+$(call again,scores,resnet18-iterative)

experiment-lottery-ticket:
	$(call then-scores,lottery,lottery-ticket,$(call preset,SAVE_AT,500))

experiment-net10-plan:
	$(call then-scores,planned,net10-plan,$(call preset,PLAN,pipelines/plans/net10.yaml))

experiment-vgg16:
	$(call then-scores,planned,vgg16,$(call preset,PLAN,scan))

# The five runs share their dense network: the recipes differ in fine-tuning alone.
lab-run = +$(call again,planned,vgg-lab-run$(1),GROUP=vgg-lab-runs PLAN=pipelines/plans/vgg-lab-run$(1).yaml $(2))
lab-scores = +$(call again,scores,vgg-lab-run1,GROUP=vgg-lab-runs)

$(foreach k,1 2 3 4 5,experiment-vgg-lab-run$(k)): experiment-vgg-lab-run%:
	$(call lab-run,$*)
	$(lab-scores)

experiment-vgg-lab-runs:
	$(call lab-run,1)
	$(call lab-run,2,AFTER=vgg-lab-run1)
	$(call lab-run,3,AFTER=vgg-lab-run2)
	$(call lab-run,4,AFTER=vgg-lab-run3)
	$(call lab-run,5,AFTER=vgg-lab-run4)
	$(lab-scores)
