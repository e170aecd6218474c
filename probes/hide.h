/* What a model makes of an input of which tokens are hidden: the interventions that explanations are judged by (METHOD section 6).
 *
 * One session runs them all, one forward pass each. In a causal text what stands before the first hidden token stays as the last
 * pass left it, and is not computed again. */
#ifndef UVK_PROBES_HIDE_H
#define UVK_PROBES_HIDE_H

#include "input.h"
#include "session.h"

/* What stands in the place of a hidden patch: raw black, the mean colour of the image, the image blurred (a Gaussian as wide as a
 * patch). */
typedef enum uvk_mask { UVK_MASK_BLACK, UVK_MASK_MEAN, UVK_MASK_BLUR } uvk_mask;
/* Hidden tokens of a text leave it, and those behind move up; or the tokenizer's mask or pad token stands in their place. */
typedef enum uvk_removal { UVK_REMOVE_DELETE, UVK_REMOVE_MASK } uvk_removal;

typedef struct uvk_hider {
    uvk_session *session;
    const uvk_input *input;
    uvk_input variant;      /* the input as it was run last; borrows from input what is not its own */
    float *pixels, *filler; /* an image's: those of variant, and what hides them */
    uvk_removal removal;
    int32_t replacement;    /* of UVK_REMOVE_MASK */
    int32_t *places;        /* [n] where each token of the input stands in variant; -1: nowhere */
    int n;
} uvk_hider;

/* mask is for images, removal for texts. input must outlive the hider. UVK_BAD_INPUT when the model has neither mask nor pad token and
 * one is needed. uvk_hider_close follows, also after a failure. */
uvk_status uvk_hider_open(uvk_hider *h, uvk_session *session, const uvk_input *input, uvk_mask mask, uvk_removal removal, uvk_error *err);
void uvk_hider_close(uvk_hider *h);

/* Runs the model with the tokens hidden of which hidden[n] says so; a special token of an image cannot be. The latents are had from
 * the session, those of token i at row h->places[i]. Hiding all of a text: UVK_USAGE. */
uvk_status uvk_hider_run(uvk_hider *h, const bool *hidden, uvk_error *err);

/* z(layer) of a token after the last run, [d]. A token that is not there: UVK_USAGE. */
uvk_status uvk_hider_latent(uvk_hider *h, int layer, int token, float *out, uvk_error *err);
/* exp of the mean log p of the summary's tokens, in the last run; NaN where no position predicts one. */
uvk_status uvk_hider_probability(uvk_hider *h, double *out, uvk_error *err);

#endif
