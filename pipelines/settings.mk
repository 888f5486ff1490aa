# Variables, their checks, and the paths that follow from them.

#: DATA        dataset folder (data/synth is rendered, others come from SOURCE)
#: SOURCE      what to import: official files, their .tar.gz, or an image folder
#: RECIPE      settings of every stage: a file of pipelines/recipes without .yaml
#: MODEL       network, such as resnet18@0.25 (default: the recipe's)
#: SPARSITY    fraction of the prunable weights to prune, over 0 and below 1
#: SPARSITIES  the same for `make sweep`, several
#: SEED        seed of all randomness
#: EPOCHS      epochs of dense training (default: the recipe's)
#: FT_EPOCHS   epochs of one-shot fine-tuning (default: the recipe's)
#: ROUND_RATE  fraction of what remains that a round of `make iterative` prunes
#: ROUND_EPOCHS, FINAL_EPOCHS  epochs of fine-tuning a round and at the end
#: THREADS     worker threads (default: one a core; results do not depend on it)
#: DEVICE      cpu, cuda or auto
#: OUT         folder of the run
#: PYTHON      a Python with torch and onnxruntime, for make bench-peers
#: FRESH       1: make artifacts again that stand finished under other settings
SOURCE ?=
DATA ?= $(if $(SOURCE),data/cifar10,data/synth)
RECIPE ?= $(if $(filter data/synth,$(DATA)),default,cifar10)
MODEL ?=
SPARSITY ?= 0.9
SPARSITIES ?= 0.5 0.75 0.9 0.95
SEED ?= 42
EPOCHS ?=
FT_EPOCHS ?=
ROUND_RATE ?= 0.11
ROUND_EPOCHS ?= 1
FINAL_EPOCHS ?= 6
THREADS ?=
DEVICE ?= cpu
FRESH ?=
PYTHON ?= python3
# Where the stages' binaries are, and how they come there (BUILD=true: they are there already).
BIN ?= target/release
BUILD ?= cargo build --release --locked --quiet

# $(call checked,NAME,VALUE,awk condition on v,what was expected)
quoted = '$(subst ','\'',$(1))'
checked = $(if $(shell printf %s $(call quoted,$(2)) | awk '{ v = $$0 } END { exit !(NR == 1 && ($(3))) }' && echo fine),,$(error $(1)=$(2): expected $(4)))
fraction = v ~ /^(0?\.[0-9]+|0\.[0-9]+)$$/ && v > 0 && v < 1
whole = v ~ /^[0-9]+$$/
$(foreach s,$(or $(SPARSITY),empty),$(call checked,SPARSITY,$(s),$(fraction),a fraction over 0 and below 1; for 90 % say SPARSITY=0.9))
$(foreach s,$(or $(SPARSITIES),empty),$(call checked,SPARSITIES,$(s),$(fraction),fractions over 0 and below 1 with spaces between))
$(call checked,ROUND_RATE,$(ROUND_RATE),$(fraction),a fraction over 0 and below 1)
$(call checked,SEED,$(SEED),$(whole),a whole number)
$(foreach n,EPOCHS FT_EPOCHS ROUND_EPOCHS FINAL_EPOCHS,$(if $($(n)),$(call checked,$(n),$($(n)),$(whole) && v > 0,a whole number over 0)))
$(if $(THREADS),$(call checked,THREADS,$(THREADS),$(whole),a whole number))
$(foreach n,DATA OUT MODEL RECIPE,$(if $(word 2,$($(n))),$(error $(n)=$($(n)): expected a name without spaces)))
$(if $(filter 1,$(words $(SPARSITY))),,$(error SPARSITY=$(SPARSITY): expected one fraction; several are for make sweep SPARSITIES="..."))

RECIPE_FILE := pipelines/recipes/$(RECIPE).yaml
$(if $(wildcard $(RECIPE_FILE)),,$(error RECIPE=$(RECIPE): no file $(RECIPE_FILE); there are: $(notdir $(basename $(wildcard pipelines/recipes/*.yaml)))))

# data/NAME is NAME in the run's path, any other folder its whole path with _ for /.
DATA_NAME := $(subst /,_,$(patsubst data/%,%,$(DATA)))
RUN := $(if $(filter $(RECIPE),$(DATA_NAME)),,$(RECIPE)-)$(DATA_NAME)$(if $(MODEL),-$(MODEL))-seed$(SEED)$(if $(EPOCHS),-e$(EPOCHS))
OUT ?= artifacts/$(RUN)
DENSE := $(OUT)/dense
SCAN := $(OUT)/scan

THREAD_FLAG := $(if $(THREADS),--threads $(THREADS))
COMMON = --recipe $(RECIPE_FILE) --seed $(SEED) $(THREAD_FLAG) $(if $(filter 1,$(FRESH)),--fresh)
ON_DEVICE := --device $(DEVICE)

# The built-in set is rendered; any other dataset has to be imported from somewhere.
ifneq ($(SOURCE),)
MAKE_DATA = $(BIN)/data-cifar import $(call quoted,$(SOURCE)) --out $(DATA) $(THREAD_FLAG)
else ifeq ($(DATA),data/synth)
MAKE_DATA = $(BIN)/data-cifar synth --out $(DATA) $(THREAD_FLAG)
else
MAKE_DATA = @echo "$(DATA): no dataset there; make it first: make data DATA=$(DATA) SOURCE=..." >&2; exit 4
endif
