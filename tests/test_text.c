/* Texts as language models see them: prompts, roles, offsets, truncation, ids, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "input.h"
#include "prompt.h"
#include "scratch.h"

/* ---- A tokenizer and a model that hold nothing but what texts need ------------------------------------------------------ */

/* Every byte a token, "the", " a" and so on from merges; <s> before, </s> behind. Byte-level letters stand for themselves in the
 * vocabulary, 0xc3 is U+00C3 and 0xa9 is U+00A9, space is U+0120, newline U+010A. */
enum { BOS, EOS, IM_START, IM_END, FIRST_BYTE, THE = FIRST_BYTE + 256, SPACE_A, NEWLINES, VOCABULARY };

static void write_file(const char *dir, const char *name, const void *bytes, size_t size)
{
    char path[4200];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    fclose(file);
}

static void write_text(const char *dir, const char *name, const char *text)
{
    write_file(dir, name, text, strlen(text));
}

static void write_npy(const char *dir, const char *name, const char *dtype, const char *shape, const void *data, size_t size)
{
    enum { HEADER = 128 };
    char *file = malloc(HEADER + size);
    memcpy(file, "\x93NUMPY\x01\x00\x76\x00", 10);
    int n = snprintf(file + 10, HEADER - 10, "{'descr': '<%s', 'fortran_order': False, 'shape': (%s), }", dtype, shape);
    memset(file + 10 + n, ' ', (size_t)(HEADER - 10 - n));
    file[HEADER - 1] = '\n';
    if (size > 0)
        memcpy(file + HEADER, data, size);
    write_file(dir, name, file, HEADER + size);
    free(file);
}

/* The character that stands for a byte, as GPT-2 maps them, as a JSON escape. */
static int stands_for(int byte)
{
    int next = 256;
    for (int b = 0; b < 256; b++) {
        bool itself = (b >= '!' && b <= '~') || (b >= 0xa1 && b <= 0xac) || (b >= 0xae && b <= 0xff);
        int c = itself ? b : next++;
        if (b == byte)
            return c;
    }
    return -1;
}

static void write_tokenizer(const char *dir)
{
    char *json = NULL;
    size_t size;
    FILE *out = open_memstream(&json, &size);
    fputs("{\"version\":\"1.0\",\"truncation\":null,\"padding\":null,\"added_tokens\":[", out);
    static const char *const special[] = {"<s>", "</s>", "<|im_start|>", "<|im_end|>"};
    for (int i = 0; i < 4; i++)
        fprintf(out, "%s{\"id\":%d,\"content\":\"%s\",\"single_word\":false,\"lstrip\":false,\"rstrip\":false,\"normalized\":false,\"special\":true}",
                i ? "," : "", i, special[i]);
    fputs("],\"normalizer\":null,\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\":false,\"use_regex\":false},"
          "\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"<s>\",\"type_id\":0}},"
          "{\"Sequence\":{\"id\":\"A\",\"type_id\":0}},{\"SpecialToken\":{\"id\":\"</s>\",\"type_id\":0}}],"
          "\"pair\":[{\"Sequence\":{\"id\":\"A\",\"type_id\":0}},{\"Sequence\":{\"id\":\"B\",\"type_id\":1}}],"
          "\"special_tokens\":{\"<s>\":{\"id\":\"<s>\",\"ids\":[0],\"tokens\":[\"<s>\"]},\"</s>\":{\"id\":\"</s>\",\"ids\":[1],\"tokens\":[\"</s>\"]}}},"
          "\"decoder\":{\"type\":\"ByteLevel\",\"add_prefix_space\":true,\"trim_offsets\":true,\"use_regex\":true},"
          "\"model\":{\"type\":\"BPE\",\"dropout\":null,\"unk_token\":null,\"continuing_subword_prefix\":null,\"end_of_word_suffix\":null,"
          "\"fuse_unk\":false,\"byte_fallback\":false,\"vocab\":{", out);
    for (int i = 0; i < 4; i++)
        fprintf(out, "\"%s\":%d,", special[i], i);
    for (int b = 0; b < 256; b++)
        fprintf(out, "\"\\u%04x\":%d,", stands_for(b), FIRST_BYTE + b);
    fprintf(out, "\"th\":%d,\"the\":%d,\"\\u0120a\":%d,\"\\u010a\\u010a\":%d},", VOCABULARY, THE, SPACE_A, NEWLINES);
    fputs("\"merges\":[\"t h\",\"th e\",\"\\u0120 a\",\"\\u010a \\u010a\"]}}", out);
    fclose(out);
    write_file(dir, "tokenizer.json", json, size);
    free(json);
}

typedef struct setting {
    char dir[4096];
    struct uvk_model model;
} setting;

static void load_tokenizer(setting *s)
{
    uvk_tokenizer_free(s->model.tokenizer);
    s->model.tokenizer = NULL;
    s->model.tokenizer_error.message[0] = '\0';
    uvk_tokenizer_load(s->dir, &s->model.tokenizer, &s->model.tokenizer_error);
}

static int set_up(void **state)
{
    setting *s = calloc(1, sizeof *s);
    scratch_create(s->dir);
    write_tokenizer(s->dir);
    s->model.path = s->dir;
    s->model.arch.modality = UVK_TEXT;
    s->model.arch.vocabulary = VOCABULARY + 10;
    s->model.arch.context = 200;
    s->model.arch.causal = true;
    s->model.decoding.stop_ids[0] = EOS;
    s->model.decoding.n_stop_ids = 1;
    load_tokenizer(s);
    if (!s->model.tokenizer)
        fail_msg("%s", s->model.tokenizer_error.message);
    *state = s;
    return 0;
}

static int tear_down(void **state)
{
    setting *s = *state;
    uvk_tokenizer_free(s->model.tokenizer);
    scratch_remove(s->dir);
    free(s);
    return 0;
}

/* ---- Looking at a sequence ------------------------------------------------------------------------------------------------ */

static uvk_input *create(const setting *s, const uvk_text_params *params)
{
    uvk_input *in = NULL;
    uvk_error err;
    if (uvk_input_create_text(&s->model, params, &in, &err) != UVK_OK)
        fail_msg("%s", err.message);
    return in;
}

static uvk_input *load(const setting *s, const char *name)
{
    uvk_input *in = NULL;
    uvk_error err;
    char path[4200];
    snprintf(path, sizeof path, "%s/%s", s->dir, name);
    if (uvk_input_load(&s->model, path, &in, &err) != UVK_OK)
        fail_msg("%s", err.message);
    return in;
}

/* "S0 P14 C15:0-1 ...": role, id, and the bytes of context and summary tokens. */
static void expect(const uvk_input *in, const char *expected)
{
    static const char letters[] = {[UVK_ROLE_IMAGE] = 'I', [UVK_ROLE_CONTEXT] = 'C', [UVK_ROLE_PROMPT] = 'P', [UVK_ROLE_SUMMARY] = 'Y', [UVK_ROLE_SPECIAL] = 'S'};
    char found[4096] = "";
    int n;
    const uvk_token *tokens = uvk_input_tokens(in, &n);
    for (int i = 0; i < n; i++) {
        const uvk_token *t = &tokens[i];
        char *at = found + strlen(found);
        size_t room = (size_t)(found + sizeof found - at);
        if (t->id < FIRST_BYTE || t->id >= FIRST_BYTE + 256)
            at += snprintf(at, room, "%s%c<%d>", i ? " " : "", letters[t->role], t->id);
        else
            at += snprintf(at, room, "%s%c%c", i ? " " : "", letters[t->role], t->id - FIRST_BYTE < 127 ? t->id - FIRST_BYTE : '*');
        if (t->start >= 0)
            sprintf(at, "%d-%d", t->start, t->end);
        assert_int_equal(t->special, t->id < FIRST_BYTE);
    }
    if (strcmp(found, expected) != 0)
        fail_msg("found    %s\nexpected %s", found, expected);
}

/* The text that the ids of a sequence stand for, special tokens included. */
static char *decode(const setting *s, const uvk_input *in)
{
    int32_t ids[1024];
    char *text;
    uvk_error err;
    for (int i = 0; i < in->count; i++)
        ids[i] = in->tokens[i].id;
    if (uvk_tokenizer_decode(s->model.tokenizer, ids, (size_t)in->count, false, &text, &err) != UVK_OK)
        fail_msg("%s", err.message);
    return text;
}

/* ---- A text as it is --------------------------------------------------------------------------------------------------------- */

static void a_text_file_has_the_tokenizers_special_tokens(void **state)
{
    const setting *s = *state;
    write_text(s->dir, "a.txt", "the a\xc3\xa9");
    uvk_input *in = load(s, "a.txt");
    expect(in, "S<0> C<260>0-3 C<261>3-5 C*5-7 C*5-7 S<1>");
    size_t length;
    assert_string_equal(uvk_input_text(in, &length), "the a\xc3\xa9");
    assert_int_equal(length, 7);
    assert_null(uvk_input_summary(in, &length));
    assert_string_equal(uvk_input_get_info(in)->kind, "text");
    assert_int_equal(uvk_summary_targets(in, UVK_AT_PREDICT, NULL, NULL), 0);
    uvk_layout layout = uvk_layout_of(&s->model, in);
    assert_true(layout.causal && layout.grid_cols == 0 && layout.tokens == 6 && layout.list == uvk_input_tokens(in, NULL));
    uvk_input_free(in);
}

static void names_are_sniffed(void **state)
{
    const setting *s = *state;
    write_text(s->dir, "notes.md", "\xef\xbb\xbf" "the");
    uvk_input *in = load(s, "notes.md");
    expect(in, "S<0> C<260>0-3 S<1>");
    uvk_input_free(in);
    write_text(s->dir, "marked.txt", "x</s>y"); /* a marker in the text is one to the model as well */
    in = load(s, "marked.txt");
    expect(in, "S<0> Cx0-1 S<1> Cy5-6 S<1>");
    uvk_input_free(in);
}

static void a_dash_is_stdin(void **state)
{
    const setting *s = *state;
    enum { MANY = 100000 }; /* more than is read at once */
    char path[4200], *text = malloc(MANY);
    uvk_input *in;
    uvk_error err;
    memset(text, 'x', MANY);
    write_file(s->dir, "piped", text, MANY);
    snprintf(path, sizeof path, "%s/piped", s->dir);
    assert_non_null(freopen(path, "r", stdin));
    assert_int_equal(uvk_input_load(&s->model, "-", &in, &err), UVK_BAD_INPUT);
    assert_non_null(strstr(err.message, "-: longer than the model's context (found 100002 tokens"));
    write_text(s->dir, "piped", "the");
    assert_non_null(freopen(path, "r", stdin));
    assert_int_equal(uvk_input_load(&s->model, "-", &in, &err), UVK_OK);
    expect(in, "S<0> C<260>0-3 S<1>");
    uvk_input_free(in);
    assert_int_equal(uvk_input_load(&s->model, "-", &in, &err), UVK_BAD_INPUT); /* at its end */
    assert_non_null(strstr(err.message, "-: the text is empty"));
    free(text);
}

static void ids_are_used_as_they_are(void **state)
{
    const setting *s = *state;
    static const int32_t ids[] = {BOS, THE, FIRST_BYTE + 0xc3, FIRST_BYTE + 0xa9, VOCABULARY + 3};
    write_npy(s->dir, "ids.npy", "i4", "5,", ids, sizeof ids);
    uvk_input *in = load(s, "ids.npy");
    expect(in, "S<0> C<260>0-3 C*3-5 C*3-5 C<266>"); /* the last is in the embedding, not in the tokenizer */
    assert_string_equal(uvk_input_text(in, NULL), "the\xc3\xa9");
    assert_string_equal(uvk_input_get_info(in)->kind, "array");
    uvk_input_free(in);
}

/* ---- Prompts -------------------------------------------------------------------------------------------------------------------- */

static void a_template_stands_around_the_text(void **state)
{
    const setting *s = *state;
    uvk_text_params p = {.context = "the a", .context_length = 5, .prompt = "Q:{text}\nA"};
    uvk_input *in = create(s, &p);
    expect(in, "S<0> PQ P: C<260>0-3 C<261>3-5 P\n PA");
    uvk_input_free(in);
    p.prompt = NULL; /* the folder has no chat template */
    in = create(s, &p);
    expect(in, "S<0> C<260>0-3 C<261>3-5 P\n PT PL P; PD PR P:");
    uvk_input_free(in);
    p.prompt = "{text}";
    in = create(s, &p);
    expect(in, "S<0> C<260>0-3 C<261>3-5");
    uvk_input_free(in);
    p.prompt = "<s>{text}"; /* it writes the first special token itself */
    in = create(s, &p);
    expect(in, "S<0> C<260>0-3 C<261>3-5");
    uvk_input_free(in);
}

/* A token across the border is the text's, of which it covers a part. */
static void tokens_across_the_border(void **state)
{
    const setting *s = *state;
    uvk_text_params p = {.context = "a\n", .context_length = 2, .prompt = "x {text}\ny"};
    uvk_input *in = create(s, &p);
    expect(in, "S<0> Px C<261>0-1 C<262>1-2 Py");
    uvk_input_free(in);
    p.truncate = 1; /* the template keeps its newline */
    in = create(s, &p);
    expect(in, "S<0> Px C<261>0-1 P<262> Py");
    assert_int_equal(uvk_input_get_info(in)->truncated, 0);
    uvk_input_free(in);
}

static void truncation_keeps_the_template(void **state)
{
    const setting *s = *state;
    uvk_text_params p = {.context = "the</s>xyz", .context_length = 10, .prompt = "<{text}>", .truncate = 2};
    uvk_input *in = create(s, &p);
    expect(in, "S<0> P< C<260>0-3 S<1> Cx7-8 P>");
    assert_int_equal(uvk_input_get_info(in)->truncated, 2);
    assert_string_equal(uvk_input_text(in, NULL), "the</s>xyz");
    uvk_input_free(in);
    p.truncate = 4;
    in = create(s, &p);
    assert_int_equal(uvk_input_get_info(in)->truncated, 0);
    uvk_input_free(in);
}

static void templates_that_do_not_hold_the_text_once(void **state)
{
    static const char *const bad[] = {"", "text", "{text} {text}", "{Text}"};
    const setting *s = *state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        uvk_text_params p = {.context = "a", .context_length = 1, .prompt = bad[i]};
        uvk_input *in = NULL;
        uvk_error err;
        assert_int_equal(uvk_input_create_text(&s->model, &p, &in, &err), UVK_USAGE);
        assert_non_null(strstr(err.message, "{text} once"));
    }
}

#define REQUEST "Summarize the following text.\n\n"

static const struct { const char *config, *jinja, *before, *after; } chats[] = {
    /* ChatML with a system message that it writes itself */
    {"{\"chat_template\":\"{% if x %}{{ '<|im_start|>system\\n' + y }}{% else %}{{ '<|im_start|>system\\\\nBe kind.<|im_end|>\\\\n' }}{% endif %}\"}", NULL,
     "<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\n" REQUEST, "<|im_end|>\n<|im_start|>assistant\n"},
    {"{\"chat_template\":\"{{ '<|im_start|>system\\nBe kind.<|im_end|>\\n' }}\"}", NULL,
     "<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\n" REQUEST, "<|im_end|>\n<|im_start|>assistant\n"},
    /* without; a file of its own comes first */
    {"{\"chat_template\":\"[INST]\"}", "{{'<|im_start|>' + message['role'] + '\n'}}", "<|im_start|>user\n" REQUEST, "<|im_end|>\n<|im_start|>assistant\n"},
    {"{\"bos_token\":\"<s>\",\"chat_template\":\"{{ bos_token }}<|start_header_id|>\"}", NULL,
     "<s><|start_header_id|>user<|end_header_id|>\n\n" REQUEST, "<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n"},
    {"{\"chat_template\":\"<|start_header_id|> Cutting Knowledge Date: \"}", NULL,
     "<|start_header_id|>system<|end_header_id|>\n\nCutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n<|eot_id|>"
     "<|start_header_id|>user<|end_header_id|>\n\n" REQUEST, "<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n"},
    {"{\"bos_token\":{\"content\":\"<s>\"},\"chat_template\":[{\"name\":\"tool\",\"template\":\"?\"},{\"name\":\"default\",\"template\":"
     "\"{{ bos_token + '[INST] ' + content + ' [/INST]' }}\"}]}", NULL, "<s>[INST] " REQUEST, " [/INST]"},
    {"{\"chat_template\":\"{{ '[INST] ' + content + '[/INST]' }}\"}", NULL, "[INST] " REQUEST, "[/INST]"},
    {"{\"chat_template\":\"{{ '[INST]' + content + '[/INST]' }}\"}", NULL, "[INST]" REQUEST, "[/INST]"},
    {"{\"eos_token\":\"</s>\",\"chat_template\":\"{{ '<|user|>\\n' + content + eos_token }}\"}", NULL, "<|user|>\n" REQUEST, "</s>\n<|assistant|>\n"},
    {"{\"eos_token\":\"</s>\",\"chat_template\":\"{{ '<|user|>\\n' + content + '<|end|>\\n' }}\"}", NULL, "<|user|>\n" REQUEST, "<|end|>\n<|assistant|>\n"},
    {"{\"bos_token\":\"<bos>\",\"chat_template\":\"{{ bos_token }}<start_of_turn>\"}", NULL,
     "<bos><start_of_turn>user\n" REQUEST, "<end_of_turn>\n<start_of_turn>model\n"},
    {"{\"chat_template\":\"another\"}", NULL, "", "\nTL;DR:"},
    {"{\"chat_template\":null}", NULL, "", "\nTL;DR:"},
    {"{}", NULL, "", "\nTL;DR:"},
};

static void common_chat_templates_are_recognised(void **state)
{
    const setting *s = *state;
    for (size_t i = 0; i < sizeof chats / sizeof *chats; i++) {
        uvk_prompt prompt = {0};
        uvk_error err;
        char path[4200];
        snprintf(path, sizeof path, "%s/chat_template.jinja", s->dir);
        remove(path);
        write_text(s->dir, "tokenizer_config.json", chats[i].config);
        if (chats[i].jinja)
            write_text(s->dir, "chat_template.jinja", chats[i].jinja);
        if (uvk_prompt_make(s->dir, NULL, &prompt, &err) != UVK_OK)
            fail_msg("%s", err.message);
        assert_string_equal(prompt.before, chats[i].before);
        assert_string_equal(prompt.after, chats[i].after);
        uvk_prompt_free(&prompt);
    }
}

static void a_chat_template_is_applied_with_one_first_token(void **state)
{
    const setting *s = *state;
    static const char *const configs[] = {"{\"chat_template\":\"<|im_start|>\"}", "{\"bos_token\":\"<s>\",\"chat_template\":\"{{bos_token}}<|im_start|>\"}"};
    for (int i = 0; i < 2; i++) {
        write_text(s->dir, "tokenizer_config.json", configs[i]);
        uvk_text_params p = {.context = "the a", .context_length = 5, .summary = "a", .summary_length = 1};
        uvk_input *in = create(s, &p);
        char *text = decode(s, in);
        assert_string_equal(text, "<s><|im_start|>user\n" REQUEST "the a<|im_end|>\n<|im_start|>assistant\na</s>");
        free(text);
        assert_true(in->tokens[1].id == IM_START && in->tokens[1].special && in->tokens[1].role == UVK_ROLE_SPECIAL);
        uvk_input_free(in);
    }
    uvk_text_params p = {.context = "a", .context_length = 1};
    uvk_input *in;
    uvk_error err;
    write_text(s->dir, "tokenizer_config.json", "{\"chat_template\":");
    assert_int_equal(uvk_input_create_text(&s->model, &p, &in, &err), UVK_BAD_INPUT);
    assert_non_null(strstr(err.message, "tokenizer_config.json"));
}

/* ---- Summaries ---------------------------------------------------------------------------------------------------------------------- */

static void a_summary_follows_and_an_end(void **state)
{
    setting *s = *state;
    uvk_text_params p = {.context = "the", .context_length = 3, .prompt = "{text}:", .summary = "a the", .summary_length = 5};
    uvk_input *in = create(s, &p);
    expect(in, "S<0> C<260>0-3 P: Ya0-1 Y 1-2 Y<260>2-5 S<1>");
    assert_string_equal(uvk_input_summary(in, NULL), "a the");
    int32_t targets[3], outputs[3];
    assert_int_equal(uvk_summary_targets(in, UVK_AT_PREDICT, targets, outputs), 3);
    assert_true(targets[0] == 2 && targets[2] == 4 && outputs[0] == 3 && outputs[2] == 5);
    assert_int_equal(uvk_summary_targets(in, UVK_AT_TOKEN, targets, NULL), 3);
    assert_true(targets[0] == 3 && targets[2] == 5);
    char with[65];
    strcpy(with, uvk_input_get_info(in)->sha256);
    uvk_input_free(in);
    s->model.arch.context = 6; /* an end that does not fit is left out */
    in = create(s, &p);
    expect(in, "S<0> C<260>0-3 P: Ya0-1 Y 1-2 Y<260>2-5");
    uvk_input_free(in);
    s->model.arch.context = 200;
    s->model.decoding.n_stop_ids = 0;
    in = create(s, &p);
    expect(in, "S<0> C<260>0-3 P: Ya0-1 Y 1-2 Y<260>2-5");
    assert_string_equal(uvk_input_get_info(in)->sha256, with);
    uvk_input_free(in);
    write_text(s->dir, "tokenizer_config.json", "{\"eos_token\":\"<|im_end|>\"}");
    in = create(s, &p);
    expect(in, "S<0> C<260>0-3 P: Ya0-1 Y 1-2 Y<260>2-5 S<3>");
    uvk_input_free(in);
    s->model.decoding.stop_ids[1] = IM_END; /* of several, the one that the tokenizer names */
    s->model.decoding.n_stop_ids = 2;
    in = create(s, &p);
    expect(in, "S<0> C<260>0-3 P: Ya0-1 Y 1-2 Y<260>2-5 S<3>");
    uvk_input_free(in);
}

static void a_generated_summary_is_decoded(void **state)
{
    const setting *s = *state;
    static const int32_t ids[] = {THE, FIRST_BYTE + 0xe2, FIRST_BYTE + 0x82, FIRST_BYTE + 0xac, SPACE_A, VOCABULARY + 5, FIRST_BYTE + 0xff, FIRST_BYTE + 'b'};
    uvk_text_params p = {.context = "a", .context_length = 1, .prompt = "{text}", .summary_ids = ids, .n_summary_ids = 8};
    uvk_input *in = create(s, &p);
    size_t length;
    const char *summary = uvk_input_summary(in, &length);
    assert_string_equal(summary, "the\xe2\x82\xac a\xef\xbf\xbd" "b");
    assert_int_equal(length, strlen(summary));
    expect(in, "S<0> Ca0-1 Y<260>0-3 Y*3-6 Y*3-6 Y*3-6 Y<261>6-8 Y<268> Y*8-11 Yb11-12 S<1>");
    char without[65];
    strcpy(without, uvk_input_get_info(in)->sha256); /* what the model wrote does not identify the input */
    uvk_input_free(in);
    p.summary_ids = NULL;
    in = create(s, &p);
    assert_string_equal(uvk_input_get_info(in)->sha256, without);
    uvk_input_free(in);
}

/* Far longer than the window that ranges are found in. */
static void long_ids_are_decoded_piece_by_piece(void **state)
{
    const setting *s = *state;
    static const int32_t euro[] = {THE, FIRST_BYTE + 0xe2, FIRST_BYTE + 0x82, FIRST_BYTE + 0xac, SPACE_A};
    enum { N = 995 };
    int32_t ids[N], ranges[2 * N];
    for (int i = 0; i < N; i++)
        ids[i] = euro[i % 5];
    char *text;
    uvk_error err;
    assert_int_equal(uvk_decode_ranges(s->model.tokenizer, ids, N, &text, ranges, &err), UVK_OK);
    assert_int_equal(strlen(text), N / 5 * 8);
    for (int i = 0; i < N; i++) {
        static const int start[] = {0, 3, 3, 3, 6}, end[] = {3, 6, 6, 6, 8};
        assert_int_equal(ranges[2 * i], i / 5 * 8 + start[i % 5]);
        assert_int_equal(ranges[2 * i + 1], i / 5 * 8 + end[i % 5]);
    }
    free(text);
}

static void given_ids_stay_as_they_are(void **state)
{
    const setting *s = *state;
    static const int32_t context[] = {BOS, THE, SPACE_A, FIRST_BYTE + 'x'}, summary[] = {FIRST_BYTE + 'y', EOS};
    uvk_text_params p = {.context_ids = context, .n_context_ids = 4, .summary_ids = summary, .n_summary_ids = 2, .prompt = "ignored"};
    uvk_input *in = create(s, &p);
    expect(in, "S<0> C<260>0-3 C<261>3-5 Cx5-6 Yy0-1 Y<1>");
    assert_int_equal(uvk_summary_targets(in, UVK_AT_PREDICT, NULL, NULL), 2);
    uvk_input_free(in);
    p.truncate = 2;
    in = create(s, &p);
    expect(in, "S<0> C<260>0-3 C<261>3-5 Yy0-1 Y<1>");
    assert_int_equal(uvk_input_get_info(in)->truncated, 1);
    uvk_input_free(in);
    p = (uvk_text_params){.context_ids = context, .n_context_ids = 4};
    in = create(s, &p);
    expect(in, "S<0> C<260>0-3 C<261>3-5 Cx5-6");
    uvk_input_free(in);
}

static void ids_need_no_tokenizer(void **state)
{
    setting *s = *state;
    static const int32_t context[] = {BOS, THE};
    uvk_tokenizer_free(s->model.tokenizer);
    s->model.tokenizer = NULL;
    uvk_text_params p = {.context_ids = context, .n_context_ids = 2, .summary_ids = context + 1, .n_summary_ids = 1};
    uvk_input *in = create(s, &p);
    assert_null(uvk_input_text(in, NULL));
    assert_null(uvk_input_summary(in, NULL));
    assert_true(in->count == 3 && !in->tokens[0].special && in->tokens[1].start == -1 && in->tokens[2].role == UVK_ROLE_SUMMARY);
    uvk_input_free(in);
}

/* ---- What is refused ------------------------------------------------------------------------------------------------------------------ */

static void refuse(const setting *s, uvk_text_params p, uvk_status expected, const char *part)
{
    uvk_input *in = NULL;
    uvk_error err = {0};
    p.name = "story.txt";
    uvk_status status = uvk_input_create_text(&s->model, &p, &in, &err);
    if (status != expected || !strstr(err.message, part) || strchr(err.message, '\n'))
        fail_msg("status %d, \"%s\", expected \"%s\"", status, err.message, part);
    assert_null(in);
}

static void refuse_file(const setting *s, const char *name, const void *bytes, size_t size, const char *part)
{
    uvk_input *in = NULL;
    uvk_error err = {0};
    char path[4200];
    snprintf(path, sizeof path, "%s/%s", s->dir, name);
    if (bytes)
        write_file(s->dir, name, bytes, size);
    uvk_status status = uvk_input_load(&s->model, path, &in, &err);
    if (status != UVK_BAD_INPUT || !strstr(err.message, part) || !strstr(err.message, name) || strchr(err.message, '\n'))
        fail_msg("status %d, \"%s\", expected \"%s\"", status, err.message, part);
    assert_null(in);
}

#define TEXT(t) .context = t, .context_length = sizeof t - 1
#define TOKENS(t) .context_ids = t, .n_context_ids = sizeof t / sizeof *t

static void bad_texts_are_refused(void **state)
{
    const setting *s = *state;
    static const int32_t beyond[] = {1, VOCABULARY + 10}, negative[] = {-1}, good[] = {5};
    refuse(s, (uvk_text_params){TEXT("")}, UVK_BAD_INPUT, "story.txt: the text is empty");
    refuse(s, (uvk_text_params){TEXT("ab\xff")}, UVK_BAD_INPUT, "byte 2");
    refuse(s, (uvk_text_params){TEXT("a\0b")}, UVK_BAD_INPUT, "a NUL at byte 1");
    refuse(s, (uvk_text_params){TEXT("<s>"), .prompt = "{text}"}, UVK_BAD_INPUT, "holds no text");
    refuse(s, (uvk_text_params){TEXT("a"), .summary = "", .summary_length = 0}, UVK_BAD_INPUT, "the summary is empty");
    refuse(s, (uvk_text_params){TEXT("a"), .summary = "\xc3", .summary_length = 1}, UVK_BAD_INPUT, "the summary is not text");
    refuse(s, (uvk_text_params){TEXT("a"), .summary_ids = good}, UVK_BAD_INPUT, "the summary is empty");
    refuse(s, (uvk_text_params){TEXT("a"), .summary_ids = beyond, .n_summary_ids = 2}, UVK_BAD_INPUT, "found id 273, expected 0 to 272");
    refuse(s, (uvk_text_params){TOKENS(negative)}, UVK_BAD_INPUT, "found id -1");
    refuse(s, (uvk_text_params){.context_ids = good}, UVK_BAD_INPUT, "empty");
    refuse(s, (uvk_text_params){.prompt = "{text}"}, UVK_USAGE, "no text");
    refuse(s, (uvk_text_params){TEXT("a"), .summary = "b", .summary_length = 1, .summary_ids = good, .n_summary_ids = 1}, UVK_USAGE, "given once");
    refuse(s, (uvk_text_params){TOKENS(good), .summary = "b", .summary_length = 1}, UVK_USAGE, "a summary as text");
    refuse(s, (uvk_text_params){TEXT("a"), .truncate = -1}, UVK_USAGE, "truncate");
}

static void what_does_not_fit_is_told_with_both_numbers(void **state)
{
    setting *s = *state;
    s->model.arch.context = 6;
    refuse(s, (uvk_text_params){TEXT("xxxxxxxx"), .prompt = "{text}:"}, UVK_BAD_INPUT, "found 10 tokens, expected at most 6; --truncate 4 would fit");
    refuse(s, (uvk_text_params){TEXT("xxx"), .prompt = "{text}:", .room = 3}, UVK_BAD_INPUT,
           "found 5 tokens and 3 to be generated, expected at most 6; --truncate 1 would fit");
    refuse(s, (uvk_text_params){TEXT("x"), .prompt = "{text}", .summary = "yyyyyy", .summary_length = 6}, UVK_BAD_INPUT, "found 8 tokens, expected at most 6)");
    refuse_file(s, "long.txt", "xxxxxxxxx", 9, "found 11 tokens, expected at most 6)");
    uvk_text_params p = {TEXT("xxxxxxxx"), .prompt = "{text}:", .truncate = 4};
    uvk_input_free(create(s, &p));
}

static void bad_files_are_refused(void **state)
{
    setting *s = *state;
    static const int64_t beyond[] = {0, VOCABULARY + 10}, huge[] = {(int64_t)1 << 32};
    static const int32_t zeros[250] = {0};
    static const struct { const char *dtype, *shape; const void *data; size_t size; const char *part; } arrays[] = {
        {"f4", "2,", zeros, 8, "no token ids (found F32 of rank 1, expected I64 or I32 of rank 1)"}, {"i4", "1, 2", zeros, 8, "of rank 2"},
        {"i8", "2,", beyond, 16, "token 1 of the text is not in the vocabulary (found id 273, expected 0 to 272)"}, {"i8", "1,", huge, 8, "found id 4294967296"},
        {"i4", "0,", NULL, 0, "empty"}, {"i4", "250,", zeros, 1000, "found 250 tokens, expected at most 200"},
    };
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) {
        write_npy(s->dir, "bad.npy", arrays[i].dtype, arrays[i].shape, arrays[i].data, arrays[i].size);
        refuse_file(s, "bad.npy", NULL, 0, arrays[i].part);
    }
    refuse_file(s, "missing.txt", NULL, 0, "cannot be opened");
    refuse_file(s, "missing.jpg", NULL, 0, "cannot be opened");
    refuse_file(s, "empty.txt", "", 0, "empty");
    refuse_file(s, "binary.dat", "ab\xfe\xff", 4, "byte 2");
    refuse_file(s, "photo.jpg", "\xff\xd8\xff\xe0", 4, "found an image, expected a text");
    refuse_file(s, "photo", "\x89PNG\r\n\x1a\n", 8, "found an image, expected a text");
    s->model.arch.modality = UVK_VISION;
    refuse_file(s, "story.txt", "the", 3, "found a text, expected an image");
    refuse_file(s, "story.md", "the", 3, "found text, expected JPEG");
    refuse(s, (uvk_text_params){TEXT("a")}, UVK_BAD_INPUT, "it is a vision model");
}

static void tokenizers_that_do_not_fit_are_refused(void **state)
{
    setting *s = *state;
    s->model.arch.vocabulary = VOCABULARY; /* the largest id is VOCABULARY */
    refuse(s, (uvk_text_params){TEXT("a")}, UVK_BAD_INPUT, "found ids up to 263, the embedding has rows for 0 to 262");
    s->model.arch.vocabulary = VOCABULARY + 1;
    uvk_text_params p = {TEXT("a")};
    uvk_input_free(create(s, &p));
    write_text(s->dir, "tokenizer.json", "{\"model\":");
    load_tokenizer(s);
    assert_null(s->model.tokenizer);
    refuse(s, p, UVK_BAD_INPUT, "tokenizer.json");
    s->model.tokenizer_error.message[0] = '\0';
    refuse(s, p, UVK_BAD_INPUT, "no tokenizer");
}

/* ---- Images have tokens too -------------------------------------------------------------------------------------------------------------- */

static void patches_are_listed_behind_the_special_tokens(void **state)
{
    setting *s = *state;
    static const float zeros[3 * 4 * 8] = {0};
    s->model.arch = (uvk_arch){.modality = UVK_VISION, .image_height = 4, .image_width = 8, .patch = 4, .special = 2};
    write_npy(s->dir, "pixels.npy", "f4", "3, 4, 8", zeros, sizeof zeros);
    uvk_input *in = load(s, "pixels.npy");
    int n;
    const uvk_token *t = uvk_input_tokens(in, &n);
    assert_int_equal(n, 4);
    assert_true(t[1].special && t[1].role == UVK_ROLE_SPECIAL && !t[2].special && t[3].role == UVK_ROLE_IMAGE && t[3].id == -1 && t[3].start == -1);
    assert_int_equal(uvk_layout_of(&s->model, in).grid_cols, 2);
    assert_null(uvk_input_text(in, NULL));
    uvk_input_free(in);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_text_file_has_the_tokenizers_special_tokens),
        TEST(names_are_sniffed),
        TEST(a_dash_is_stdin),
        TEST(ids_are_used_as_they_are),
        TEST(a_template_stands_around_the_text),
        TEST(tokens_across_the_border),
        TEST(truncation_keeps_the_template),
        TEST(templates_that_do_not_hold_the_text_once),
        TEST(common_chat_templates_are_recognised),
        TEST(a_chat_template_is_applied_with_one_first_token),
        TEST(a_summary_follows_and_an_end),
        TEST(a_generated_summary_is_decoded),
        TEST(long_ids_are_decoded_piece_by_piece),
        TEST(given_ids_stay_as_they_are),
        TEST(ids_need_no_tokenizer),
        TEST(bad_texts_are_refused),
        TEST(what_does_not_fit_is_told_with_both_numbers),
        TEST(bad_files_are_refused),
        TEST(tokenizers_that_do_not_fit_are_refused),
        TEST(patches_are_listed_behind_the_special_tokens),
    };
    return cmocka_run_group_tests_name("texts", tests, NULL, NULL);
}
