/* make_model OUT_DIR [--layers 2 --width 24 ...]: writes a random `vit` model folder and an input for it. */
#include "model_fixture.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int usage(void)
{
    fputs("usage: make_model OUT_DIR [--layers 2] [--width 24] [--heads 3] [--mlp 40] [--patch 4] [--image 12] [--seed 1]\n"
          "                  [--dtype F32|F16|BF16] [--shard BYTES] [--prefix vit.] [--act gelu] [--eps 1e-12]\n", stderr);
    return 2;
}

static bool parse_dtype(const char *text, fixture_dtype *out)
{
    static const char *const names[] = {"F32", "F16", "BF16"};
    for (int i = 0; i < 3; i++)
        if (!strcmp(text, names[i])) {
            *out = (fixture_dtype)i;
            return true;
        }
    return false;
}

static bool parse(const char *option, const char *value, fixture_spec *spec)
{
    const struct {
        const char *name;
        int *field;
    } numbers[] = {{"--layers", &spec->layers}, {"--width", &spec->width}, {"--heads", &spec->heads},
                   {"--mlp", &spec->mlp},       {"--patch", &spec->patch}, {"--image", &spec->image}};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (!strcmp(option, numbers[i].name)) {
            *numbers[i].field = atoi(value);
            return true;
        }
    if (!strcmp(option, "--dtype"))
        return parse_dtype(value, &spec->dtype);
    if (!strcmp(option, "--seed"))
        spec->seed = strtoull(value, NULL, 10);
    else if (!strcmp(option, "--shard"))
        spec->shard = strtoull(value, NULL, 10);
    else if (!strcmp(option, "--prefix"))
        spec->prefix = value;
    else if (!strcmp(option, "--act"))
        spec->act = value;
    else if (!strcmp(option, "--eps"))
        spec->eps = strtod(value, NULL);
    else
        return false;
    return true;
}

int main(int argc, char **argv)
{
    fixture_spec spec = fixture_default();
    if (argc < 2 || argv[1][0] == '-' || argc % 2)
        return usage();
    for (int i = 2; i < argc; i += 2)
        if (!parse(argv[i], argv[i + 1], &spec))
            return usage();
    fixture *const f = fixture_create(&spec);
    if (!f) {
        fputs("make_model: no model has this shape: heads must divide the width, and the patch the image\n", stderr);
        return 2;
    }
    const bool written = fixture_write(f, argv[1]);
    if (!written)
        fprintf(stderr, "make_model: %s: %s\n", argv[1], strerror(errno));
    fixture_free(f);
    return written ? 0 : 1;
}
