#include "background.h"

#include <stdlib.h>

typedef struct tally {
    int size, border; /* patches; of them, those at the border of the grid */
    int name;         /* the new label; -1: none yet */
    bool stays;
} tally;

static tally *count(int rows, int cols, const int *labels, int clusters)
{
    tally *t = calloc((size_t)clusters, sizeof *t);
    for (int i = 0; t && i < rows * cols; i++) {
        int row = i / cols, col = i % cols;
        t[labels[i]].size++;
        t[labels[i]].border += row == 0 || col == 0 || row == rows - 1 || col == cols - 1;
        t[labels[i]].name = -1;
    }
    return t;
}

static void choose(tally *t, int clusters, int most)
{
    for (int k = 0; k < most; k++) {
        int best = -1;
        for (int c = 0; c < clusters; c++)
            if (!t[c].stays && 4 * t[c].border < t[c].size && (best < 0 || t[c].size > t[best].size))
                best = c;
        if (best < 0)
            return;
        t[best].stays = true;
    }
}

uvk_status uvk_join_background(int rows, int cols, int most, int *labels, int *clusters, uvk_error *err)
{
    tally *t = count(rows, cols, labels, *clusters);
    int next = 0, background = -1;
    if (!t)
        return uvk_fail_memory(err, (size_t)*clusters * sizeof *t, "a background");
    choose(t, *clusters, most);
    for (int i = 0; i < rows * cols; i++) {
        int *name = t[labels[i]].stays ? &t[labels[i]].name : &background;
        if (*name < 0)
            *name = next++;
        labels[i] = *name;
    }
    *clusters = next;
    free(t);
    return UVK_OK;
}
