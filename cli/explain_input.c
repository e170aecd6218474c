/* One input of explain: load, forward, targets, rows; then pictures, database, files and stdout. */
#include "explain.h"

#include "messages.h"
#include "pictures.h"
#include "record.h"
#include "show.h"
#include "text.h"
#include "whole_image.h"

#include <stdlib.h>
#include <string.h>

enum { SIDE = 3, SHOWN_TOKENS = 16 };

void explain_shorten(const job *j, target_list *targets)
{
    bool text = j->info->modality == UVK_TEXT;
    target_list all = *targets;
    if (all.listed || all.count <= (text ? SHOWN_TOKENS : SIDE * SIDE))
        return;
    if (text)
        targets_thin(&all, SHOWN_TOKENS, targets);
    else
        targets_spread(&all, j->info, SIDE, targets);
    note("%d of %d targets, spread over the %s; --tokens names others, --db keeps all", targets->count, all.count, text ? "text" : "image");
    targets_free(&all);
}

static target_list copy(const target_list *list)
{
    target_list out = *list;
    out.tokens = text_alloc((size_t)list->count, sizeof *out.tokens);
    memcpy(out.tokens, list->tokens, (size_t)list->count * sizeof *out.tokens);
    return out;
}

static uvk_status tokens_of_word(int word, explained *r, uvk_error *err)
{
    int n_words = r->text.context.n_words;
    if (word >= n_words)
        return uvk_fail(err, UVK_USAGE, "%s: --at-word %d: %s", r->path, word, n_words ? "the text has fewer words" : "this input has no text, only ids");
    r->targets = (target_list){.tokens = text_alloc((size_t)r->n, sizeof *r->targets.tokens), .listed = true};
    for (int i = 0; i < r->n; i++)
        if (text_view_word(&r->text, &r->tokens[i]) == word)
            r->targets.tokens[r->targets.count++] = i;
    return r->targets.count ? UVK_OK : uvk_fail(err, UVK_USAGE, "%s: --at-word %d: no token of the sequence is of this word alone", r->path, word);
}

/* "all" of an encoder-decoder are the tokens of its decoder. */
static void drop_encoder(explained *r)
{
    int kept = 0;
    for (int k = 0; k < r->targets.count; k++)
        if (r->targets.tokens[k] >= uvk_input_encoder_tokens(r->input))
            r->targets.tokens[kept++] = r->targets.tokens[k];
    r->targets.count = kept;
}

static uvk_status choose_targets(const job *j, explained *r, const explain_targets *targets, uvk_error *err)
{
    const options *o = j->o;
    uvk_status status = UVK_OK;
    if (o->pixel.given)
        return targets_at_pixel(o->pixel.first, o->pixel.second, j->info, r->info, &r->targets, err);
    if (o->at_word >= 0)
        return tokens_of_word(o->at_word, r, err);
    if (j->info->modality == UVK_VISION)
        r->targets = copy(&targets->fixed);
    else
        status = targets_parse(o->tokens ? o->tokens : "all", j->info, r->n, &r->targets, err);
    if (status == UVK_OK && !r->targets.listed)
        drop_encoder(r);
    if (status == UVK_OK && j->info->modality == UVK_TEXT && targets->shorten)
        explain_shorten(j, &r->targets);
    return status;
}

static uvk_status compute(job *j, explained *r, void *source, uvk_error *err)
{
    bool done;
    uvk_status status = record_is_done(j, r, &done, err);
    if (status != UVK_OK || done)
        return status;
    status = explained_load(j, r, err);
    r->wants_logits = j->o->dump_hidden && j->info->modality == UVK_TEXT;
    if (status == UVK_OK)
        status = choose_targets(j, r, source, err);
    if (status == UVK_OK)
        status = explained_run(j, r, err);
    return status == UVK_OK ? whole_image_measure(j, r, err) : status;
}

/* The database comes after the pictures, so that "done" there means that all of it is done. */
static uvk_status deliver(job *j, explained *r, uvk_error *err)
{
    const options *o = j->o;
    uvk_status status = o->dump_hidden ? hidden_file_write(j, r, err) : UVK_OK;
    if (status == UVK_OK && o->png)
        status = pictures_write(j, r, err);
    if (status == UVK_OK && j->table)
        status = show_table(j, r, err);
    if (status == UVK_OK && j->db)
        status = record_result(j, r, err);
    if (status == UVK_OK && o->out)
        status = rows_file_add(j, r, err);
    return status;
}

const steps explain_steps = {compute, deliver, show_json};
