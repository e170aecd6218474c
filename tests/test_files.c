/* Reading files that lie: safetensors, their index, .npy, JSON; and that what is written reads back. */
#include "file.h"
#include "hash.h"
#include "json.h"
#include "npy.h"
#include "safetensors.h"
#include "scratch.h"

#include <dirent.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- A folder for each test ------------------------------------------------------------------------------------------- */

static char folder[4096];
static uvk_error error;

static int make_folder(void **state)
{
    (void)state;
    scratch_create(folder);
    error = (uvk_error){0};
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    scratch_remove(folder);
    return 0;
}

static const char *in_folder(const char *name)
{
    static char path[8192];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void write_file(const char *name, const void *bytes, size_t size)
{
    FILE *stream = fopen(in_folder(name), "wb");
    assert_non_null(stream);
    assert_int_equal(fwrite(bytes, 1, size, stream), size);
    fclose(stream);
}

static void assert_refused(uvk_status status, const char *why)
{
    assert_int_equal(status, UVK_BAD_INPUT);
    assert_int_equal(error.status, UVK_BAD_INPUT);
    assert_int_equal(strncmp(error.message, folder, strlen(folder)), 0); /* the file comes first */
    assert_null(strchr(error.message, '\n'));
    if (!strstr(error.message, why))
        fail_msg("\"%s\" does not say \"%s\"", error.message, why);
}

/* No temporary file was left. */
static bool only_file_is(const char *name)
{
    int others = 0;
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    for (const struct dirent *entry; (entry = readdir(dir));)
        others += entry->d_name[0] != '.' && strcmp(entry->d_name, name) != 0;
    closedir(dir);
    return others == 0 && access(in_folder(name), F_OK) == 0;
}

/* ---- Safetensors -------------------------------------------------------------------------------------------------------- */

/* Length, header, then size bytes 0, 1, 2... */
static void write_tensors(const char *name, const char *header, size_t size)
{
    size_t length = strlen(header);
    unsigned char *bytes = malloc(8 + length + size);
    for (int i = 0; i < 8; i++)
        bytes[i] = (unsigned char)((uint64_t)length >> (8 * i));
    memcpy(bytes + 8, header, length);
    for (size_t i = 0; i < size; i++)
        bytes[8 + length + i] = (unsigned char)i;
    write_file(name, bytes, 8 + length + size);
    free(bytes);
}

static uvk_status open_folder(void)
{
    uvk_tensor_file *file = NULL;
    uvk_status status = uvk_tensor_file_open(folder, &file, &error);
    uvk_tensor_file_free(file);
    return status;
}

static void refuse_header(const char *header, size_t size, const char *why)
{
    write_tensors("model.safetensors", header, size);
    assert_refused(open_folder(), why);
}

static void test_tensors(void **state)
{
    (void)state;
    write_tensors("model.safetensors",
                  "{\"__metadata__\":{\"format\":\"pt\"},\"b\":{\"dtype\":\"F32\",\"shape\":[2,1],\"data_offsets\":[4,12]},"
                  "\"a\":{\"dtype\":\"BF16\",\"shape\":[2],\"data_offsets\":[0,4]},\"none\":{\"dtype\":\"F32\",\"shape\":[3,0],\"data_offsets\":[4,4]},"
                  "\"scalar\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[12,20]}}   ",
                  20);
    uvk_tensor_file *file = NULL;
    assert_int_equal(uvk_tensor_file_open(folder, &file, &error), UVK_OK);
    assert_int_equal(uvk_tensor_file_count(file), 4);
    assert_string_equal(uvk_tensor_file_at(file, 0)->name, "a");
    assert_null(uvk_tensor_file_find(file, "__metadata__"));
    const uvk_tensor_view *b = uvk_tensor_file_find(file, "b");
    assert_non_null(b);
    assert_int_equal(b->dtype, UVK_F32);
    assert_int_equal(b->rank, 2);
    assert_int_equal(b->shape[0], 2);
    assert_int_equal(b->count, 2);
    assert_memory_equal(b->data, "\4\5\6\7\10\11\12\13", 8);
    float values[2];
    uvk_tensor_to_f32(b, 1, 1, values);
    assert_memory_equal(values, "\10\11\12\13", 4);
    assert_int_equal(uvk_tensor_file_find(file, "none")->count, 0);
    assert_int_equal(uvk_tensor_file_find(file, "scalar")->count, 1);
    const char *const *paths;
    assert_int_equal(uvk_tensor_file_paths(file, &paths), 1);
    assert_string_equal(paths[0], in_folder("model.safetensors"));
    uvk_tensor_file_free(file);
}

static void test_lying_headers(void **state)
{
    (void)state;
    refuse_header("", 0, "not valid JSON");
    refuse_header("not json", 4, "not valid JSON");
    refuse_header("[]", 0, "not a JSON object");
    refuse_header("{} x", 0, "not valid JSON");
    refuse_header("{\"a\":1}", 0, "is not described");
    refuse_header("{\"a\":{\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "has no dtype");
    refuse_header("{\"a\":{\"dtype\":\"F8_E4M3\",\"shape\":[4],\"data_offsets\":[0,4]}}", 4, "F8_E4M3");
    refuse_header("{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", 4, "has no shape");
    refuse_header("{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}", 4, "bad size");
    refuse_header("{\"a\":{\"dtype\":\"F32\",\"shape\":[0.5],\"data_offsets\":[0,4]}}", 4, "bad size");
    refuse_header("{\"a\":{\"dtype\":\"F32\",\"shape\":[1e300],\"data_offsets\":[0,4]}}", 4, "bad size");
    refuse_header("{\"a\":{\"dtype\":\"F32\",\"shape\":[\"1\"],\"data_offsets\":[0,4]}}", 4, "bad size");
    refuse_header("{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,4]}}", 4, "too many dimensions");
    refuse_header("{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,0]}}", 0, "impossible shape");
    refuse_header("{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,1073741824],\"data_offsets\":[0,0]}}", 0, "wrong length");
    refuse_header("{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, "bad data_offsets");
    refuse_header("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]}}", 4, "bad data_offsets");
    refuse_header("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4,8]}}", 4, "bad data_offsets");
    refuse_header("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[-4,0]}}", 4, "bad data_offsets");
    refuse_header("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0.5,4.5]}}", 4, "bad data_offsets");
    refuse_header("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,1e400]}}", 4, "bad data_offsets");
    refuse_header("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,0]}}", 4, "outside");
    refuse_header("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}", 4, "outside");
    refuse_header("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[9007199254740988,9007199254740992]}}", 4, "outside");
    refuse_header("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]}}", 4, "wrong length");
    refuse_header("{\"a\":{\"dtype\":\"F16\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "wrong length");
    refuse_header("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}", 8, "hole");
    refuse_header("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 5, "after the last tensor");
    refuse_header("{}", 1, "after the last tensor");
    refuse_header("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}", 8, "overlaps");
    refuse_header("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "overlaps");
    refuse_header("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}", 8, "twice");
}

static void test_header_lengths(void **state)
{
    (void)state;
    unsigned char bytes[16] = {0, 0, 0, 0, 0, 0, 0, 0x80}; /* 2^63 */
    write_file("model.safetensors", bytes, sizeof bytes);
    assert_refused(open_folder(), "9223372036854775808");
    memset(bytes, 0xff, 8);
    write_file("model.safetensors", bytes, sizeof bytes);
    assert_refused(open_folder(), "18446744073709551615");
    memcpy(bytes, "\x09\0\0\0\0\0\0\0", 8); /* one byte more than there is */
    write_file("model.safetensors", bytes, sizeof bytes);
    assert_refused(open_folder(), "cut short");
    write_file("model.safetensors", "version https://git-lfs.github.com/spec/v1\n", 43);
    assert_refused(open_folder(), "git lfs pull");
    assert_int_equal(unlink(in_folder("model.safetensors")), 0);
    assert_int_equal(mkdir(in_folder("model.safetensors"), 0700), 0);
    assert_refused(open_folder(), "a folder");
    assert_int_equal(rmdir(in_folder("model.safetensors")), 0);
}

/* A sparse file: a header beyond the limit is refused without being read. */
static void test_giant_header(void **state)
{
    (void)state;
    write_file("model.safetensors", "\x01\xe1\xf5\x05\0\0\0\0", 8); /* 100 000 001 */
    assert_int_equal(truncate(in_folder("model.safetensors"), 200 * 1000 * 1000), 0);
    assert_refused(open_folder(), "100000001");
}

static void test_deep_header(void **state)
{
    (void)state;
    char *header = malloc(200001);
    memset(header, '[', 200000);
    header[200000] = '\0';
    memcpy(header, "{\"a\":", 5);
    refuse_header(header, 0, "not valid JSON");
    free(header);
}

/* A header of nothing but small values: as a tree it would need a hundred times its size. */
static void test_wide_header(void **state)
{
    (void)state;
    size_t size = 20 * 1000 * 1000;
    char *header = malloc(size + 1);
    for (size_t i = 0; i < size; i++)
        header[i] = i % 2 ? ',' : '0';
    memcpy(header, "{\"a\":[", 6);
    header[size] = '\0';
    refuse_header(header, 0, "too many JSON values");
    free(header);
}

static void test_tensor_prefixes(void **state)
{
    (void)state;
    write_tensors("whole", "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8);
    void *bytes;
    size_t size;
    assert_int_equal(uvk_file_read(in_folder("whole"), 1000, &bytes, &size, &error), UVK_OK);
    for (size_t n = 0; n < size; n++) {
        write_file("model.safetensors", bytes, n);
        assert_refused(open_folder(), "");
    }
    write_file("model.safetensors", bytes, size);
    assert_int_equal(open_folder(), UVK_OK);
    /* One byte changed at a time: refused or not, without harm (the sanitizers watch). */
    for (size_t i = 0; i < size; i++)
        for (int flip = 1; flip < 256; flip <<= 1) {
            ((unsigned char *)bytes)[i] ^= (unsigned char)flip;
            write_file("model.safetensors", bytes, size);
            (void)open_folder();
            ((unsigned char *)bytes)[i] ^= (unsigned char)flip;
        }
    free(bytes);
}

/* ---- Shards ---------------------------------------------------------------------------------------------------------------- */

static void write_index(const char *text)
{
    write_file("model.safetensors.index.json", text, strlen(text));
}

static void test_shards(void **state)
{
    (void)state;
    write_tensors("s1.safetensors", "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4);
    write_tensors("s2.safetensors", "{\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8);
    write_index("{\"metadata\":{\"total_size\":12},\"weight_map\":{\"b\":\"s2.safetensors\",\"a\":\"s1.safetensors\"}}");
    uvk_tensor_file *file = NULL;
    assert_int_equal(uvk_tensor_file_open(folder, &file, &error), UVK_OK);
    assert_int_equal(uvk_tensor_file_count(file), 2);
    assert_string_equal(uvk_tensor_file_find(file, "b")->file, in_folder("s2.safetensors"));
    const char *const *paths;
    assert_int_equal(uvk_tensor_file_paths(file, &paths), 3);
    assert_string_equal(paths[0], in_folder("model.safetensors.index.json"));
    assert_string_equal(paths[1], in_folder("s1.safetensors"));
    uvk_tensor_file_free(file);
}

static void refuse_index(const char *text, const char *why)
{
    write_index(text);
    assert_refused(open_folder(), why);
}

static void test_lying_index(void **state)
{
    (void)state;
    write_tensors("s1", "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4);
    write_tensors("s2", "{\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},\"c\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}", 8);
    write_tensors("s3", "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4);
    refuse_index("", "not valid JSON");
    refuse_index("{}", "weight_map");
    refuse_index("{\"weight_map\":{}}", "weight_map");
    refuse_index("{\"weight_map\":[\"s1\"]}", "weight_map");
    refuse_index("{\"weight_map\":{\"a\":1}}", "bad place");
    refuse_index("{\"weight_map\":{\"a\":\"\"}}", "bad place");
    refuse_index("{\"weight_map\":{\"a\":\"..\"}}", "bad place");
    refuse_index("{\"weight_map\":{\"a\":\"../s1\"}}", "bad place");
    refuse_index("{\"weight_map\":{\"a\":\"/etc/passwd\"}}", "/etc/passwd");
    refuse_index("{\"weight_map\":{\"a\":\"s1\",\"z\":\"s9\"}}", "s9: missing");
    refuse_index("{\"weight_map\":{\"a\":\"s1\",\"z\":\"s2\"}}", "\"z\" is not where");
    refuse_index("{\"weight_map\":{\"a\":\"s2\",\"b\":\"s1\"}}", "\"a\" is not where");
    refuse_index("{\"weight_map\":{\"a\":\"s1\",\"b\":\"s3\"}}", "twice");
    write_index("{\"weight_map\":{\"a\":\"s1\",\"b\":\"s2\"}}"); /* c is there and not named: harmless */
    assert_int_equal(open_folder(), UVK_OK);
}

static void refuse_folder_with(const char *name, const char *why)
{
    write_file(name, "x", 1);
    assert_refused(open_folder(), name);
    assert_non_null(strstr(error.message, why));
    assert_int_equal(unlink(in_folder(name)), 0);
}

static void test_near_misses(void **state)
{
    (void)state;
    assert_refused(open_folder(), "found neither, expected model.safetensors or model.safetensors.index.json");
    refuse_folder_with("pytorch_model.bin", "save_pretrained");
    refuse_folder_with("pytorch_model-00001-of-00002.bin", "save_pretrained");
    refuse_folder_with("adapter_model.safetensors", "merge");
    refuse_folder_with("open_clip_model.safetensors", "open_clip");
    refuse_folder_with("tiny.Q4_K_M.gguf", "GGUF");
    refuse_folder_with("weights.safetensors", "name it model.safetensors");
    write_file("f", "x", 1);
    uvk_tensor_file *file = NULL;
    assert_refused(uvk_tensor_file_open(in_folder("f"), &file, &error), "not a folder");
    assert_refused(uvk_tensor_file_open(in_folder("absent"), &file, &error), "cannot be opened");
    assert_null(file);
}

/* ---- Numbers ------------------------------------------------------------------------------------------------------------------ */

static float convert_one(uvk_dtype dtype, uint16_t bits)
{
    unsigned char unaligned[3];
    memcpy(unaligned + 1, &bits, 2);
    uvk_tensor_view view = {.dtype = dtype, .rank = 1, .shape = {1}, .count = 1, .data = unaligned + 1};
    float out;
    uvk_tensor_to_f32(&view, 0, 1, &out);
    return out;
}

/* Every float16 there is, against its definition. */
static void test_f16(void **state)
{
    (void)state;
    for (unsigned bits = 0; bits < 65536; bits++) {
        int exponent = (int)(bits >> 10 & 31), mantissa = (int)(bits & 1023);
        float got = convert_one(UVK_F16, (uint16_t)bits);
        assert_int_equal(signbit(got) != 0, bits >> 15);
        if (exponent == 31 && mantissa != 0)
            assert_true(isnan(got));
        else if (exponent == 31)
            assert_true(isinf(got));
        else
            assert_true(fabsf(got) == (float)ldexp(exponent ? 1024 + mantissa : mantissa, exponent ? exponent - 25 : -24));
    }
}

static void test_bf16(void **state)
{
    (void)state;
    for (unsigned bits = 0; bits < 65536; bits++) {
        float got = convert_one(UVK_BF16, (uint16_t)bits);
        uint32_t wide;
        memcpy(&wide, &got, 4);
        assert_int_equal(wide, (uint32_t)bits << 16);
    }
}

static void test_write_tensors(void **state)
{
    (void)state;
    const float rows[6] = {1, 2, 3, 4, 5, 6};
    const int32_t targets[2] = {7, -8};
    const uvk_tensor_out out[] = {{"in \"quotes\"\n", UVK_F32, 2, {2, 3}, rows}, {"targets", UVK_I32, 1, {2}, targets}, {"empty", UVK_F32, 2, {0, 3}, rows}};
    const char *metadata[] = {"format", "pt", "layer", "13"};
    assert_int_equal(uvk_safetensors_write(in_folder("model.safetensors"), out, 3, metadata, 2, &error), UVK_OK);
    assert_true(only_file_is("model.safetensors"));
    uvk_tensor_file *file = NULL;
    assert_int_equal(uvk_tensor_file_open(folder, &file, &error), UVK_OK);
    assert_int_equal(uvk_tensor_file_count(file), 3);
    assert_memory_equal(uvk_tensor_file_find(file, "in \"quotes\"\n")->data, rows, sizeof rows);
    assert_memory_equal(uvk_tensor_file_find(file, "targets")->data, targets, sizeof targets);
    assert_int_equal((uintptr_t)uvk_tensor_file_find(file, "targets")->data % 4, 0);
    uvk_tensor_file_free(file);
}

static void assert_cannot_write(uvk_status status)
{
    assert_int_equal(status, UVK_FAILED);
    assert_non_null(strstr(error.message, "cannot be written"));
}

static void test_write_failures(void **state)
{
    (void)state;
    const float value = 1;
    const uvk_tensor_out out = {"a", UVK_F32, 0, {0}, &value};
    assert_cannot_write(uvk_safetensors_write(in_folder("no/such/folder"), &out, 1, NULL, 0, &error));
    assert_cannot_write(uvk_safetensors_write("/dev/full", &out, 1, NULL, 0, &error)); /* a full disk */
    assert_cannot_write(uvk_npy_save_f32("/dev/full", &value, 0, NULL, &error));
    struct stat info;
    assert_int_equal(stat("/dev/full", &info), 0);
    assert_true(S_ISCHR(info.st_mode)); /* still there */
    assert_int_equal(mkdir(in_folder("d"), 0700), 0);
    assert_cannot_write(uvk_npy_save_f32(in_folder("d"), &value, 0, NULL, &error));
    assert_true(only_file_is("d"));
    assert_int_equal(rmdir(in_folder("d")), 0);
}

static void test_abandon(void **state)
{
    (void)state;
    write_file("kept", "old", 3);
    uvk_file_writer writer;
    assert_int_equal(uvk_file_writer_open(&writer, in_folder("kept"), &error), UVK_OK);
    fputs("new", writer.stream);
    uvk_file_writer_abandon(&writer);
    assert_true(only_file_is("kept"));
    void *bytes;
    size_t size;
    assert_int_equal(uvk_file_read(in_folder("kept"), 3, &bytes, &size, &error), UVK_OK);
    assert_string_equal(bytes, "old");
    free(bytes);
    assert_refused(uvk_file_read(in_folder("kept"), 2, &bytes, &size, &error), "too large");
}

/* ---- .npy ------------------------------------------------------------------------------------------------------------------------ */

static void write_npy(int version, const char *dictionary, size_t data)
{
    unsigned char bytes[1024] = "\x93NUMPY";
    size_t length = strlen(dictionary), at = 8;
    bytes[6] = (unsigned char)version;
    for (int i = 0; i < (version == 1 ? 2 : 4); i++)
        bytes[at++] = (unsigned char)(length >> (8 * i));
    memcpy(bytes + at, dictionary, length);
    for (size_t i = 0; i < data; i++)
        bytes[at + length + i] = (unsigned char)i;
    write_file("x.npy", bytes, at + length + data);
}

static uvk_status load_npy(void)
{
    uvk_npy npy = {0};
    uvk_status status = uvk_npy_load(in_folder("x.npy"), &npy, &error);
    uvk_npy_free(&npy);
    return status;
}

static void test_npy(void **state)
{
    (void)state;
    for (int version = 1; version <= 3; version++) {
        write_npy(version, "{'descr': '<i4', 'fortran_order': False, 'shape': (3, 2), }   \n", 24);
        uvk_npy npy;
        assert_int_equal(uvk_npy_load(in_folder("x.npy"), &npy, &error), UVK_OK);
        assert_int_equal(npy.dtype, UVK_I32);
        assert_int_equal(npy.rank, 2);
        assert_int_equal(npy.shape[0], 3);
        assert_int_equal(npy.count, 6);
        assert_int_equal(((int32_t *)npy.data)[0], 0x03020100);
        uvk_npy_free(&npy);
    }
    write_npy(1, "{\"shape\":(),\"descr\":\"<f8\",\"fortran_order\":False}", 8);
    assert_int_equal(load_npy(), UVK_OK);
    write_npy(1, "{'descr': '|u1', 'fortran_order': False, 'shape': (0,)}", 0);
    assert_int_equal(load_npy(), UVK_OK);
}

static void refuse_npy(int version, const char *dictionary, size_t data, const char *why)
{
    write_npy(version, dictionary, data);
    assert_refused(load_npy(), why);
}

static void test_lying_npy(void **state)
{
    (void)state;
    refuse_npy(4, "{}", 0, "version");
    refuse_npy(0, "{}", 0, "version");
    refuse_npy(1, "", 0, "header");
    refuse_npy(1, "{}", 0, "header");
    refuse_npy(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (1,)", 4, "header");
    refuse_npy(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (1,)} x", 4, "header");
    refuse_npy(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (1 1)}", 4, "shape");
    refuse_npy(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}", 4, "shape");
    refuse_npy(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1)}", 4, "shape");
    refuse_npy(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}", 4, "shape");
    refuse_npy(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296,4294967296)}", 0, "size of the shape");
    refuse_npy(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904,)}", 0, "size of the shape");
    refuse_npy(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}", 4, "size of the shape");
    refuse_npy(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}", 9, "size of the shape");
    refuse_npy(1, "{'descr': '<f4', 'fortran_order': True, 'shape': (2,)}", 8, "Fortran");
    refuse_npy(1, "{'descr': '>f4', 'fortran_order': False, 'shape': (2,)}", 8, ">f4");
    refuse_npy(1, "{'descr': '|O', 'fortran_order': False, 'shape': (2,)}", 8, "|O");
    refuse_npy(1, "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,)}", 8, "plain numbers");
    refuse_npy(1, "{'descr': '<f4', 'shape': (2,)}", 8, "header");
    refuse_npy(1, "{'other': '<f4'}", 8, "header");
    refuse_npy(1, "{'descr", 0, "header");
    write_file("x.npy", "PK\3\4 an .npz, renamed", 22);
    assert_refused(load_npy(), "not an .npy file");
    write_file("x.npy", "\x93NUMPY\2\0\xff\xff\xff\xff", 12);
    assert_refused(load_npy(), "header too long");
    write_file("x.npy", "\x93NUMPY\1\0\4\0{}\0 ", 14);
    assert_refused(load_npy(), "header");
}

static void test_npy_round_trip(void **state)
{
    (void)state;
    const float data[6] = {0, 1, -2, 3e38f, 1e-45f, 6};
    const uint64_t shape[2] = {2, 3};
    assert_int_equal(uvk_npy_save_f32(in_folder("x.npy"), data, 2, shape, &error), UVK_OK);
    assert_true(only_file_is("x.npy"));
    void *bytes;
    size_t size;
    assert_int_equal(uvk_file_read(in_folder("x.npy"), 1000, &bytes, &size, &error), UVK_OK);
    assert_int_equal(size % 64, sizeof data); /* the data is aligned as NumPy aligns it */
    uvk_npy npy;
    assert_int_equal(uvk_npy_load(in_folder("x.npy"), &npy, &error), UVK_OK);
    assert_int_equal(npy.rank, 2);
    assert_int_equal(npy.shape[1], 3);
    assert_memory_equal(npy.data, data, sizeof data);
    uvk_npy_free(&npy);
    for (size_t n = 0; n < size; n++) {
        write_file("x.npy", bytes, n);
        assert_refused(load_npy(), "");
    }
    free(bytes);
}

/* ---- JSON and hashes -------------------------------------------------------------------------------------------------------------- */

static void test_json_members(void **state)
{
    (void)state;
    static const char text[] = "{\"n\":12,\"half\":0.5,\"big\":1e30,\"null\":null,\"yes\":true,\"name\":\"vit\",\"n\":13}";
    cJSON *json = NULL;
    assert_int_equal(uvk_json_parse(text, sizeof text - 1, folder, &json, &error), UVK_OK);
    int64_t n = 5;
    assert_int_equal(uvk_json_int(json, "absent", folder, 0, 9, &n, &error), UVK_OK);
    assert_int_equal(uvk_json_int(json, "null", folder, 0, 9, &n, &error), UVK_OK);
    assert_int_equal(n, 5);
    assert_refused(uvk_json_int(json, "n", folder, 0, 9, &n, &error), "found 12, expected an integer in 0..9");
    assert_refused(uvk_json_int(json, "half", folder, 0, 9, &n, &error), "found 0.5");
    assert_refused(uvk_json_int(json, "big", folder, INT64_MIN, INT64_MAX, &n, &error), "found 1");
    assert_refused(uvk_json_int(json, "name", folder, 0, 9, &n, &error), "found a string, expected an integer");
    assert_int_equal(uvk_json_int(json, "n", folder, 0, 12, &n, &error), UVK_OK);
    assert_int_equal(n, 12); /* the first of two */
    double x = 0;
    assert_int_equal(uvk_json_double(json, "half", folder, &x, &error), UVK_OK);
    assert_true(x == 0.5);
    assert_refused(uvk_json_double(json, "yes", folder, &x, &error), "a boolean");
    bool yes = false;
    assert_int_equal(uvk_json_bool(json, "yes", folder, &yes, &error), UVK_OK);
    assert_true(yes);
    assert_refused(uvk_json_bool(json, "n", folder, &yes, &error), "true or false");
    const char *name = NULL;
    assert_int_equal(uvk_json_string(json, "name", folder, &name, &error), UVK_OK);
    assert_string_equal(name, "vit");
    assert_refused(uvk_json_string(json, "n", folder, &name, &error), "a string");
    cJSON_Delete(json);
}

static void test_json_errors(void **state)
{
    (void)state;
    cJSON *json = NULL;
    write_file("c.json", "{\"a\": 1,}", 9);
    assert_refused(uvk_json_load(in_folder("c.json"), 100, &json, &error), "near byte 9 of 9");
    write_file("c.json", "{}\n{}", 5);
    assert_refused(uvk_json_load(in_folder("c.json"), 100, &json, &error), "not valid JSON");
    write_file("c.json", "{\"a\": 1e999}", 12);
    assert_int_equal(uvk_json_load(in_folder("c.json"), 100, &json, &error), UVK_OK);
    double x = 3;
    assert_refused(uvk_json_double(json, "a", folder, &x, &error), "not finite");
    cJSON_Delete(json);
    json = NULL;
    assert_refused(uvk_json_load(in_folder("c.json"), 11, &json, &error), "too large");
    assert_refused(uvk_json_load(in_folder("absent"), 11, &json, &error), "cannot be opened");
    assert_refused(uvk_json_load(folder, 11, &json, &error), "a folder");
    assert_int_equal(mkfifo(in_folder("pipe"), 0600), 0);
    assert_refused(uvk_json_load(in_folder("pipe"), 11, &json, &error), "a device or a pipe");
    static const char text[] = "{\"a\":\"\\u12";
    for (size_t n = 0; n < sizeof text; n++) /* nothing behind the end is looked at */
        assert_refused(uvk_json_parse(text, n, folder, &json, &error), "not valid JSON");
    assert_null(json);
}

static void test_hashes(void **state)
{
    (void)state;
    char one[65], two[65];
    uvk_sha256_bytes("abc", 3, one);
    assert_string_equal(one, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    write_file("x", "abc", 3);
    assert_int_equal(uvk_sha256_file(in_folder("x"), two, &error), UVK_OK);
    assert_string_equal(one, two);
    assert_refused(uvk_sha256_file(in_folder("y"), two, &error), "cannot be opened");
    /* "ab" + "c" is not "a" + "bc". */
    char a[8192], b[8192];
    strcpy(a, in_folder("a"));
    strcpy(b, in_folder("b"));
    const char *paths[] = {a, b};
    write_file("a", "ab", 2);
    write_file("b", "c", 1);
    assert_int_equal(uvk_sha256_files(paths, 2, one, &error), UVK_OK);
    write_file("a", "a", 1);
    write_file("b", "bc", 2);
    assert_int_equal(uvk_sha256_files(paths, 2, two, &error), UVK_OK);
    assert_string_not_equal(one, two);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_tensors),      TEST(test_lying_headers), TEST(test_header_lengths), TEST(test_giant_header),  TEST(test_deep_header),
        TEST(test_wide_header),  TEST(test_tensor_prefixes), TEST(test_shards),       TEST(test_lying_index),   TEST(test_near_misses),
        TEST(test_f16),          TEST(test_bf16),          TEST(test_write_tensors),  TEST(test_write_failures), TEST(test_abandon),
        TEST(test_npy),          TEST(test_lying_npy),     TEST(test_npy_round_trip), TEST(test_json_members),  TEST(test_json_errors),
        TEST(test_hashes),
    };
    return cmocka_run_group_tests_name("files", tests, NULL, NULL);
}
