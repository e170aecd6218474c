/* config.json, generation_config.json and tokenizer_config.json, a NUL byte between: the shape of a model, what its tensors should
 * be, where its text ends and what is put around it. */
#include "fuzz.h"

#include "model.h"
#include "model_fixture.h"
#include "prompt.h"

#include <stdio.h>
#include <stdlib.h>

/* Weights for the models that a config may describe: of an image model and of two language models. */
static void write_weights(void)
{
    const fixture_spec specs[] = {fixture_default(), fixture_text("gpt2", 2, 24, 4, 4, 6, 40, 4), fixture_text("llama", 2, 24, 4, 2, 6, 40, 4)};
    static const char *const names[] = {"vit", "gpt2", "llama"};
    for (int i = 0; i < 3; i++) {
        char file[64];
        fixture *f = fixture_create(&specs[i]);
        if (!f || !fixture_write(f, fuzz_folder()))
            abort();
        fixture_free(f);
        snprintf(file, sizeof file, "%s.weights", names[i]);
        if (rename(fuzz_path("model.safetensors"), fuzz_path(file)) != 0)
            abort();
    }
}

static void load_model(const char *weights)
{
    uvk_model *model = NULL;
    uvk_error err;
    remove(fuzz_path("model.safetensors"));
    if (rename(fuzz_path(weights), fuzz_path("model.safetensors")) != 0)
        abort();
    fuzz_check(uvk_model_load(fuzz_folder(), &model, &err), &err);
    uvk_model_free(model);
    if (rename(fuzz_path("model.safetensors"), fuzz_path(weights)) != 0)
        abort();
}

static void read_prompt(void)
{
    uvk_prompt prompt = {0};
    char *piece = NULL;
    uvk_error err;
    fuzz_check(uvk_prompt_make(fuzz_folder(), NULL, &prompt, &err), &err);
    uvk_prompt_free(&prompt);
    fuzz_check(uvk_prompt_piece(fuzz_folder(), "bos_token", &piece, &err), &err);
    free(piece);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool ready;
    static uvk_arch arch;
    const uvk_family *family = NULL;
    uvk_decoding decoding;
    uvk_error err;
    fuzz_part rest = {data, size};
    if (!ready) {
        write_weights();
        ready = true;
    }
    fuzz_write("config.json", fuzz_next(&rest));
    fuzz_write("generation_config.json", fuzz_next(&rest));
    fuzz_write("tokenizer_config.json", fuzz_next(&rest));
    fuzz_check(uvk_decoding_load(fuzz_folder(), 100, &decoding, &err), &err);
    uvk_decoding_free(&decoding);
    read_prompt();
    uvk_status status = uvk_arch_load(fuzz_folder(), &arch, &family, &err);
    fuzz_check(status, &err);
    if (status == UVK_OK)
        load_model(arch.modality == UVK_VISION ? "vit.weights" : arch.rotary ? "llama.weights" : "gpt2.weights");
    return 0;
}
