/* The sequence that a language model sees: a prompt around a text, a summary behind it, and what each token is. */
#include "hash.h"
#include "input.h"
#include "prompt.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

/* ---- Checks ------------------------------------------------------------------------------------------------------------ */

static uvk_status check_tokenizer(const uvk_model *m, uvk_error *err)
{
    if (!m->tokenizer && *m->tokenizer_error.message)
        return uvk_fail(err, m->tokenizer_error.status, "%s", m->tokenizer_error.message);
    if (!m->tokenizer)
        return uvk_fail(err, UVK_BAD_INPUT, "%s: has no tokenizer (expected tokenizer.json, vocab.json with merges.txt, or vocab.txt)", m->path);
    int32_t size = uvk_tokenizer_vocabulary(m->tokenizer);
    if (size > m->arch.vocabulary)
        return uvk_fail(err, UVK_BAD_INPUT, "%s: the tokenizer is of another model (found ids up to %d, the embedding has rows for 0 to %d)", m->path, size - 1,
                        m->arch.vocabulary - 1);
    return UVK_OK;
}

static uvk_status check_text(const char *name, const char *what, const char *text, size_t length, uvk_error *err)
{
    if (length == 0)
        return uvk_fail(err, UVK_BAD_INPUT, "%s: %s is empty", name, what);
    if (length > UVK_MAX_TEXT)
        return uvk_fail(err, UVK_BAD_INPUT, "%s: %s is too large (found %zu bytes, expected at most %d)", name, what, length, UVK_MAX_TEXT);
    for (size_t at = 0; at < length;) {
        int32_t point;
        utf8proc_ssize_t size = utf8proc_iterate((const uint8_t *)text + at, (utf8proc_ssize_t)(length - at), &point);
        if (size <= 0 || point == 0)
            return uvk_fail(err, UVK_BAD_INPUT, "%s: %s is not text (found %s at byte %zu, expected UTF-8)", name, what, size > 0 ? "a NUL" : "an invalid sequence", at);
        at += (size_t)size;
    }
    return UVK_OK;
}

static uvk_status check_ids(const uvk_model *m, const char *name, const char *what, const int32_t *ids, int count, uvk_error *err)
{
    if (count <= 0)
        return uvk_fail(err, UVK_BAD_INPUT, "%s: %s is empty", name, what);
    for (int i = 0; i < count; i++)
        if (ids[i] < 0 || ids[i] >= m->arch.vocabulary)
            return uvk_fail(err, UVK_BAD_INPUT, "%s: token %d of %s is not in the vocabulary (found id %d, expected 0 to %d)", name, i, what, ids[i],
                            m->arch.vocabulary - 1);
    return UVK_OK;
}

static int count_role(const uvk_input *in, uvk_role role)
{
    int n = 0;
    for (int i = 0; i < in->count; i++)
        n += in->tokens[i].role == role;
    return n;
}

/* hint: whether the caller's text can be cut. Each side of an encoder-decoder has the whole context; a text is cut to fit its own. */
static uvk_status check_length(const uvk_input *in, int room, bool hint, uvk_error *err)
{
    int most = in->model->arch.context, encoder = in->encoder_count, own = in->count - encoder;
    bool read = encoder > most, here = read || !encoder;
    int found = read ? encoder : own, to_come = read ? 0 : room;
    int64_t over = (int64_t)found + to_come - most, keep = count_role(in, UVK_ROLE_CONTEXT) - over;
    char advice[64] = "", more[64] = "";
    if (over <= 0)
        return UVK_OK;
    if (hint && keep > 0 && here)
        snprintf(advice, sizeof advice, "; --truncate %lld would fit", (long long)keep);
    if (to_come > 0)
        snprintf(more, sizeof more, " and %d to be generated", to_come);
    return uvk_fail(err, UVK_BAD_INPUT, "%s: longer than the model's context (found %d tokens%s, expected at most %d%s)", in->path, found, more, most, advice);
}

/* ---- Tokens ------------------------------------------------------------------------------------------------------------ */

/* An unknown word is marked special in vocabularies, but it is text. */
bool uvk_is_marker(const uvk_tokenizer *t, int32_t id)
{
    if (!t || !uvk_tokenizer_is_special(t, id))
        return false;
    const char *piece = uvk_tokenizer_piece(t, id);
    return piece && strcmp(piece, "<unk>") != 0 && strcmp(piece, "[UNK]") != 0 && strcmp(piece, "<|unk|>") != 0;
}

static uvk_status make_room(uvk_input *in, size_t more, uvk_error *err)
{
    size_t count = (size_t)in->count + more, bytes = (count + 1) * sizeof *in->tokens;
    uvk_token *tokens = count < INT32_MAX ? realloc(in->tokens, bytes) : NULL;
    if (!tokens)
        return uvk_fail_memory(err, bytes, "tokens");
    in->tokens = tokens;
    return UVK_OK;
}

static void append_marker(uvk_input *in, int32_t id)
{
    in->tokens[in->count++] = (uvk_token){.id = id, .role = UVK_ROLE_SPECIAL, .special = true, .start = -1, .end = -1};
}

/* A text within what was encoded. */
typedef struct region {
    size_t start, end, total; /* bytes */
    uvk_role role;            /* of its tokens; those around are the prompt's */
    int limit;                /* keep the first so many tokens of it; 0: all */
    bool trailing;            /* keep the special tokens that the tokenizer puts behind */
} region;

static bool is_inside(const region *r, const uvk_encoded *e)
{
    if (e->start < e->end)
        return e->start < r->end && e->end > r->start;
    return e->start >= r->start && (e->start < r->end || r->end == r->total);
}

static void append_inside(uvk_input *in, const region *r, const uvk_encoded *e, bool marker)
{
    size_t start = e->start > r->start ? e->start : r->start, end = e->end < r->end ? e->end : r->end;
    in->tokens[in->count++] = (uvk_token){.id = e->id, .role = r->role, .special = marker, .start = (int32_t)(start - r->start),
                                          .end = (int32_t)((end > start ? end : start) - r->start)};
}

static uvk_status append_encoding(uvk_input *in, const region *r, const uvk_encoding *encoding, uvk_error *err)
{
    size_t n = encoding->count;
    uvk_status status = make_room(in, n, err);
    while (n > 0 && !r->trailing && encoding->tokens[n - 1].special)
        n--;
    int kept = 0, vocabulary = in->model->arch.vocabulary;
    for (size_t i = 0; !status && i < n; i++) /* a token that was added to the tokenizer alone has no embedding */
        if (encoding->tokens[i].id >= vocabulary)
            status = uvk_fail(err, UVK_BAD_INPUT, "%s: token %zu of the text is not in the vocabulary (found id %d, expected 0 to %d)", in->path, i,
                              encoding->tokens[i].id, vocabulary - 1);
    for (size_t i = 0; !status && i < n; i++) {
        const uvk_encoded *e = &encoding->tokens[i];
        bool marker = e->special || uvk_is_marker(in->model->tokenizer, e->id), inside = !e->special && is_inside(r, e);
        bool cut = inside && r->limit > 0 && kept == r->limit;
        if (cut && e->end <= r->end)
            in->info.truncated++;
        else if (marker && !(inside && r->role == UVK_ROLE_SUMMARY))
            append_marker(in, e->id);
        else if (inside && !cut) {
            append_inside(in, r, e, marker);
            kept++;
        } else /* also a token of which the text's part is cut off: the rest of it is the template's */
            in->tokens[in->count++] = (uvk_token){.id = e->id, .role = UVK_ROLE_PROMPT, .start = -1, .end = -1};
    }
    return status;
}

static uvk_status copy_text(const char *text, size_t length, char **out, size_t *out_length, uvk_error *err)
{
    *out = malloc(length + 1);
    if (!*out)
        return uvk_fail_memory(err, length + 1, "a text");
    memcpy(*out, text, length);
    (*out)[length] = '\0';
    *out_length = length;
    return UVK_OK;
}

/* A text without a prompt. */
static uvk_status append_text(uvk_input *in, const char *name, const char *text, size_t length, uvk_role role, bool add_special, uvk_error *err)
{
    const region r = {.end = length, .total = length, .role = role, .trailing = true};
    uvk_encoding encoding;
    uvk_status status = uvk_tokenizer_encode(in->model->tokenizer, text, length, add_special, &encoding, err);
    if (status)
        return status;
    status = append_encoding(in, &r, &encoding, err);
    uvk_encoding_free(&encoding);
    if (!status && count_role(in, role) == 0)
        status = uvk_fail(err, UVK_BAD_INPUT, "%s: holds no text (found %zu bytes of which no token comes)", name, length);
    return status;
}

/* Markers are no context; in a summary they are what was summarized. */
static uvk_status append_ids(uvk_input *in, const int32_t *ids, int count, uvk_role role, int limit, char **text, size_t *length, uvk_error *err)
{
    const uvk_tokenizer *t = check_tokenizer(in->model, NULL) == UVK_OK ? in->model->tokenizer : NULL; /* another model's reads them wrong */
    int32_t *ranges = malloc((size_t)count * 2 * sizeof *ranges);
    uvk_status status = ranges ? make_room(in, (size_t)count, err) : uvk_fail_memory(err, (size_t)count * 2 * sizeof *ranges, "tokens");
    if (!status && t)
        status = uvk_decode_ranges(t, ids, count, text, ranges, err);
    if (!status && t)
        *length = strlen(*text);
    int kept = 0;
    for (int i = 0; !status && i < count; i++) {
        bool marker = uvk_is_marker(t, ids[i]);
        if (limit > 0 && kept == limit)
            in->info.truncated++;
        else if (marker && role != UVK_ROLE_SUMMARY)
            append_marker(in, ids[i]);
        else {
            in->tokens[in->count++] = (uvk_token){.id = ids[i], .role = role, .special = marker, .start = t ? ranges[2 * i] : -1, .end = t ? ranges[2 * i + 1] : -1};
            kept++;
        }
    }
    free(ranges);
    return status;
}

/* What stands so far is the encoder's; the decoder's sequence begins. */
static uvk_status begin_decoder(uvk_input *in, bool given, uvk_error *err)
{
    if (!in->model->arch.encoder_layers)
        return UVK_OK;
    uvk_status status = make_room(in, 1, err);
    in->encoder_count = in->count;
    if (!status && !given)
        append_marker(in, in->model->arch.decoder_start);
    return status;
}

/* ---- A text or ids as they are ------------------------------------------------------------------------------------------ */

uvk_status uvk_input_fill_text(uvk_input *in, const char *text, size_t length, uvk_error *err)
{
    uvk_status status = check_text(in->path, "the text", text, length, err);
    if (!status)
        status = check_tokenizer(in->model, err);
    if (!status)
        status = copy_text(text, length, &in->text, &in->text_length, err);
    if (!status)
        status = append_text(in, in->path, text, length, UVK_ROLE_CONTEXT, true, err);
    if (!status)
        status = begin_decoder(in, false, err);
    in->info.kind = "text";
    return status ? status : check_length(in, 0, false, err);
}

uvk_status uvk_input_fill_ids(uvk_input *in, const int32_t *ids, int count, uvk_error *err)
{
    uvk_status status = check_ids(in->model, in->path, "the text", ids, count, err);
    if (!status)
        status = append_ids(in, ids, count, UVK_ROLE_CONTEXT, 0, &in->text, &in->text_length, err);
    if (!status)
        status = begin_decoder(in, false, err);
    in->info.kind = "array";
    return status ? status : check_length(in, 0, false, err);
}

/* ---- A prompt around a text ---------------------------------------------------------------------------------------------- */

/* A template that writes the tokenizer's first special token itself gets no second one. */
static bool writes_marker(const uvk_tokenizer *t, const uvk_encoding *encoding, const char *text, size_t length)
{
    const char *piece = encoding->count > 0 && encoding->tokens[0].special ? uvk_tokenizer_piece(t, encoding->tokens[0].id) : NULL;
    return piece && *piece && strlen(piece) <= length && memcmp(text, piece, strlen(piece)) == 0;
}

static uvk_status encode_once(const uvk_tokenizer *t, const char *text, size_t length, uvk_encoding *out, uvk_error *err)
{
    uvk_status status = uvk_tokenizer_encode(t, text, length, true, out, err);
    if (status || !writes_marker(t, out, text, length))
        return status;
    uvk_encoding_free(out);
    return uvk_tokenizer_encode(t, text, length, false, out, err);
}

static uvk_status append_prompted(uvk_input *in, const uvk_prompt *prompt, const uvk_text_params *p, uvk_error *err)
{
    size_t before = strlen(prompt->before), after = strlen(prompt->after), total = before + p->context_length + after;
    char *text = malloc(total + 1);
    uvk_encoding encoding;
    if (!text)
        return uvk_fail_memory(err, total + 1, "a prompt");
    memcpy(text, prompt->before, before);
    memcpy(text + before, p->context, p->context_length);
    memcpy(text + before + p->context_length, prompt->after, after + 1);
    uvk_status status = encode_once(in->model->tokenizer, text, total, &encoding, err);
    free(text);
    if (status)
        return status;
    const region r = {.start = before, .end = before + p->context_length, .total = total, .role = UVK_ROLE_CONTEXT, .limit = p->truncate,
                      .trailing = in->model->arch.encoder_layers > 0};
    status = append_encoding(in, &r, &encoding, err);
    uvk_encoding_free(&encoding);
    if (!status && count_role(in, UVK_ROLE_CONTEXT) == 0)
        status = uvk_fail(err, UVK_BAD_INPUT, "%s: holds no text (found %zu bytes of which no token comes)", in->path, p->context_length);
    return status;
}

static uvk_status append_context(uvk_input *in, const uvk_text_params *p, uvk_error *err)
{
    uvk_prompt prompt = {0};
    uvk_status status = check_tokenizer(in->model, err);
    if (!status)
        status = check_text(in->path, "the text", p->context, p->context_length, err);
    if (!status)
        status = uvk_prompt_make(in->model->path, p->prompt || !in->model->arch.encoder_layers ? p->prompt : "{text}", &prompt, err);
    if (!status)
        status = copy_text(p->context, p->context_length, &in->text, &in->text_length, err);
    if (!status)
        status = append_prompted(in, &prompt, p, err);
    uvk_prompt_free(&prompt);
    return status;
}

/* ---- A summary behind it ------------------------------------------------------------------------------------------------- */

/* Where generation may stop at several tokens, the tokenizer says which of them is its end of a sequence. -1: the model has none. */
static uvk_status find_end(const uvk_model *m, int32_t *out, uvk_error *err)
{
    char *piece = NULL;
    *out = m->decoding.n_stop_ids > 0 ? m->decoding.stop_ids[0] : -1;
    if (m->decoding.n_stop_ids == 1 || !m->tokenizer)
        return UVK_OK;
    uvk_status status = uvk_prompt_piece(m->path, "eos_token", &piece, err);
    int32_t id = !status && piece ? uvk_tokenizer_find(m->tokenizer, piece) : -1;
    if (id >= 0 && id < m->arch.vocabulary && (m->decoding.n_stop_ids == 0 || uvk_decoding_stops(&m->decoding, id)))
        *out = id;
    free(piece);
    return status;
}

/* It explains nothing and nothing sees it: a sequence that is full without it stays so. */
static uvk_status append_end(uvk_input *in, uvk_error *err)
{
    int32_t id;
    uvk_status status = find_end(in->model, &id, err);
    if (status || id < 0 || in->count - in->encoder_count >= in->model->arch.context)
        return status;
    status = make_room(in, 1, err);
    if (!status)
        append_marker(in, id);
    return status;
}

static uvk_status append_summary(uvk_input *in, const uvk_text_params *p, uvk_error *err)
{
    const char *name = p->summary_name ? p->summary_name : in->path;
    uvk_status status;
    if (p->summary_ids) {
        status = check_ids(in->model, name, "the summary", p->summary_ids, p->n_summary_ids, err);
        return status ? status : append_ids(in, p->summary_ids, p->n_summary_ids, UVK_ROLE_SUMMARY, 0, &in->summary, &in->summary_length, err);
    }
    if (!p->summary)
        return UVK_OK;
    status = check_text(name, "the summary", p->summary, p->summary_length, err);
    if (!status)
        status = copy_text(p->summary, p->summary_length, &in->summary, &in->summary_length, err);
    return status ? status : append_text(in, name, p->summary, p->summary_length, UVK_ROLE_SUMMARY, false, err);
}

/* ---- All of it ------------------------------------------------------------------------------------------------------------- */

/* What was given identifies an input; a summary that the model wrote behind a given text does not. */
static void hash_input(uvk_input *in, const uvk_text_params *p)
{
    char both[128 + 1] = "";
    if (p->context_ids)
        uvk_sha256_bytes(p->context_ids, (size_t)p->n_context_ids * sizeof *p->context_ids, both);
    else
        uvk_sha256_bytes(p->context, p->context_length, both);
    memcpy(in->info.sha256, both, 65);
    if (p->context_ids && p->summary_ids)
        uvk_sha256_bytes(p->summary_ids, (size_t)p->n_summary_ids * sizeof *p->summary_ids, both + 64);
    else if (p->summary)
        uvk_sha256_bytes(p->summary, p->summary_length, both + 64);
    if (both[64])
        uvk_sha256_bytes(both, 128, in->info.sha256);
}

static uvk_status check_params(const uvk_model *model, const uvk_text_params *p, const char *name, uvk_error *err)
{
    if (model->arch.modality != UVK_TEXT)
        return uvk_fail(err, UVK_BAD_INPUT, "%s: not an input of this model (found a text, expected an image: it is a vision model)", name);
    if (!p->context && !p->context_ids)
        return uvk_fail(err, UVK_USAGE, "%s: no text is given", name);
    if (p->summary && (p->summary_ids || p->context_ids))
        return uvk_fail(err, UVK_USAGE, "%s: a summary as text goes with a text, and is given once", name);
    if (p->truncate < 0 || p->room < 0)
        return uvk_fail(err, UVK_USAGE, "%s: truncate and room are numbers of tokens (found %d and %d)", name, p->truncate, p->room);
    return UVK_OK;
}

static uvk_status build(uvk_input *in, const uvk_text_params *p, uvk_error *err)
{
    uvk_status status;
    if (p->context_ids) {
        status = check_ids(in->model, in->path, "the text", p->context_ids, p->n_context_ids, err);
        if (!status)
            status = append_ids(in, p->context_ids, p->n_context_ids, UVK_ROLE_CONTEXT, p->truncate, &in->text, &in->text_length, err);
    } else {
        status = append_context(in, p, err);
    }
    in->given = in->model->arch.encoder_layers && p->context_ids && p->summary_ids && p->summary_ids[0] == in->model->arch.decoder_start;
    if (!status)
        status = begin_decoder(in, in->given, err);
    if (!status)
        status = append_summary(in, p, err);
    if (!status && in->given) {
        in->tokens[in->encoder_count].role = UVK_ROLE_SPECIAL;
        in->tokens[in->encoder_count].special = true;
    }
    if (!status)
        status = check_length(in, p->room, true, err);
    if (!status && !p->context_ids && (p->summary || p->summary_ids))
        status = append_end(in, err);
    return status;
}

uvk_status uvk_input_create_text(const uvk_model *model, const uvk_text_params *params, uvk_input **out, uvk_error *err)
{
    uvk_input *in;
    const char *name = params->name ? params->name : "text";
    uvk_status status = check_params(model, params, name, err);
    if (!status)
        status = uvk_input_begin(model, name, &in, err);
    if (status)
        return status;
    in->info.kind = params->context_ids ? "array" : "text";
    status = build(in, params, err);
    if (status) {
        uvk_input_free(in);
        return status;
    }
    hash_input(in, params);
    *out = in;
    return UVK_OK;
}
