# Variables, their checks, and the paths that follow from them.

#: DATA        dataset folder (data/synth is rendered, others come from SOURCE)
#: SOURCE      what to import: official files, their .tar.gz, or an image folder
#: RECIPE      settings of every stage: a file of pipelines/recipes without .yaml
#: MODEL       network, such as resnet18@0.25 (default: the recipe's)
#: SPARSITY    fraction of the prunable weights to prune, over 0 and below 1
#: SPARSITIES  the same for `make sweep`, several
#: SEED        seed of all randomness
#: EPOCHS      epochs of dense training (default: the recipe's)
#: STEP_EPOCHS epochs between two steps of the rate, where the recipe's schedule is `step` (default: the recipe's)
#: FT_EPOCHS   epochs of one-shot fine-tuning (default: the recipe's)
#: BATCH       images a step (default: the recipe's)
#: ROUND_RATE  fraction of what remains that a round of `make iterative` prunes
#: ROUND_EPOCHS, FINAL_EPOCHS  epochs of fine-tuning a round and at the end
#: THREADS     worker threads (default: one a core; results do not depend on it)
#: DEVICE      cpu, cuda, cuda:N or auto; all but cpu build with --features cuda
#: PRECISION   on a GPU: f32, tf32 or bf16 (default)
#: OUT         folder of the run
#: PYTHON      any Python 3 for make methods; one with torch, torchvision, onnx, onnxruntime, for make parity and bench-peers (which needs
#:             openvino and nncf too)
#: NETS        folder of the networks that make parity takes through all stages; what it lacks is exported to it
#: NORMALISE   imagenet: torchvision's mean and deviation, not the images' own
#: SIDE        height and width that images are resized to (default: the recipe's, or their own)
#: WEIGHTS     a PyTorch state_dict that training starts from (its head is replaced)
#: SAVE_AT     steps or epochs (1epoch) after which early weights are kept, for make lottery
#: SCAN_RATIOS ratios of a scan, with commas (default: the recipe's)
#: VALUES      how a deployed file stores weights: f32, f16, int8 (which then runs in integers) or codebook4
#:             (default: the recipe's, or f32)
#: METHOD      what ranks weights: magnitude, random, taylor, fisher or wanda (default: the recipe's, or magnitude)
#: STRUCTURE   what is pruned as a whole: weight, block4 for four input channels, kernel, channel, or N of M weights such
#:             as 2:4, whose SPARSITY is 0.5 (default: the recipe's, or weight)
#: ALLOCATION  how layers share what is pruned: global, uniform, lamp or erk (default: the recipe's, or global)
#: PLAN        ratios a layer, for make planned: a file, or scan
#: GROUP       name in the run's path instead of RECIPE: several recipes share a dense run
#: AFTER       plan whose run the scan before pruning is made on, for make planned
#: NAME, SCALE experiment of make experiment, and smoke for a run of a minute
#: ONLY        trials of make faults: part of a name stage/kind/start/detail, with * for any text
#: FRESH       1: make artifacts again that stand finished under other settings
SOURCE ?=
DATA ?= $(if $(SOURCE),data/cifar10,data/synth)$(addprefix -,$(NORMALISE))
RECIPE ?= $(if $(filter data/synth data/synth-imagenet,$(DATA)),default,cifar10)
MODEL ?=
SPARSITY ?= 0.9
SPARSITIES ?= 0.5 0.75 0.9 0.95
SEED ?= 42
EPOCHS ?=
STEP_EPOCHS ?=
FT_EPOCHS ?=
BATCH ?=
ROUND_RATE ?= 0.11
ROUND_EPOCHS ?= 1
FINAL_EPOCHS ?= 6
THREADS ?=
DEVICE ?= cpu
PRECISION ?=
NORMALISE ?=
SIDE ?=
WEIGHTS ?=
SAVE_AT ?=
SCAN_RATIOS ?=
VALUES ?=
METHOD ?=
STRUCTURE ?=
ALLOCATION ?=
PLAN ?=
NAME ?=
SCALE ?=
GROUP ?=
AFTER ?=
FRESH ?=
ONLY ?=
PYTHON ?= python3
NETS ?= artifacts/nets
# Where the stages' binaries are, and how they come there (BUILD=true: they are there already).
BIN ?= target/release
BUILD ?= cargo build --release --locked --quiet$(if $(filter cpu,$(DEVICE)),, --features cuda)

# $(call checked,NAME,VALUE,awk condition on v,what was expected)
comma := ,
quoted = '$(subst ','\'',$(1))'
checked = $(if $(shell printf %s $(call quoted,$(2)) | awk '{ v = $$0 } END { exit !(NR == 1 && ($(3))) }' && echo fine),,$(error $(1)=$(2): expected $(4)))
fraction = v ~ /^(0?\.[0-9]+|0\.[0-9]+)$$/ && v > 0 && v < 1
whole = v ~ /^[0-9]+$$/
$(foreach s,$(or $(SPARSITY),empty),$(call checked,SPARSITY,$(s),$(fraction),a fraction over 0 and below 1; for 90 % say SPARSITY=0.9))
$(foreach s,$(or $(SPARSITIES),empty),$(call checked,SPARSITIES,$(s),$(fraction),fractions over 0 and below 1 with spaces between))
$(call checked,ROUND_RATE,$(ROUND_RATE),$(fraction),a fraction over 0 and below 1)
$(call checked,SEED,$(SEED),$(whole),a whole number)
$(foreach n,BATCH EPOCHS STEP_EPOCHS FT_EPOCHS ROUND_EPOCHS FINAL_EPOCHS,$(if $($(n)),$(call checked,$(n),$($(n)),$(whole) && v > 0,a whole number over 0)))
$(if $(SCALE),$(call checked,SCALE,$(SCALE),v == "smoke" || v == "full",smoke or full))
$(if $(VALUES),$(call checked,VALUES,$(VALUES),v ~ /^(f32|f16|int8|codebook4)$$/,one of f32 f16 int8 codebook4))
$(if $(STRUCTURE),$(call checked,STRUCTURE,$(STRUCTURE),v ~ /^(weight|block4|kernel|channel|[0-9]+:[0-9]+)$$/,weight$(comma) block4$(comma) kernel$(comma) channel or N:M))
$(if $(METHOD),$(call checked,METHOD,$(METHOD),v ~ /^(magnitude|random|taylor|fisher|wanda)$$/,one of magnitude random taylor fisher wanda))
$(if $(ALLOCATION),$(call checked,ALLOCATION,$(ALLOCATION),v ~ /^(global|uniform|lamp|erk)$$/,one of global uniform lamp erk))
$(call checked,DEVICE,$(DEVICE),v ~ /^(cpu|auto|cuda(:[0-9]+)?)$$/,cpu$(comma) cuda$(comma) cuda:N or auto)
$(if $(PRECISION),$(call checked,PRECISION,$(PRECISION),v ~ /^(f32|tf32|bf16)$$/,f32$(comma) tf32 or bf16))
$(if $(NORMALISE),$(call checked,NORMALISE,$(NORMALISE),v == "imagenet",imagenet))
$(if $(SIDE),$(call checked,SIDE,$(SIDE),$(whole) && v > 0,a whole number over 0))
$(if $(THREADS),$(call checked,THREADS,$(THREADS),$(whole),a whole number))
# What is part of a target's name: make splits those at spaces, and has its own use for the rest.
names = v !~ /[[:space:]:%*?;&|<>()\042\047]/
$(foreach n,DATA OUT MODEL RECIPE WEIGHTS PLAN SAVE_AT SCAN_RATIOS GROUP AFTER,$(if $($(n)),$(call checked,$(n),$($(n)),$(names),a name without spaces$(comma) quotes and any of : % * ? ; & | < > ( ))))
$(if $(filter 1,$(words $(SPARSITY))),,$(error SPARSITY=$(SPARSITY): expected one fraction; several are for make sweep SPARSITIES="..."))

RECIPE_FILE := pipelines/recipes/$(RECIPE).yaml
$(if $(wildcard $(RECIPE_FILE)),,$(error RECIPE=$(RECIPE): no file $(RECIPE_FILE); there are: $(notdir $(basename $(wildcard pipelines/recipes/*.yaml)))))

# What rounds as another processor does is another run: a GPU's has its precision in its path.
ON_GPU := $(if $(filter cpu,$(DEVICE)),,-$(firstword $(subst :, ,$(DEVICE)))-$(or $(PRECISION),bf16))
# data/NAME is NAME in the run's path, any other folder its whole path with _ for /.
DATA_NAME := $(subst /,_,$(patsubst data/%,%,$(DATA)))
RUN := $(if $(filter $(RECIPE),$(DATA_NAME)),,$(or $(GROUP),$(RECIPE))-)$(DATA_NAME)$(if $(MODEL),-$(MODEL))-seed$(SEED)$(if $(EPOCHS),-e$(EPOCHS))$(if $(STEP_EPOCHS),-step$(STEP_EPOCHS))$(if $(SIDE),-side$(SIDE))$(if $(WEIGHTS),-from-$(subst /,_,$(basename $(WEIGHTS))))$(if $(SAVE_AT),-early$(SAVE_AT))$(if $(BATCH),-b$(BATCH))$(ON_GPU)
OUT ?= artifacts/$(RUN)
DENSE := $(OUT)/dense
RATIO_SUFFIX := $(if $(SCAN_RATIOS),-$(subst $(comma),_,$(SCAN_RATIOS)))
SCAN := $(OUT)/scan$(RATIO_SUFFIX)

THREAD_FLAG := $(if $(THREADS),--threads $(THREADS))
COMMON = --recipe $(RECIPE_FILE) --seed $(SEED) $(THREAD_FLAG) $(if $(filter 1,$(FRESH)),--fresh)
VALUES_FLAG := $(addprefix --values ,$(VALUES))
PRUNE_FLAGS := $(addprefix --score ,$(METHOD)) $(addprefix --structure ,$(STRUCTURE)) $(addprefix --allocation ,$(ALLOCATION))
# Scores that scanner measures on the dense network.
MEASURED := $(filter taylor fisher wanda,$(METHOD))
SCORES := $(addprefix $(OUT)/scores-,$(MEASURED))
HOW_FLAGS := $(PRUNE_FLAGS) $(addprefix --scores ,$(SCORES))
# A plan has its own ratios.
PLANNED_FLAGS := $(addprefix --structure ,$(STRUCTURE))
# A colon would end a target's name.
STRUCTURE_SUFFIX := $(addprefix -,$(subst :,of,$(filter-out weight,$(STRUCTURE))))
HOW_SUFFIX := $(STRUCTURE_SUFFIX)$(addprefix -,$(filter-out global,$(ALLOCATION)))$(addprefix -,$(filter-out magnitude,$(METHOD)))
ON_DEVICE := --device $(DEVICE) $(addprefix --precision ,$(PRECISION))
BATCH_FLAG := $(if $(BATCH),--batch $(BATCH))
# A training from the dense run's beginning.
TRAIN = $(BIN)/trainer $(COMMON) --data $(DATA) $(if $(MODEL),--network $(MODEL)) $(if $(EPOCHS),--epochs $(EPOCHS)) $(addprefix --step-epochs ,$(STEP_EPOCHS)) $(if $(SIDE),--side $(SIDE)) $(if $(INITIAL),--init-from $(INITIAL)) $(BATCH_FLAG) $(ON_DEVICE)
RATIO_FLAG := $(if $(SCAN_RATIOS),--ratios $(SCAN_RATIOS))
NORMALISE_FLAG := $(if $(NORMALISE),--normalise $(NORMALISE))

# The built-in set is rendered; any other dataset has to be imported from somewhere.
ifneq ($(SOURCE),)
MAKE_DATA = $(BIN)/data-cifar import $(call quoted,$(SOURCE)) --out $(DATA) $(NORMALISE_FLAG) $(THREAD_FLAG)
else ifneq ($(filter data/synth data/synth-imagenet,$(DATA)),)
MAKE_DATA = $(BIN)/data-cifar synth --out $(DATA) $(NORMALISE_FLAG) $(THREAD_FLAG)
else ifneq ($(filter data/synth-smoke%,$(DATA)),)
MAKE_DATA = $(BIN)/data-cifar synth --out $(DATA) --train 2000 --test 400 $(NORMALISE_FLAG) $(THREAD_FLAG)
else
MAKE_DATA = @echo "$(DATA): no dataset there; make it first: make data DATA=$(DATA) SOURCE=...$(if $(NORMALISE), NORMALISE=$(NORMALISE))" >&2; exit 4
endif

# The shell sees it quoted: BIN may have spaces.
override BIN := $(call quoted,$(BIN))

# With WEIGHTS training starts from an imported network.
INITIAL := $(if $(WEIGHTS),$(OUT)/initial)
recipe-says = $(shell sed -n 's/^ *$(1): *//p' $(RECIPE_FILE) | head -1)
