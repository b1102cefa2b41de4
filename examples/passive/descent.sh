#!/bin/sh
# Gradient descent in awk, its settings from the environment. Knows nothing of muster.
awk -v lr="${LR:-0.1}" -v start="${START:-5}" 'BEGIN {
    x = start
    for (epoch = 1; epoch <= 9; epoch++) {
        for (i = 0; i < 20; i++) { x -= lr * 2 * (x - 2) / 20 }
        printf "epoch=%d loss=%.6g\n", epoch, (x - 2) ^ 2
        fflush()
        system("sleep 0.05")
    }
}'
