# Several sparsities from one dense run, in one report.

space := $() $()
SWEEP := $(OUT)/sweep-$(subst $(space),_,$(strip $(SPARSITIES)))$(HOW_SUFFIX)$(if $(FT_EPOCHS),-e$(FT_EPOCHS))
SWEEP_TUNED := $(foreach s,$(SPARSITIES),$(call one-shot-at,$(s))/tuned)
SWEEP_DEPLOYED := $(call deployed,$(SWEEP_TUNED))

$(SWEEP)/report$(PACKED_SUFFIX)/manifest.yaml: $(SWEEP_DEPLOYED:%=%/manifest.yaml) | build
	$(BIN)/reporter $(COMMON) --out $(@D) $(SWEEP_TUNED) $(SWEEP_DEPLOYED)

$(if $(filter sweep,$(MAKECMDGOALS)),$(call timed-alone,$(SWEEP_DEPLOYED),$(SWEEP_TUNED)))
