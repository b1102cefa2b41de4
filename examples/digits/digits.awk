# One epoch of softmax regression by SGD, one image at a time. Reads `weights` if it is there, and writes it; prints the metrics of
# the images held out (every fifth). The order of the images depends on `seed` alone.
BEGIN {
    for (i = 0; i < 17; i++) pixel[substr("0123456789abcdefg", i + 1, 1)] = i / 16
    while ((getline line < weights) > 0) w[n_weights++] = line + 0
    for (i = n_weights; i < 650; i++) w[i] = 0
    srand(seed)
}
/^#/ { next }
{
    image[n] = ""
    for (i = 1; i <= 64; i++) {
        c = substr($0, i, 1)
        if (c != "0") image[n] = image[n] " " (i - 1) ":" pixel[c]   # most of an image is empty
    }
    label[n] = substr($0, 66, 1) + 0
    n++
}
# p[0..9] from the image in at[], value[] (m of them); its loss.
function forward(k,   j, i, top, sum, z) {
    m = split(image[k], part, " ")
    for (i = 1; i <= m; i++) { split(part[i], pair, ":"); at[i] = pair[1] * 10; value[i] = pair[2] }
    for (j = 0; j < 10; j++) {
        z = w[640 + j]
        for (i = 1; i <= m; i++) z += w[at[i] + j] * value[i]
        p[j] = z
    }
    top = 0
    for (j = 1; j < 10; j++) if (p[j] > p[top]) top = j
    best = top
    z = p[top]
    for (j = 0; j < 10; j++) { p[j] = exp(p[j] - z); sum += p[j] }
    for (j = 0; j < 10; j++) p[j] /= sum
    return -log(p[label[k]] > 1e-30 ? p[label[k]] : 1e-30)
}
END {
    for (k = 0; k < n; k++) if (k % 5) order[trained++] = k
    for (k = trained - 1; k > 0; k--) { j = int(rand() * (k + 1)); swap = order[k]; order[k] = order[j]; order[j] = swap }
    for (k = 0; k < trained; k++) {
        forward(order[k])
        for (j = 0; j < 10; j++) {
            d = rate * (p[j] - (j == label[order[k]]))
            w[640 + j] -= d
            for (i = 1; i <= m; i++) w[at[i] + j] -= d * value[i]
        }
    }
    for (k = 0; k < n; k += 5) { loss += forward(k); right += best == label[k]; held++ }
    for (i = 0; i < 650; i++) printf "%.17g\n", w[i] > weights
    printf "val_loss=%.6f val_acc=%.6f\n", loss / held, right / held
}
