#!/bin/sh
# The digits trainer in shell: softmax regression by SGD in awk, an epoch at a time.
#
#   sh digits.sh [digits.txt]               by itself
#   muster sweep run digits-sh.yaml         as a sweep
#
# Parameters: epochs, lr, decay (the rate of epoch n is lr / (1 + decay n)). With --no-exploit it says that it cannot exploit
# in place, and is started again from the donor's snapshot instead.
data=digits.txt can=checkpoint,pause,exploit
for word; do
    case $word in
    --no-exploit) can=checkpoint,pause ;;
    *) data=$word ;;
    esac
done
here=$(cd "$(dirname "$0")" && pwd)
model=$(mktemp -d) || exit 1
trap 'rm -rf "$model"' EXIT

if [ -z "$MUSTER_SOCKET" ] && ! command -v muster >/dev/null; then # by itself, on a machine without muster
    muster() {
        case $1 in report) shift && echo "$@" >&2 ;; save) return 1 ;; esac
    }
fi

# The weights to go on with, and the parameters that hold from now on.
start() {
    rm -f "$model/weights"
    if [ -n "$MUSTER_RESTORE" ]; then
        cp "$MUSTER_RESTORE/weights" "$model/weights" || exit 1
    fi
    step=${MUSTER_STEP:-0} saved=
    [ -z "$MUSTER_RESTORE" ] || saved=$step
    epochs=${MUSTER_P_epochs:-9} lr=${MUSTER_P_lr:-0.02} decay=${MUSTER_P_decay:-0}
}

# A snapshot of this step, unless there is one; with --due only if one is wanted.
save() {
    [ "$saved" = "$step" ] && return
    if folder=$(muster save --step "$step" "$@") && cp "$model/weights" "$folder/"; then
        muster commit --step "$step"
        case $? in 0 | 1[0-3]) saved=$step ;; esac
    fi
}

eval "$(muster trial env --can $can)"
start
while [ "$step" -lt "$epochs" ]; do
    step=$((step + 1))
    last=
    [ "$step" -lt "$epochs" ] || last=--last
    rate=$(awk -v lr="$lr" -v decay="$decay" -v n="$step" 'BEGIN { print lr / (1 + decay * n) }')
    metrics=$(awk -v rate="$rate" -v seed="$((${MUSTER_SEED:-0} % 1000000 + step))" -v weights="$model/weights" \
        -f "$here/digits.awk" "$data") || exit 1
    # shellcheck disable=SC2086 # words: --last or nothing, val_loss=x val_acc=y
    save --due $last
    # shellcheck disable=SC2086
    acts=$(muster report --step "$step" --acts $metrics)
    echo "epoch $step  $metrics"
    for act in $acts; do # in the order in which they are to be obeyed
        case $act in
        checkpoint) save ;;
        exploit) environment=$(muster exploit) && eval "$environment" && start && echo "exploit: from step $step" ;;
        pause) exit 75 ;; # give me back later: a script has no other good-bye
        stop) exit 0 ;;
        esac
    done
done
