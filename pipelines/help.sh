#!/bin/sh
# Prints the documented targets (`target: ... ## text`) and variables (`#: NAME text`) of makefiles.
echo "Secateur: train a network, prune it, and see what is left."
echo
echo "  make one-shot SPARSITY=0.9      the whole story on built-in data, in minutes"
echo
echo "Targets:"
sed -n 's/^\([a-z-]*\):.*## \(.*\)$/  \1\t\2/p' "$@" | awk -F'\t' '{ printf "%-17s %s\n", $1, $2 }'
echo
echo "Variables:"
sed -n 's/^#: //p' "$@" | sed 's/^/  /'
