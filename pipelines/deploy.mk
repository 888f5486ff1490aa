# Pack what a pipeline left, verify it and time it.

PACKED_SUFFIX := $(addprefix -,$(filter-out f32,$(VALUES)))
# $(call deployed,FOLDER...): the artifacts beside tuned checkpoints, one folder of values each.
deployed = $(patsubst %/tuned,%/deployed$(PACKED_SUFFIX),$(1))

# $(call deploy-rules,CHECKPOINT,ARTIFACT)
define deploy-rules
$(2)/manifest.yaml: $(1)/manifest.yaml | build
	$$(BIN)/deployer deploy $$(COMMON) --checkpoint $(1) --data $(DATA) --out $$(@D) $$(VALUES_FLAG)
endef

# Milliseconds are those of a machine that does nothing else, under -j too.
# $(call timed-alone,ARTIFACTS,OTHERS): each waits for OTHERS and for the artifact before it.
timed-alone = $(eval timed :=)$(foreach d,$(sort $(1)),$(eval $(call timed-after,$(d),$(2) $(timed)))$(eval timed := $(d)))
timed-after = $(1)/manifest.yaml: | $(addsuffix /manifest.yaml,$(2))
