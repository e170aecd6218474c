/* A sequence for the database: patches with their boxes in the photo, or tokens with their characters and words. */
#include "record.h"

#include "text.h"

#include <math.h>
#include <stdlib.h>

static const char *const role_names[] = {"image", "context", "prompt", "summary", "special"};

static double clamp(double value, double high)
{
    return fmin(fmax(value, 0), high);
}

/* The part of the photo under a patch; an array has no photo. */
static void set_box(uvk_db_token *token, const uvk_model_info *model, const uvk_input_info *input)
{
    double column = token->grid_col * model->patch, row = token->grid_row * model->patch;
    if (!input->photo_width)
        return;
    token->x0 = clamp(column * input->scale_x + input->offset_x, input->photo_width);
    token->x1 = clamp((column + model->patch) * input->scale_x + input->offset_x, input->photo_width);
    token->y0 = clamp(row * input->scale_y + input->offset_y, input->photo_height);
    token->y1 = clamp((row + model->patch) * input->scale_y + input->offset_y, input->photo_height);
}

static void set_patch(uvk_db_token *token, int i, const job *j, const explained *r)
{
    if (i < j->info->special) {
        token->text = i == 0 ? text_copy("[CLS]") : NULL;
        return;
    }
    token->kind = "patch";
    token->grid_row = token_row(j->info, i);
    token->grid_col = token_column(j->info, i);
    set_box(token, j->info, r->info);
}

static void set_piece(uvk_db_token *token, int i, const job *j, const explained *r)
{
    const uvk_token *t = &r->tokens[i];
    token->kind = t->special ? "special" : "text";
    token->text = text_view_piece(&r->text, j->tokenizer, t);
    token->word_idx = text_view_word(&r->text, t);
    text_view_characters(&r->text, t, &token->char_start, &token->char_end);
}

static void add_words(const text_side *side, const char *role, int first_sentence, recorded *out)
{
    for (int i = 0; i < side->n_words; i++) {
        const uvk_word *w = &side->words[i];
        out->words[out->n_words++] = (uvk_db_word){.role = role, .text = text_view_slice(side, w->start, w->end), .sentence = first_sentence + w->sentence,
                                                   .char_start = w->char_start, .char_end = w->char_end};
    }
}

void record_tokens(const job *j, const explained *r, recorded *out)
{
    const text_side *context = &r->text.context, *summary = &r->text.summary;
    const int encoder = uvk_input_encoder_tokens(r->input);
    *out = (recorded){.tokens = text_alloc((size_t)r->n, sizeof *out->tokens), .n_tokens = r->n};
    for (int i = 0; i < r->n; i++) {
        out->tokens[i] = (uvk_db_token){
            .side = !encoder ? "single" : i < encoder ? "encoder" : "decoder", .kind = "special", .role = role_names[r->tokens[i].role], .word_idx = -1, .grid_row = -1, .grid_col = -1,
            .x0 = NAN, .y0 = NAN, .x1 = NAN, .y1 = NAN, .char_start = -1, .char_end = -1,
        };
        if (j->info->modality == UVK_VISION)
            set_patch(&out->tokens[i], i, j, r);
        else
            set_piece(&out->tokens[i], i, j, r);
    }
    if (context->n_words + summary->n_words == 0)
        return;
    out->words = text_alloc((size_t)(context->n_words + summary->n_words), sizeof *out->words);
    add_words(context, "context", 0, out);
    add_words(summary, "summary", context->n_words ? context->words[context->n_words - 1].sentence + 1 : 0, out);
}

void record_tokens_free(recorded *out)
{
    for (int i = 0; i < out->n_tokens; i++)
        free((char *)out->tokens[i].text);
    for (int i = 0; i < out->n_words; i++)
        free((char *)out->words[i].text);
    free(out->tokens);
    free(out->words);
}
