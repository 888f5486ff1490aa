# Prune within a training from scratch, deploy, report beside the dense network.

# $(call while-training,SCHEDULE): the folder of that run.
while-training = $(OUT)/$(1)-$(SPARSITY)$(STRUCTURE_SUFFIX)$(addprefix -,$(ALLOCATION))$(addprefix -,$(METHOD))

# $(call while-training-rules,SCHEDULE,FOLDER)
define while-training-rules
$(2)/trained/manifest.yaml: $(DATA)/manifest.yaml $(RECIPE_FILE) $(addsuffix /manifest.yaml,$(INITIAL)) | build
	$$(TRAIN) --out $$(@D) --prune $(1) --sparsity $(SPARSITY) $$(PRUNE_FLAGS)

$(call deploy-rules,$(2)/trained,$(call packed-as,$(2)/deployed))

$(2)/report$(PACKED_SUFFIX)/manifest.yaml: $(addsuffix /manifest.yaml,$(DENSE) $(call packed-as,$(2)/deployed)) | build
	$$(BIN)/reporter $$(COMMON) --out $$(@D) $(2)/trained $(DENSE) $(call packed-as,$(2)/deployed)

$(call timed-alone,$(call packed-as,$(2)/deployed),$(DENSE))
endef
$(foreach s,gradual acdc rigl,$(eval $(call while-training-rules,$(s),$(call while-training,$(s)))))

ifneq ($(filter gradual acdc rigl,$(MAKECMDGOALS)),)
$(if $(MEASURED),$(error METHOD=$(METHOD): is measured on one network, and weights move on in a training; expected magnitude or random))
endif

.PHONY: methods
methods: build ## Every pruning method beside the others, three seeds (many hours; resumes): DATA=... [OUT=...] [PYTHON=...]
	$(PYTHON) pipelines/methods.py $(BIN) $(DATA) $(if $(filter command line environment,$(origin OUT)),$(OUT),artifacts/methods)
