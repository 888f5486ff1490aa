# Pack what a pipeline left, verify it and time it.

# int8 runs in integers, weights and activations; before that its artifacts ended in -int8.
PACKED_SUFFIX := $(addprefix -,$(patsubst int8,w8a8,$(filter-out f32,$(VALUES))))
# $(call packed-as,ARTIFACT): the artifact of VALUES; with int8 the one of floats too, to compare with.
packed-as = $(if $(filter int8,$(VALUES)),$(1)) $(1)$(PACKED_SUFFIX)
# $(call deployed,FOLDER...): the artifacts beside tuned checkpoints, one folder of values each.
deployed = $(foreach tuned,$(1),$(call packed-as,$(patsubst %/tuned,%/deployed,$(tuned))))

# $(call packing,ARTIFACT): how it is packed.
packing = $(if $(filter int8,$(VALUES)),$(if $(filter %-w8a8,$(1)),--values int8 --activations int8),$(VALUES_FLAG))
# $(call deploy-rules,CHECKPOINT,ARTIFACTS)
deploy-rules = $(foreach artifact,$(2),$(eval $(call deploy-rule,$(1),$(artifact))))
define deploy-rule
$(2)/manifest.yaml: $(1)/manifest.yaml | build
	$$(BIN)/deployer deploy $$(COMMON) --checkpoint $(1) --data $(DATA) --out $$(@D) $(call packing,$(2))
endef

# Milliseconds are those of a machine that does nothing else, under -j too.
# $(call timed-alone,ARTIFACTS,OTHERS): each waits for OTHERS and for the artifact before it.
timed-alone = $(eval timed :=)$(foreach d,$(sort $(1)),$(eval $(call timed-after,$(d),$(2) $(timed)))$(eval timed := $(d)))
timed-after = $(1)/manifest.yaml: | $(addsuffix /manifest.yaml,$(2))
