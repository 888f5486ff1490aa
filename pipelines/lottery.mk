# The lottery ticket: retrain what pruning left from its early values, beside three controls.

ifneq ($(filter lottery,$(MAKECMDGOALS)),)
$(if $(SAVE_AT),,$(error make lottery: expected SAVE_AT=steps, such as 500, or epochs, such as 1epoch))
endif

LOTTERY := $(OUT)/lottery-$(SPARSITY)$(HOW_SUFFIX)$(if $(FT_EPOCHS),-e$(FT_EPOCHS))
TICKETS := rewound rate-rewound fine-tuned drawn-anew
rewound := --rewind weights --rewind-from $(DENSE)
rate-rewound := --rewind lr --rewind-from $(DENSE)
fine-tuned := --rewind none
drawn-anew := --reinit

$(LOTTERY)/pruned/manifest.yaml: $(addsuffix /manifest.yaml,$(DENSE) $(SCORES)) | build
	$(BIN)/pruner $(COMMON) --checkpoint $(DENSE) --sparsity $(SPARSITY) --out $(@D) $(HOW_FLAGS)

ticket-deployed = $(call packed-as,$(LOTTERY)/$(1)-deployed)
LOTTERY_DEPLOYED := $(foreach t,$(TICKETS),$(call ticket-deployed,$(t)))

# $(call ticket-rules,NAME)
define ticket-rules
$(LOTTERY)/$(1)/manifest.yaml: $(LOTTERY)/pruned/manifest.yaml | build
	$$(BIN)/finetuner $$(COMMON) --checkpoint $(LOTTERY)/pruned --data $(DATA) --out $$(@D) $($(1)) $(if $(FT_EPOCHS),--epochs $(FT_EPOCHS)) $$(BATCH_FLAG) $$(ON_DEVICE)

$(call deploy-rules,$(LOTTERY)/$(1),$(call ticket-deployed,$(1)))
endef
$(foreach t,$(TICKETS),$(eval $(call ticket-rules,$(t))))

$(call timed-alone,$(LOTTERY_DEPLOYED),$(TICKETS:%=$(LOTTERY)/%))

$(LOTTERY)/report$(PACKED_SUFFIX)/manifest.yaml: $(LOTTERY_DEPLOYED:%=%/manifest.yaml) | build
	$(BIN)/reporter $(COMMON) --out $(@D) $(TICKETS:%=$(LOTTERY)/%) $(LOTTERY_DEPLOYED)
