#include "hide.h"

#include "fill.h"
#include "head.h"
#include "prompt.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- Opening ------------------------------------------------------------------------------------------------------------------ */

static uvk_status open_image(uvk_hider *h, uvk_mask mask, uvk_error *err)
{
    size_t count = 3 * (size_t)h->input->height * (size_t)h->input->width, bytes = 2 * count * sizeof(float);
    h->pixels = malloc(count * sizeof *h->pixels);
    h->filler = malloc(count * sizeof *h->filler);
    if (!h->pixels || !h->filler)
        return uvk_fail_memory(err, bytes, "a masked image");
    h->variant.pixels = h->pixels;
    return uvk_fill(h->input, mask, h->filler, err);
}

static uvk_status find_piece(const uvk_model *m, const char *key, int32_t *out, uvk_error *err)
{
    char *piece = NULL;
    uvk_status status = uvk_prompt_piece(m->path, key, &piece, err);
    *out = status == UVK_OK && piece && m->tokenizer ? uvk_tokenizer_find(m->tokenizer, piece) : -1;
    free(piece);
    return status;
}

static uvk_status find_replacement(uvk_hider *h, uvk_error *err)
{
    const uvk_model *m = h->input->model;
    uvk_status status = find_piece(m, "mask_token", &h->replacement, err);
    if (status == UVK_OK && h->replacement < 0)
        status = find_piece(m, "pad_token", &h->replacement, err);
    if (status == UVK_OK && (h->replacement < 0 || h->replacement >= m->arch.vocabulary))
        status = uvk_fail(err, UVK_BAD_INPUT, "%s: has neither a mask_token nor a pad_token that could stand for what is removed (removing by deletion needs none)", m->path);
    return status;
}

static uvk_status open_text(uvk_hider *h, uvk_error *err)
{
    size_t bytes = (size_t)h->n * sizeof *h->variant.tokens;
    h->variant.tokens = malloc(bytes);
    if (!h->variant.tokens)
        return uvk_fail_memory(err, bytes, "a shortened text");
    return h->removal == UVK_REMOVE_MASK ? find_replacement(h, err) : UVK_OK;
}

uvk_status uvk_hider_open(uvk_hider *h, uvk_session *session, const uvk_input *input, uvk_mask mask, uvk_removal removal, uvk_error *err)
{
    *h = (uvk_hider){.session = session, .input = input, .variant = *input, .removal = removal, .n = input->count};
    h->places = malloc((size_t)h->n * sizeof *h->places);
    if (!h->places)
        return uvk_fail_memory(err, (size_t)h->n * sizeof *h->places, "the places of tokens");
    return input->pixels ? open_image(h, mask, err) : open_text(h, err);
}

void uvk_hider_close(uvk_hider *h)
{
    if (h->input && h->variant.tokens != h->input->tokens)
        free(h->variant.tokens);
    free(h->places);
    free(h->pixels);
    free(h->filler);
    *h = (uvk_hider){0};
}

/* ---- Images ------------------------------------------------------------------------------------------------------------------- */

static void cover(const uvk_hider *h, const uvk_arch *a, int patch)
{
    size_t p = (size_t)a->patch, width = (size_t)h->input->width, height = (size_t)h->input->height;
    size_t row = (size_t)(patch / uvk_arch_grid_cols(a)) * p, col = (size_t)(patch % uvk_arch_grid_cols(a)) * p;
    for (size_t c = 0; c < 3; c++)
        for (size_t y = row; y < row + p; y++)
            memcpy(h->pixels + (c * height + y) * width + col, h->filler + (c * height + y) * width + col, p * sizeof(float));
}

static uvk_status run_image(uvk_hider *h, const bool *hidden, uvk_error *err)
{
    const uvk_arch *a = &h->session->model->arch;
    memcpy(h->pixels, h->input->pixels, 3 * (size_t)h->input->height * (size_t)h->input->width * sizeof *h->pixels);
    for (int i = 0; i < h->n; i++) {
        h->places[i] = i;
        if (i < a->special && hidden[i])
            return uvk_fail(err, UVK_USAGE, "token %d is no patch and cannot be masked", i);
        if (hidden[i])
            cover(h, a, i - a->special);
    }
    return uvk_forward(h->session, &h->variant, err);
}

/* ---- Texts -------------------------------------------------------------------------------------------------------------------- */

static void take_tokens(uvk_hider *h, const bool *hidden)
{
    const uvk_token *all = h->input->tokens;
    h->variant.count = h->variant.encoder_count = 0;
    for (int i = 0; i < h->n; i++) {
        bool gone = hidden[i] && h->removal == UVK_REMOVE_DELETE;
        h->places[i] = gone ? -1 : h->variant.count;
        if (gone)
            continue;
        uvk_token *t = &h->variant.tokens[h->variant.count++];
        *t = all[i];
        h->variant.encoder_count += i < h->input->encoder_count;
        if (hidden[i])
            t->id = h->replacement;
    }
}

/* Leading tokens that the last pass ran over as well. */
static uint32_t count_shared(const uvk_hider *h)
{
    const uvk_session *s = h->session;
    uint32_t shared = 0;
    while (shared < s->tokens && shared < (uint32_t)h->variant.count && s->ids[shared] == h->variant.tokens[shared].id)
        shared++;
    return shared;
}

/* Rows first.. of a causal text; those before are there. The activations have room: a variant is never longer than its input. */
static uvk_status run_rest(uvk_session *s, const uvk_token *tokens, uint32_t first, uint32_t n, uvk_error *err)
{
    uvk_range rest = {first, n - first};
    s->tokens = 0;
    for (uint32_t i = first; i < n; i++)
        s->ids[i] = tokens[i].id;
    uvk_status status = uvk_embed_ids(s, s->ids + first, rest, err);
    if (status == UVK_OK)
        status = uvk_forward_rows(s, rest, err);
    if (status == UVK_OK)
        s->tokens = n;
    return status;
}

static uvk_status run_text(uvk_hider *h, const bool *hidden, uvk_error *err)
{
    uvk_session *s = h->session;
    take_tokens(h, hidden);
    uint32_t n = (uint32_t)h->variant.count, shared = count_shared(h);
    bool sides = s->model->arch.encoder_layers > 0;
    if (n == 0 || (sides && h->variant.encoder_count == 0))
        return uvk_fail(err, UVK_USAGE, "%s: nothing of the text is left when all its tokens are removed", h->input->path);
    /* s->ids has room for the longest text of late; a whole pass makes room for this one */
    if (!s->model->arch.causal || sides || shared == 0 || s->tokens < n)
        return uvk_forward(s, &h->variant, err);
    return run_rest(s, h->variant.tokens, shared < n ? shared : n - 1, n, err);
}

/* ---- Results ------------------------------------------------------------------------------------------------------------------ */

uvk_status uvk_hider_run(uvk_hider *h, const bool *hidden, uvk_error *err)
{
    return h->input->pixels ? run_image(h, hidden, err) : run_text(h, hidden, err);
}

uvk_status uvk_hider_latent(uvk_hider *h, int layer, int token, float *out, uvk_error *err)
{
    if (h->places[token] < 0)
        return uvk_fail(err, UVK_USAGE, "token %d is hidden and has no latent", token);
    return uvk_download(h->session->ctx, uvk_session_z(h->session, layer), (uint64_t)h->places[token], 1, out, err);
}

static double mean_of(const double *values, int count)
{
    double sum = 0;
    for (int i = 0; i < count; i++)
        sum += values[i];
    return sum / count;
}

uvk_status uvk_hider_probability(uvk_hider *h, double *out, uvk_error *err)
{
    int m = uvk_summary_targets(&h->variant, UVK_AT_PREDICT, NULL, NULL);
    size_t count = m > 0 ? (size_t)m : 1, bytes = count * (2 * sizeof(int32_t) + sizeof(double));
    int32_t *positions = malloc(2 * count * sizeof *positions), *ids = positions + count;
    double *values = malloc(count * sizeof *values);
    uvk_status status = positions && values ? UVK_OK : uvk_fail_memory(err, bytes, "the summary's probability");
    *out = NAN;
    if (status == UVK_OK && m > 0) {
        uvk_summary_targets(&h->variant, UVK_AT_PREDICT, positions, ids);
        for (int k = 0; k < m; k++)
            ids[k] = h->variant.tokens[ids[k]].id;
        status = uvk_log_probabilities(h->session, positions, ids, m, values, err);
        if (status == UVK_OK)
            *out = exp(mean_of(values, m));
    }
    free(values);
    free(positions);
    return status;
}
