# The published experiments: each is a recipe and the pipeline that it goes through.

EXPERIMENTS := efficientnet-transfer resnet-like-scan resnet18-one-shot resnet18-iterative \
	lottery-ticket net10-plan vgg16 vgg-lab-run1 vgg-lab-run2 vgg-lab-run3 vgg-lab-run4 \
	vgg-lab-run5 vgg-lab-runs

# A smoke run is the same pipeline with a narrow network, few images and few epochs.
SMOKE := DATA=data/synth-smoke EPOCHS=4 BATCH=32 FT_EPOCHS=2 ROUND_EPOCHS=1 FINAL_EPOCHS=2 \
	ROUND_RATE=0.5 SCAN_RATIOS=0.5,0.9
smoke-network = $(shell sed -n 's/^ *network: *//p' pipelines/recipes/$(1).yaml)@0.125
SMOKE_efficientnet-transfer := SIDE=64 DATA=data/synth-smoke-imagenet
SMOKE_lottery-ticket := SAVE_AT=20

# $(call again,TARGET,RECIPE,SETTINGS): this makefile anew, with an experiment's settings.
again = $(MAKE) --no-print-directory $(1) RECIPE=$(2) $(3) \
	$(if $(filter smoke,$(SCALE)),$(SMOKE) MODEL=$(call smoke-network,$(2)) $(SMOKE_$(2)))
# $(call scored,RECIPE,SETTINGS): every checkpoint of the experiment on the test images.
scored = $(call again,scores,$(1),$(2))

.PHONY: experiment smoke-experiments scores planned lottery where $(EXPERIMENTS:%=experiment-%)

experiment: $(if $(NAME),experiment-$(NAME)) ## A published experiment: NAME=resnet18-one-shot [SCALE=smoke]
	$(if $(NAME),,$(error expected NAME=one of $(EXPERIMENTS)))

experiment-%:
	$(error NAME=$*: no such experiment; expected one of $(EXPERIMENTS))

smoke-experiments: ## Every experiment at smoke scale on built-in images
	@for name in $(filter-out vgg-lab-run%,$(EXPERIMENTS)) vgg-lab-runs; do \
		$(MAKE) --no-print-directory experiment NAME=$$name SCALE=smoke || exit; \
	done

planned: $(PLANNED)/report/manifest.yaml ## Prune by PLAN=FILE or PLAN=scan, fine-tune, scan, report
	$(if $(PLAN),,$(error expected PLAN=FILE, such as pipelines/plans/net10.yaml, or PLAN=scan))

lottery: $(LOTTERY)/report/manifest.yaml ## Rewind what pruning left to SAVE_AT, beside controls

scores: ## Sparsity, accuracy and drop of every checkpoint of a run
	$(BIN)/models $(THREAD_FLAG) eval $(OUT) --data $(DATA)

where: # The run's folder: what one make tells another
	@echo $(OUT)

experiment-efficientnet-transfer:
	+$(call again,one-shot,efficientnet-transfer,NORMALISE=imagenet)
	+$(call scored,efficientnet-transfer,NORMALISE=imagenet)

experiment-resnet-like-scan:
	+$(call again,planned,resnet-like-scan,PLAN=pipelines/plans/resnet-like.yaml)
	+$(call scored,resnet-like-scan)

experiment-resnet18-one-shot:
	+$(call again,sweep,resnet18-one-shot,SPARSITIES="0.5 0.75 0.9")
	+$(call scored,resnet18-one-shot)

experiment-resnet18-iterative:
	+for sparsity in 0.5 0.75 0.9; do \
		$(call again,iterative,resnet18-iterative,SPARSITY=$$sparsity ROUND_RATE=0.11 ROUND_EPOCHS=5 FINAL_EPOCHS=100) || exit; \
	done
	+$(call scored,resnet18-iterative)

experiment-lottery-ticket:
	+$(call again,lottery,lottery-ticket,SAVE_AT=500)
	+$(call scored,lottery-ticket,SAVE_AT=500)

experiment-net10-plan:
	+$(call again,planned,net10-plan,PLAN=pipelines/plans/net10.yaml)
	+$(call scored,net10-plan)

experiment-vgg16:
	+$(call again,planned,vgg16,PLAN=scan)
	+$(call scored,vgg16)

# The five runs share their dense network: the recipes differ in fine-tuning alone.
lab-run = $(call again,planned,vgg-lab-run$(1),OUT=artifacts/vgg-lab-runs$(if $(filter smoke,$(SCALE)),-smoke) \
	PLAN=pipelines/plans/vgg-lab-run$(1).yaml $(2))
lab-left = artifacts/vgg-lab-runs$(if $(filter smoke,$(SCALE)),-smoke)/planned-vgg-lab-run$(1)$(if $(filter smoke,$(SCALE)),-e2)/tuned

$(foreach k,1 2 3 4 5,experiment-vgg-lab-run$(k)): experiment-vgg-lab-run%:
	+$(call lab-run,$*)

experiment-vgg-lab-runs:
	+$(call lab-run,1)
	+$(call lab-run,2,AFTER=$(call lab-left,1))
	+$(call lab-run,3,AFTER=$(call lab-left,2))
	+$(call lab-run,4,AFTER=$(call lab-left,3))
	+$(call lab-run,5,AFTER=$(call lab-left,4))
	+$(call again,scores,vgg-lab-run1,OUT=artifacts/vgg-lab-runs$(if $(filter smoke,$(SCALE)),-smoke))
