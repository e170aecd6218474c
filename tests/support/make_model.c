/* make_model OUT_DIR [--layers 2 --width 24 ...]: writes a random model folder and an input for it. */
#include "model_fixture.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int usage(void)
{
    fputs("usage: make_model OUT_DIR [--family NAME] [--layers 2] [--width 24] [--heads 3] [--mlp 40] [--seed 1]\n"
          "                  [--dtype F32|F16|BF16] [--shard BYTES] [--prefix vit.] [--act gelu] [--eps 1e-12]\n"
          "  NAME, of images: vit, dinov2_with_registers, clip_vision_model: [--patch 4] [--image 12]\n"
          "  of texts: gpt2, llama, mistral, qwen2, qwen3, bert: [--kv-heads N] [--head-dim N] [--tokens 12] [--vocabulary 29] [--context N] [--untied 0|1] [--bias 0|1] [--recent 0|1]\n"
          "                  [--theta 10000] [--rope default|linear|llama3] [--window N] [--window-from N]\n", stderr);
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

static bool parse_number(const char *option, const char *value, fixture_spec *spec)
{
    const struct {
        const char *name;
        int *field;
    } numbers[] = {{"--layers", &spec->layers}, {"--width", &spec->width}, {"--heads", &spec->heads}, {"--kv-heads", &spec->kv_heads},
                   {"--head-dim", &spec->head_dim}, {"--mlp", &spec->mlp}, {"--patch", &spec->patch}, {"--image", &spec->image},
                   {"--tokens", &spec->tokens}, {"--vocabulary", &spec->vocabulary}, {"--context", &spec->context},
                   {"--window", &spec->window}, {"--window-from", &spec->window_from}};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (!strcmp(option, numbers[i].name)) {
            *numbers[i].field = atoi(value);
            return true;
        }
    return false;
}

static bool parse_flag(const char *option, const char *value, fixture_spec *spec)
{
    const struct {
        const char *name;
        bool *field;
    } flags[] = {{"--untied", &spec->untied}, {"--headless", &spec->headless}, {"--bias", &spec->bias}, {"--recent", &spec->recent}};
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        if (!strcmp(option, flags[i].name)) {
            *flags[i].field = atoi(value) != 0;
            return true;
        }
    return false;
}

static bool parse(const char *option, const char *value, fixture_spec *spec)
{
    if (parse_number(option, value, spec) || parse_flag(option, value, spec))
        return true;
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
    else if (!strcmp(option, "--theta"))
        spec->theta = strtod(value, NULL);
    else if (!strcmp(option, "--rope"))
        spec->rope = value;
    else
        return !strcmp(option, "--family"); /* read before */
    return true;
}

/* What is made of a family when nothing else is asked for. */
static fixture_spec spec_of(int argc, char **argv)
{
    const char *family = "vit";
    for (int i = 2; i + 1 < argc; i += 2)
        if (!strcmp(argv[i], "--family"))
            family = argv[i + 1];
    static const char *const of_images[] = {"vit", "dinov2_with_registers", "clip_vision_model"};
    for (size_t i = 0; i < sizeof of_images / sizeof *of_images; i++)
        if (!strcmp(family, of_images[i])) {
            fixture_spec spec = fixture_default();
            spec.family = of_images[i];
            return spec;
        }
    const bool shares = strcmp(family, "gpt2") && strcmp(family, "bert"); /* keys and values */
    return fixture_text(family, 2, 24, 4, shares ? 2 : 4, 6, 40, 12);
}

int main(int argc, char **argv)
{
    if (argc < 2 || argv[1][0] == '-' || argc % 2)
        return usage();
    fixture_spec spec = spec_of(argc, argv);
    for (int i = 2; i < argc; i += 2)
        if (!parse(argv[i], argv[i + 1], &spec))
            return usage();
    fixture *const f = fixture_create(&spec);
    if (!f) {
        fputs("make_model: no model has this shape: heads must divide the width, key heads the heads, the patch the image; a context holds its tokens\n", stderr);
        return 2;
    }
    const bool written = fixture_write(f, argv[1]);
    if (!written)
        fprintf(stderr, "make_model: %s: %s\n", argv[1], strerror(errno));
    fixture_free(f);
    return written ? 0 : 1;
}
