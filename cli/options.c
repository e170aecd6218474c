/* The two tables. A new flag or verb is a new line here. */
#include "options.h"

#include <stddef.h>

enum { DEVICES = 1, INFO = 2, EXPLAIN = 4, QUERY = 8, PRUNE = 16, EVERY = 31 };

const char *const scalar_names[] = {"sum", "energy", NULL};
const char *const order_names[] = {"rollout", "formula", NULL};
const char *const normalize_names[] = {"norm", "none", NULL};
const char *const own_token_names[] = {"max", "keep", "zero", NULL};
const char *const format_names[] = {"table", "csv", "json", "jsonl", NULL};
static const char *const precision_names[] = {"f32", "auto", NULL};

const verb verbs[] = {
    {"devices", "", "list the Vulkan devices of this machine",
     "The number in front is what --device takes.",
     "  ultravk devices\n"
     "  ultravk devices --json\n",
     DEVICES, 0, 0, NULL, verb_devices},
    {"info", "--model DIR", "say what a model folder holds and what a run will take",
     "A model folder is laid out as Hugging Face does: config.json, model.safetensors, preprocessor_config.json.",
     "  ultravk info --model vit-base-patch16-224\n",
     INFO, 0, 0, NULL, verb_info},
    {"explain", "--model DIR INPUT...", "explain latent tokens: which tokens made them what they are",
     "INPUT is a photo (.jpg .jpeg .png .webp), a .npy array (float32 [3,H,W], already resized and normalised), a folder of photos,\n"
     "a pattern in quotes, or @LIST.txt with one path a line. Without --db, --out and --png a short table per input is printed.",
     "  ultravk explain --model vit-base-patch16-224 photo.jpg\n"
     "  ultravk explain --model vit-base-patch16-224 photos/ --db results.db --png maps/\n"
     "  ultravk explain --model vit-base-patch16-224 photo.jpg --at-pixel 320,200 --layer 7 --png maps/\n"
     "  ultravk explain --model vit-base-patch16-224 @list.txt --db results.db --resume\n",
     EXPLAIN, 1, -1, "no INPUT given (a photo, a folder, a pattern or @list.txt)", verb_explain},
    {"query", "DB \"SQL\" | DB --named NAME [key=value...] | DB --list", "ask a results database, read-only",
     "The table function scores(map_id) unpacks the stored row of a map.",
     "  ultravk query results.db \"SELECT * FROM v_run\"\n"
     "  ultravk query results.db --list\n"
     "  ultravk query results.db \"SELECT name, path FROM input\" --format csv\n",
     QUERY, 0, -1, NULL, verb_query},
    {"prune", "DB --run N", "delete a run and all that only it used",
     NULL,
     "  ultravk prune results.db --run 3\n",
     PRUNE, 1, 1, "no database given", verb_prune},
};
const int n_verbs = sizeof verbs / sizeof *verbs;

#define FIELD(name) offsetof(options, name)

const flag flags[] = {
    {"model", FLAG_TEXT, INFO | EXPLAIN, INFO | EXPLAIN, FIELD(model), "DIR", NULL, NULL, "model folder", 0, 0},
    {"tokens", FLAG_TEXT, EXPLAIN, 0, FIELD(tokens), "T", NULL, "patches",
     "targets: patches, all, cls, or indices and ranges such as 0,5,40-49", 0, 0},
    {"at-pixel", FLAG_PIXEL, EXPLAIN, 0, FIELD(pixel_x), "X,Y", NULL, NULL, "target: the patch under this pixel of the photo", 0, 0},
    {"layer", FLAG_INTEGER, EXPLAIN, 0, FIELD(layer), "L", NULL, "blocks + 1",
     "residual stream to explain: 2 enters block 2, blocks + 1 leaves the last", 2, 100000},
    {"first-block", FLAG_INTEGER, EXPLAIN, 0, FIELD(first_block), "B", NULL, "1", "first block of the product", 1, 100000},
    {"scalar", FLAG_CHOICE, EXPLAIN, 0, FIELD(scalar), NULL, scalar_names, "sum",
     "what is differentiated: the token's sum or its length", 0, 0},
    {"order", FLAG_CHOICE, EXPLAIN, 0, FIELD(order), NULL, order_names, "rollout", "order of the product over blocks", 0, 0},
    {"normalize", FLAG_CHOICE, EXPLAIN, 0, FIELD(normalize), NULL, normalize_names, "norm",
     "divide the scalar by the token's length, or not", 0, 0},
    {"own-token", FLAG_CHOICE, EXPLAIN, 0, FIELD(own_token), NULL, own_token_names, "max",
     "the target's own entry in its map: the others' maximum, as is, or zero", 0, 0},
    {"db", FLAG_TEXT, EXPLAIN, 0, FIELD(db), "FILE", NULL, NULL, "store everything in this SQLite database", 0, 0},
    {"resume", FLAG_SWITCH, EXPLAIN, 0, FIELD(resume), NULL, NULL, NULL,
     "continue the run of the same parameters: inputs that are done are skipped", 0, 0},
    {"label", FLAG_TEXT, EXPLAIN, 0, FIELD(label), "TEXT", NULL, NULL, "a name for the run", 0, 0},
    {"top", FLAG_COUNT, EXPLAIN, 0, FIELD(top), "K|all", NULL, "all up to 5 million rows, then 20; in the printed table 5",
     "sources to keep of each map in table contribution", 0, 0},
    {"out", FLAG_TEXT, EXPLAIN, 0, FIELD(out), "FILE", NULL, NULL, "write the raw rows: .npy (one input) or .safetensors", 0, 0},
    {"png", FLAG_TEXT, EXPLAIN, 0, FIELD(png), "DIR", NULL, NULL, "write heat maps over the photo", 0, 0},
    {"dump-hidden", FLAG_TEXT, EXPLAIN, 0, FIELD(dump_hidden), "FILE", NULL, NULL,
     "write z1..z(L+1) of one input to a .safetensors file", 0, 0},
    {"named", FLAG_TEXT, QUERY, 0, FIELD(named), "NAME", NULL, NULL, "a ready-made query; --list shows them", 0, 0},
    {"list", FLAG_SWITCH, QUERY, 0, FIELD(list), NULL, NULL, NULL, "list the ready-made queries", 0, 0},
    {"format", FLAG_CHOICE, QUERY, 0, FIELD(format), NULL, format_names, "table", "how rows are printed", 0, 0},
    {"run", FLAG_INTEGER, PRUNE, PRUNE, FIELD(run), "N", NULL, NULL, "the run to delete (column id of table run)", 1, INT64_MAX},
    {"device", FLAG_TEXT, INFO | EXPLAIN, 0, FIELD(device), "N|NAME", NULL, "$ULTRAVK_DEVICE, else the best one",
     "device: its number, or a part of its name", 0, 0},
    {"memory", FLAG_BYTES, INFO | EXPLAIN, 0, FIELD(memory), "BYTES[K|M|G]", NULL, "most of what is free",
     "device memory to use at most", 0, 0},
    {"precision", FLAG_CHOICE, EXPLAIN, 0, FIELD(precision), NULL, precision_names, "f32",
     "arithmetic; both compute and accumulate in float32 today", 0, 0},
    {"seed", FLAG_INTEGER, EXPLAIN, 0, FIELD(seed), "N", NULL, "0",
     "recorded with the run; explaining draws no random numbers", INT64_MIN, INT64_MAX},
    {"json", FLAG_SWITCH, DEVICES | INFO | EXPLAIN | QUERY, 0, FIELD(json), NULL, NULL, NULL, "results as JSON", 0, 0},
    {"quiet", FLAG_SWITCH, EVERY, 0, FIELD(quiet), NULL, NULL, NULL, "no progress and no notes on stderr", 0, 0},
    {"help", FLAG_SWITCH, EVERY, 0, FIELD(help), NULL, NULL, NULL, "this text", 0, 0},
    {"version", FLAG_SWITCH, EVERY, 0, FIELD(version), NULL, NULL, NULL, "print the version", 0, 0},
};
const int n_flags = sizeof flags / sizeof *flags;
_Static_assert(sizeof flags / sizeof *flags <= 64, "parse.c keeps one bit a flag");
