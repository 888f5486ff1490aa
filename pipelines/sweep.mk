# Several sparsities from one dense run, in one report.

space := $() $()
SWEEP := $(OUT)/sweep-$(subst $(space),_,$(strip $(SPARSITIES)))$(if $(FT_EPOCHS),-e$(FT_EPOCHS))
SWEEP_TUNED := $(foreach s,$(SPARSITIES),$(call one-shot-at,$(s))/tuned)

$(SWEEP)/report/manifest.yaml: $(SWEEP_TUNED:%=%/manifest.yaml) | build
	$(BIN)/reporter $(COMMON) --out $(@D) $(SWEEP_TUNED)
