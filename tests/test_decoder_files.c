/* What the folders of language models say about themselves: shapes and positions that are refused by name, and stop tokens. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rig.h"
#include "scratch.h"

/* ---- Editing a folder -------------------------------------------------------------------------------------------------------- */

static void path_in(char path[8192], const char *dir, const char *name)
{
    snprintf(path, 8192, "%s/%s", dir, name);
}

static void write_text(const char *dir, const char *name, const char *text)
{
    char path[8192];
    path_in(path, dir, name);
    FILE *const f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

/* Puts members at the start of config.json: of two with one name the first counts. Returns what was there, for write_text. */
static char *prepend_to_config(const char *dir, const char *members)
{
    char path[8192], text[16384], edited[20000];
    path_in(path, dir, "config.json");
    FILE *const f = fopen(path, "r");
    assert_non_null(f);
    text[fread(text, 1, sizeof text - 1, f)] = '\0';
    fclose(f);
    snprintf(edited, sizeof edited, "{%s,%s", members, text + 1);
    write_text(dir, "config.json", edited);
    return strdup(text);
}

/* ---- Refusals ------------------------------------------------------------------------------------------------------------------ */

typedef struct refusal {
    const char *family, *members, *says;
} refusal;

static void expect_refusal(const char *dir, const refusal *x)
{
    char *const sound = prepend_to_config(dir, x->members);
    uvk_model *model = NULL;
    uvk_error err;
    uvk_status status = uvk_model_load(dir, &model, &err);
    if (status != UVK_BAD_INPUT || !strstr(err.message, x->says) || strchr(err.message, '\n'))
        fail_msg("%s with %s: status %d, \"%s\", expected \"%s\"", x->family, x->members, (int)status, status ? err.message : "", x->says);
    write_text(dir, "config.json", sound);
    free(sound);
}

static void test_configs_are_refused_by_name(void **state)
{
    (void)state;
    static const refusal list[] = {
        {"llama", "\"model_type\": \"gemma\"", "gemma"},
        {"llama", "\"rope_scaling\": {\"rope_type\": \"yarn\", \"factor\": 2.0}", "yarn"},
        {"llama", "\"rope_scaling\": {\"type\": \"dynamic\", \"factor\": 2.0}", "dynamic"},
        {"llama", "\"rope_parameters\": {\"rope_type\": \"longrope\", \"rope_theta\": 10000.0}", "longrope"},
        {"llama", "\"rope_scaling\": {\"rope_type\": \"linear\"}", "factor"},
        {"llama", "\"rope_scaling\": {\"rope_type\": \"llama3\", \"factor\": 8.0, \"low_freq_factor\": 1.0}", "high_freq_factor"},
        {"llama", "\"rope_scaling\": {\"rope_type\": \"llama3\", \"factor\": 8.0, \"low_freq_factor\": 4.0, \"high_freq_factor\": 4.0}", "low_freq_factor"},
        {"llama", "\"rope_theta\": -1.0", "rope_theta"},
        {"llama", "\"rope_theta\": \"ten\"", "rope_theta"},
        {"llama", "\"partial_rotary_factor\": 0.5", "partial_rotary_factor"},
        {"llama", "\"rope_parameters\": {\"rope_theta\": 10000.0, \"partial_rotary_factor\": 0.25}", "partial_rotary_factor"},
        {"llama", "\"num_attention_heads\": 5", "5 heads"},
        {"llama", "\"num_key_value_heads\": 0", "num_key_value_heads"},
        {"llama", "\"head_dim\": 5", "even"},
        {"llama", "\"head_dim\": 512", "512"},
        {"llama", "\"hidden_act\": \"mish\"", "mish"},
        {"llama", "\"rms_norm_eps\": -1.0", "rms_norm_eps"},
        {"llama", "\"vocab_size\": 28", "embed_tokens.weight has a wrong shape (found [29, 24], expected [28, 24])"},
        {"llama", "\"hidden_size\": 40", "wrong shape"},
        {"llama", "\"num_key_value_heads\": 4", "layers.0.self_attn.k_proj.weight has a wrong shape (found [12, 24], expected [24, 24])"},
        {"llama", "\"intermediate_size\": 41", "layers.0.mlp.gate_proj.weight has a wrong shape"},
        {"llama", "\"num_hidden_layers\": 3", "layers.2.input_layernorm.weight is missing"},
        {"llama", "\"num_hidden_layers\": 100000", "num_hidden_layers"},
        {"llama", "\"attention_bias\": true", "layers.0.self_attn.q_proj.bias is missing"},
        {"llama", "\"mlp_bias\": true", "layers.0.mlp.gate_proj.bias is missing"},
        {"llama", "\"model_type\": \"qwen2\"", "layers.0.self_attn.q_proj.bias is missing"},
        {"llama", "\"model_type\": \"qwen3\"", "layers.0.self_attn.q_norm.weight is missing"},
        {"llama", "\"model_type\": \"gpt2\"", "is missing"},
        {"llama", "\"eos_token_id\": \"x\"", "eos_token_id"},
        {"llama", "\"eos_token_id\": 1.5", "eos_token_id"},
        {"mistral", "\"sliding_window\": 0", "sliding_window"},
        {"mistral", "\"sliding_window\": true", "sliding_window"},
        {"qwen2", "\"use_sliding_window\": true, \"sliding_window\": 4, \"layer_types\": [\"full_attention\", \"chunked_attention\"]", "layer_types"},
        {"qwen3", "\"use_sliding_window\": true, \"sliding_window\": 4, \"layer_types\": [\"full_attention\"]", "layer_types"},
        {"qwen3", "\"head_dim\": 8", "wrong shape"},
        {"gpt2", "\"n_head\": 5", "multiple"},
        {"gpt2", "\"n_positions\": 11", "wpe.weight has a wrong shape (found [12, 24], expected [11, 24])"},
        {"gpt2", "\"n_inner\": 41", "h.0.mlp.c_fc.weight has a wrong shape (found [24, 40], expected [24, 41])"},
    };
    char dir[4096];
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        const fixture_spec spec = fixture_text(list[i].family, 2, 24, 4, strcmp(list[i].family, "gpt2") ? 2 : 4, 6, 40, 12);
        fixture *const f = fixture_create(&spec);
        assert_non_null(f);
        scratch_create(dir);
        assert_true(fixture_write(f, dir));
        expect_refusal(dir, &list[i]);
        uvk_model *model;
        uvk_error err;
        rig_expect(uvk_model_load(dir, &model, &err), &err); /* nothing but that was wrong */
        uvk_model_free(model);
        fixture_free(f);
        scratch_remove(dir);
    }
}

/* What files of today and of before say of the same model. */
static void test_configs_of_both_ages_are_one(void **state)
{
    (void)state;
    for (int window = 0; window < 2; window++) {
        uvk_model_info infos[2];
        for (int recent = 0; recent < 2; recent++) {
            fixture_spec spec = fixture_text("qwen2", 3, 24, 4, 2, 6, 40, 12);
            spec.window = 5 * window;
            spec.recent = recent;
            rig r;
            rig_open(&r, &spec);
            infos[recent] = *uvk_model_get_info(r.model);
            rig_close(&r);
        }
        assert_int_equal(infos[0].sliding_window, 5 * window);
        assert_int_equal(infos[1].sliding_window, 5 * window);
        assert_int_equal(infos[0].kv_heads, 2);
        assert_int_equal(infos[0].vocabulary, 29);
        assert_true(infos[0].causal && infos[0].modality == UVK_TEXT && infos[0].context == 12 && infos[0].tokens == 0);
    }
}

/* As many as there are heads, as in the library that wrote it; the default of an absent key is for another model's size. */
static void test_key_heads_that_are_null(void **state)
{
    (void)state;
    const fixture_spec spec = fixture_text("qwen2", 1, 24, 4, 4, 6, 40, 12);
    uvk_error err;
    rig r;
    rig_open(&r, &spec);
    char *const sound = prepend_to_config(r.dir, "\"num_key_value_heads\": null");
    uvk_model *model;
    rig_expect(uvk_model_load(r.dir, &model, &err), &err);
    assert_int_equal(uvk_model_get_info(model)->kv_heads, 4);
    uvk_model_free(model);
    free(sound);
    rig_close(&r);
}

/* ---- Stop tokens ------------------------------------------------------------------------------------------------------------------ */

enum { NEW = 10 };

static int generate(rig *r, int32_t ids[NEW])
{
    int count = -1;
    uvk_error err;
    uvk_session_free(r->session);
    uvk_input_free(r->input);
    uvk_model_free(r->model);
    r->session = NULL;
    r->input = NULL;
    r->model = NULL;
    rig_expect(uvk_model_load(r->dir, &r->model, &err), &err);
    r->input = rig_text(r, r->fixture->ids, r->fixture->spec.tokens);
    rig_expect(uvk_session_create(r->context, r->model, &r->session, &err), &err);
    rig_expect(uvk_generate(r->session, r->input, NEW, NULL, NULL, ids, &count, &err), &err);
    return count;
}

static int first_place(const int32_t *ids, int32_t id)
{
    int i = 0;
    while (ids[i] != id)
        i++;
    return i;
}

/* The last token that came for the first time: generation can be stopped there. */
static int last_new(const int32_t *ids)
{
    int last = 0;
    for (int i = 1; i < NEW; i++)
        last = first_place(ids, ids[i]) == i ? i : last;
    return last;
}

static void expect_stop(rig *r, const int32_t *free_run, int at)
{
    int32_t ids[NEW];
    assert_int_equal(generate(r, ids), at);
    assert_memory_equal(ids, free_run, (size_t)at * sizeof *ids);
}

/* generation_config.json before config.json; one id or a list; the stop token itself is not kept. */
static void test_stop_tokens(void **state)
{
    (void)state;
    fixture_spec spec = fixture_text("llama", 2, 24, 4, 2, 6, 40, 6);
    spec.context = 6 + NEW;
    spec.untied = true; /* a tied head would say the same token over and over */
    int32_t ids[NEW];
    char text[256];
    rig r;
    rig_open(&r, &spec);
    assert_int_equal(generate(&r, ids), NEW);
    const int stop = last_new(ids);
    assert_true(stop > 0);
    const int32_t never = (ids[0] + 1) % spec.vocabulary == ids[stop] ? (ids[0] + 2) % spec.vocabulary : (ids[0] + 1) % spec.vocabulary;
    snprintf(text, sizeof text, "\"eos_token_id\": %d", (int)ids[stop]);
    char *const sound = prepend_to_config(r.dir, text);
    expect_stop(&r, ids, stop);
    snprintf(text, sizeof text, "{\"eos_token_id\": [%d, %d]}", (int)ids[stop], (int)ids[0]);
    write_text(r.dir, "generation_config.json", text);
    expect_stop(&r, ids, 0);
    snprintf(text, sizeof text, "{\"eos_token_id\": [%d]}", (int)ids[0]);
    write_text(r.dir, "generation_config.json", text);
    expect_stop(&r, ids, 0);
    write_text(r.dir, "generation_config.json", "{\"eos_token_id\": null}"); /* says nothing: config.json counts */
    expect_stop(&r, ids, stop);
    write_text(r.dir, "generation_config.json", "{\"eos_token_id\": -1}");
    expect_stop(&r, ids, stop);
    write_text(r.dir, "generation_config.json", "{\"eos_token_id\": [29, 2147483648]}"); /* beyond the vocabulary: never said */
    expect_stop(&r, ids, stop);
    write_text(r.dir, "config.json", sound);
    snprintf(text, sizeof text, "{\"eos_token_id\": %d}", (int)ids[stop]);
    write_text(r.dir, "generation_config.json", text);
    expect_stop(&r, ids, stop);
    snprintf(text, sizeof text, "{\"eos_token_id\": %d}", (int)never);
    write_text(r.dir, "generation_config.json", text);
    int at = 0;
    while (at < NEW && ids[at] != never)
        at++;
    expect_stop(&r, ids, at);
    free(sound);
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_configs_are_refused_by_name),
        cmocka_unit_test(test_configs_of_both_ages_are_one),
        cmocka_unit_test(test_key_heads_that_are_null),
        cmocka_unit_test(test_stop_tokens),
    };
    return cmocka_run_group_tests(tests, NULL, rig_end);
}
