/* Photos and what is made of them: equal to Pillow and transformers (data/goldens.txt), and files that lie. */
#include "file.h"
#include "hash.h"
#include "preprocess.h"
#include "scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- A folder for each test, and the pictures beside this file ---------------------------------------------------------- */

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

static const char *in_data(const char *name)
{
    static char path[8192];
    const char *here = __FILE__, *slash = strrchr(here, '/');
    snprintf(path, sizeof path, "%.*s/data/%s", slash ? (int)(slash - here) : 1, slash ? here : ".", name);
    return path;
}

static void write_file(const char *name, const void *bytes, size_t size)
{
    FILE *stream = fopen(in_folder(name), "wb");
    assert_non_null(stream);
    assert_int_equal(fwrite(bytes, 1, size, stream), size);
    fclose(stream);
}

static unsigned char *read_data(const char *name, size_t *size)
{
    void *bytes;
    if (uvk_file_read(in_data(name), 1 << 20, &bytes, size, &error) != UVK_OK)
        fail_msg("%s", error.message);
    return bytes;
}

static uvk_image load_data(const char *name)
{
    uvk_image image = {0};
    if (uvk_image_load(in_data(name), &image, &error) != UVK_OK)
        fail_msg("%s", error.message);
    return image;
}

static void assert_refused(uvk_status status, const char *why)
{
    assert_int_equal(status, UVK_BAD_INPUT);
    assert_int_equal(error.status, UVK_BAD_INPUT);
    if (!strstr(error.message, why))
        fail_msg("\"%s\" does not say \"%s\"", error.message, why);
}

/* ---- Goldens ------------------------------------------------------------------------------------------------------------- */

static void check(const char *line, int width, int height, int expected_width, int expected_height, const void *bytes, size_t size, const char *expected)
{
    char hash[65];
    uvk_sha256_bytes(bytes, size, hash);
    if (width != expected_width || height != expected_height || strcmp(hash, expected) != 0)
        fail_msg("%d x %d, %s, but expected %s", width, height, hash, line);
}

static void check_decode(const char *line)
{
    char name[64], expected[65];
    int width, height;
    assert_int_equal(sscanf(line, "decode %63s %d %d %64s", name, &width, &height, expected), 4);
    uvk_image image = load_data(name);
    check(line, image.width, image.height, width, height, image.rgb, (size_t)image.width * (size_t)image.height * 3, expected);
    uvk_image_free(&image);
}

static void check_resize(const char *line)
{
    char name[64], expected[65];
    int width, height, filter;
    assert_int_equal(sscanf(line, "resize %63s %d %d %d %64s", name, &width, &height, &filter, expected), 5);
    uvk_image photo = load_data(name), image = {0};
    assert_int_equal(uvk_image_resize(&photo, width, height, (uvk_filter)filter, &image, &error), UVK_OK);
    check(line, image.width, image.height, width, height, image.rgb, (size_t)width * (size_t)height * 3, expected);
    uvk_image_free(&image);
    uvk_image_free(&photo);
}

static uvk_status load_config(const char *config, uvk_preprocess *p)
{
    write_file("preprocessor_config.json", config, strlen(config));
    return uvk_preprocess_load(folder, 24, 16, p, &error);
}

static void check_preprocess(const char *line)
{
    char name[64], expected[65];
    int width, height, got_width, got_height;
    assert_int_equal(sscanf(line, "preprocess %63s %d %d %64s", name, &width, &height, expected), 4);
    uvk_preprocess p;
    if (load_config(strchr(line, '{'), &p) != UVK_OK)
        fail_msg("%s", error.message);
    uvk_image photo = load_data(name);
    uvk_preprocess_size(&p, photo.width, photo.height, &got_width, &got_height);
    size_t size = (size_t)got_width * (size_t)got_height * 3 * sizeof(float);
    float *pixels = malloc(size);
    assert_non_null(pixels);
    uvk_geometry geometry;
    assert_int_equal(uvk_preprocess_run(&p, &photo, name, pixels, &geometry, &error), UVK_OK);
    check(line, got_width, got_height, width, height, pixels, size, expected);
    free(pixels);
    uvk_image_free(&photo);
}

static void check_goldens(const char *kind, void (*check_line)(const char *line))
{
    FILE *stream = fopen(in_data("goldens.txt"), "r");
    assert_non_null(stream);
    char line[1024];
    int n = 0;
    while (fgets(line, sizeof line, stream))
        if (strncmp(line, kind, strlen(kind)) == 0) {
            check_line(line);
            n++;
        }
    fclose(stream);
    assert_true(n >= 10);
}

static void test_decode(void **state)
{
    (void)state;
    check_goldens("decode ", check_decode);
}

static void test_resize(void **state)
{
    (void)state;
    check_goldens("resize ", check_resize);
}

static void test_preprocess(void **state)
{
    (void)state;
    check_goldens("preprocess ", check_preprocess);
}

/* ---- Files that are no images, or not whole ----------------------------------------------------------------------------------- */

static uvk_status decode(const void *bytes, size_t size)
{
    uvk_image image = {0};
    uvk_status status = uvk_image_decode(bytes, size, "x.jpg", &image, &error);
    uvk_image_free(&image);
    return status;
}

static void test_not_images(void **state)
{
    (void)state;
    uvk_image image = {0};
    write_file("x.jpg", "This is no photo.\n", 18);
    assert_refused(uvk_image_load(in_folder("x.jpg"), &image, &error), "x.jpg: not an image this program reads (found text, expected JPEG, PNG or WebP)");
    assert_int_equal(strncmp(error.message, folder, strlen(folder)), 0);
    assert_refused(uvk_image_load(folder, &image, &error), "a folder");
    assert_refused(uvk_image_load(in_folder("absent.png"), &image, &error), "cannot be opened");
    assert_null(image.rgb);
    assert_refused(decode("", 0), "an empty file");
    assert_refused(decode("GIF89a......", 12), "a GIF");
    assert_refused(decode("\0\0\0\x1c" "ftypavif", 12), "an AVIF");
    assert_refused(decode("\1\2\3", 3), "something else");
    assert_true(uvk_image_sniff("\xff\xd8\xff\xe0", 4));
    assert_true(uvk_image_sniff("RIFF\0\0\0\0WEBP", 12));
    assert_false(uvk_image_sniff("RIFF\0\0\0\0WAVE", 12));
    assert_false(uvk_image_sniff("GIF89a", 6));
    assert_false(uvk_image_sniff("", 0));
}

static void test_animated(void **state)
{
    (void)state;
    uvk_image image = {0};
    assert_refused(uvk_image_load(in_data("animated.webp"), &image, &error), "animated");
}

static const char *const pictures[] = {"photo.jpg",  "full.jpg",        "progressive.jpg", "grey.jpg", "cmyk.jpg",   "photo.png",
                                       "alpha.png",  "palette.png",     "interlaced.png",  "deep.png", "lossy.webp", "alpha.webp"};
enum { N_PICTURES = sizeof pictures / sizeof *pictures };

/* Of any length but the whole. The bytes are copied, so that reading one too far is seen. */
static void test_truncated(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_PICTURES; i++) {
        size_t size;
        unsigned char *bytes = read_data(pictures[i], &size);
        for (size_t n = 0; n < size; n++) {
            unsigned char *prefix = malloc(n + 1);
            memcpy(prefix, bytes, n);
            prefix = realloc(prefix, n ? n : 1);
            if (decode(prefix, n) != UVK_BAD_INPUT)
                fail_msg("%s of %zu bytes instead of %zu is not refused", pictures[i], n, size);
            free(prefix);
        }
        assert_int_equal(decode(bytes, size), UVK_OK);
        free(bytes);
    }
}

/* One byte changed at a time: refused or not, without harm (the sanitizers watch). */
static void test_damaged(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_PICTURES; i++) {
        size_t size;
        unsigned char *bytes = read_data(pictures[i], &size);
        for (size_t k = 0; k < size; k++) {
            bytes[k] ^= 0x55;
            (void)decode(bytes, size);
            bytes[k] ^= 0x55;
        }
        free(bytes);
    }
}

static void test_checksum(void **state)
{
    (void)state;
    size_t size;
    unsigned char *bytes = read_data("photo.png", &size);
    bytes[size - 12 - 4] ^= 1; /* the checksum of the pixels, which stands before the end chunk */
    assert_refused(decode(bytes, size), "CRC");
    free(bytes);
}

/* ---- Sizes ----------------------------------------------------------------------------------------------------------------------- */

/* Where the frame header says height and width, two bytes each. */
static unsigned char *jpeg_size(unsigned char *bytes, size_t size)
{
    for (size_t i = 0; i + 9 < size; i++)
        if (bytes[i] == 0xff && (bytes[i + 1] == 0xc0 || bytes[i + 1] == 0xc2))
            return bytes + i + 5;
    fail();
    return NULL;
}

static void set_16(unsigned char *at, unsigned value)
{
    at[0] = (unsigned char)(value >> 8);
    at[1] = (unsigned char)value;
}

static void test_large_jpeg(void **state)
{
    (void)state;
    const unsigned sizes[][2] = {{20000, 20000}, {16385, 1}, {1, 65500}, {16000, 16000}};
    size_t size;
    unsigned char *bytes = read_data("photo.jpg", &size);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        set_16(jpeg_size(bytes, size), sizes[i][0]);
        set_16(jpeg_size(bytes, size) + 2, sizes[i][1]);
        assert_refused(decode(bytes, size), "a size that is not read");
    }
    free(bytes);
}

/* The beginning of a PNG, checksum included. */
static void test_large_png(void **state)
{
    (void)state;
    static const unsigned char huge[] = "\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\x4e\x20\0\0\x4e\x20\x08\2\0\0\0\x6c\x12\xd1\x6e\0\0\0\0IDAT\x35\xaf\x06\x1e";
    assert_refused(decode(huge, sizeof huge - 1), "found 20000 x 20000");
}

static void test_large_webp(void **state)
{
    (void)state;
    size_t size;
    unsigned char *bytes = read_data("lossy.webp", &size);
    unsigned char *start = bytes + 20; /* RIFF, size, WEBP, "VP8 ", size; then a frame tag of 3 bytes, 3 of start code, 14 bits a side */
    assert_memory_equal(start + 3, "\x9d\x01\x2a", 3);
    memcpy(start + 6, "\xff\x3f\xff\x3f", 4);
    assert_refused(decode(bytes, size), "found 16383 x 16383");
    free(bytes);
}

static void test_one_pixel(void **state)
{
    (void)state;
    uvk_image one = load_data("one.png");
    uvk_preprocess p;
    assert_int_equal(uvk_preprocess_load(folder, 2, 3, &p, &error), UVK_OK);
    float pixels[18];
    uvk_geometry geometry;
    assert_int_equal(uvk_preprocess_run(&p, &one, "one.png", pixels, &geometry, &error), UVK_OK);
    for (int i = 0; i < 6; i++)
        assert_true(pixels[i] == (9 / 255.0f - 0.5f) / 0.5f);
    uvk_image_free(&one);
}

/* A progressive JPEG whose first scan comes again and again. */
static void test_many_scans(void **state)
{
    (void)state;
    size_t size, begin = 0, end;
    unsigned char *bytes = read_data("progressive.jpg", &size);
    while (bytes[begin] != 0xff || bytes[begin + 1] != 0xda)
        begin++;
    for (end = begin + 2; bytes[end] != 0xff || bytes[end + 1] == 0; end++) {
    }
    size_t scan = end - begin, total = end + 1000 * scan + 2;
    unsigned char *bomb = malloc(total);
    memcpy(bomb, bytes, end);
    for (size_t i = 0; i < 1000; i++)
        memcpy(bomb + end + i * scan, bytes + begin, scan);
    memcpy(bomb + total - 2, "\xff\xd9", 2);
    assert_refused(decode(bomb, total), "too many scans");
    free(bomb);
    free(bytes);
}

static void test_resize_limits(void **state)
{
    (void)state;
    uvk_image one = load_data("one.png"), out = {0};
    const int sizes[][2] = {{0, 1}, {1, 0}, {-1, 1}, {16385, 1}, {16384, 16384}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        assert_int_equal(uvk_image_resize(&one, sizes[i][0], sizes[i][1], UVK_BICUBIC, &out, &error), UVK_USAGE);
    assert_null(out.rgb);
    uvk_image_free(&one);
}

/* ---- preprocessor_config.json -------------------------------------------------------------------------------------------------------- */

static void refuse_config(const char *config, const char *why)
{
    uvk_preprocess p;
    assert_refused(load_config(config, &p), why);
    assert_non_null(strstr(error.message, "preprocessor_config.json: "));
}

static void test_bad_configs(void **state)
{
    (void)state;
    refuse_config("", "not valid JSON");
    refuse_config("[]", "not a JSON object");
    refuse_config("{\"size\": \"224\"}", "\"size\" has an unknown form");
    refuse_config("{\"size\": 0}", "\"size\" has an unknown form");
    refuse_config("{\"size\": 16385}", "\"size\" has an unknown form");
    refuse_config("{\"size\": 0.5}", "\"size\" has an unknown form");
    refuse_config("{\"size\": []}", "\"size\" has an unknown form");
    refuse_config("{\"size\": [1, 2, 3]}", "\"size\" has an unknown form");
    refuse_config("{\"size\": [1, -2]}", "\"size\" has an unknown form");
    refuse_config("{\"size\": {}}", "\"size\" has an unknown form");
    refuse_config("{\"size\": {\"height\": 2}}", "\"size\" has an unknown form");
    refuse_config("{\"size\": {\"longest_edge\": 2}}", "\"size\" has an unknown form");
    refuse_config("{\"size\": {\"height\": 2, \"width\": 2, \"shortest_edge\": 2}}", "\"size\" has an unknown form");
    refuse_config("{\"size\": {\"height\": 2, \"width\": 20000}}", "\"width\" is out of range");
    refuse_config("{\"size\": {\"height\": 2, \"width\": null}}", "\"size\" has an unknown form");
    refuse_config("{\"resample\": 6}", "\"resample\" is out of range");
    refuse_config("{\"resample\": \"bicubic\"}", "\"resample\" is of the wrong type");
    refuse_config("{\"do_resize\": 1}", "\"do_resize\" is of the wrong type");
    refuse_config("{\"do_pad\": true}", "\"do_pad\" is not supported");
    refuse_config("{\"do_center_crop\": true}", "without a \"crop_size\"");
    refuse_config("{\"do_center_crop\": true, \"crop_size\": {\"shortest_edge\": 4}}", "without a \"crop_size\"");
    refuse_config("{\"rescale_factor\": \"x\"}", "\"rescale_factor\" is of the wrong type");
    refuse_config("{\"image_mean\": [1, 2]}", "\"image_mean\" has the wrong length");
    refuse_config("{\"image_mean\": [1, 2, null]}", "\"image_mean\" is not made of numbers");
    refuse_config("{\"image_mean\": {}}", "\"image_mean\" is not made of numbers");
    refuse_config("{\"image_std\": [1, 0, 1]}", "\"image_std\" holds 0");
    refuse_config("{\"image_std\": [1, 1e-60, 1]}", "\"image_std\" holds 0");
    refuse_config("{\"image_std\": 1e60}", "\"image_std\" is not made of numbers");
    refuse_config("{\"image_processor_type\": 3}", "\"image_processor_type\" is of the wrong type");
    refuse_config("{\"image_processor_type\": \"Siglip2ImageProcessor\"}", "Siglip2ImageProcessor");
}

static void test_config_sources(void **state)
{
    (void)state;
    uvk_preprocess p;
    assert_int_equal(uvk_preprocess_load(folder, 24, 16, &p, &error), UVK_OK); /* no file */
    assert_true(p.resize && !p.center_crop && p.rescale && p.normalize);
    assert_int_equal(p.resize_height, 24);
    assert_int_equal(p.resize_width, 16);
    assert_int_equal(p.filter, UVK_BILINEAR);
    assert_int_equal(load_config("{\"image_processor_type\": \"CLIPImageProcessor\", \"size\": null}", &p), UVK_OK);
    assert_int_equal(p.shortest_edge, 224);
    static const char nested[] = "{\"image_processor\": {\"size\": 7}}", unrelated[] = "{\"image_seq_len\": 7}";
    write_file("processor_config.json", unrelated, sizeof unrelated - 1);
    assert_int_equal(uvk_preprocess_load(folder, 24, 16, &p, &error), UVK_OK);
    assert_int_equal(p.shortest_edge, 224);
    write_file("processor_config.json", nested, sizeof nested - 1);
    assert_int_equal(uvk_preprocess_load(folder, 24, 16, &p, &error), UVK_OK);
    assert_int_equal(p.shortest_edge, 0);
    assert_int_equal(p.resize_height, 7);
}

static void near(double found, double expected)
{
    if (found < expected - 1e-9 || found > expected + 1e-9)
        fail_msg("%.12g instead of %.12g", found, expected);
}

static uvk_geometry run_geometry(const char *config, int width, int height)
{
    uvk_preprocess p;
    assert_int_equal(load_config(config, &p), UVK_OK);
    uvk_image photo = {width, height, calloc((size_t)width * (size_t)height, 3)};
    int w, h;
    uvk_preprocess_size(&p, width, height, &w, &h);
    float *pixels = malloc((size_t)w * (size_t)h * 3 * sizeof *pixels);
    uvk_geometry geometry = {0};
    assert_int_equal(uvk_preprocess_run(&p, &photo, "photo", pixels, &geometry, &error), UVK_OK);
    free(pixels);
    uvk_image_free(&photo);
    return geometry;
}

/* Where the corners of the result stand in the photo. */
static void test_geometry(void **state)
{
    (void)state;
    uvk_geometry g = run_geometry("{\"size\": {\"height\": 10, \"width\": 20}}", 60, 50);
    near(g.scale_x, 3);
    near(g.scale_y, 5);
    near(g.offset_x, 0);
    near(g.offset_y, 0);
    g = run_geometry("{\"image_processor_type\": \"CLIPImageProcessor\", \"size\": 20, \"crop_size\": 16}", 80, 40); /* to 40 x 20 */
    near(g.scale_x, 2);
    near(g.scale_y, 2);
    near(g.offset_x, 24);
    near(g.offset_y, 4);
    g = run_geometry("{\"do_resize\": false, \"do_center_crop\": true, \"crop_size\": 9}", 4, 12); /* a border of 3 to the left, 2 to the right */
    near(g.scale_x, 1);
    near(g.offset_x, -3);
    near(g.offset_y, 1);
}

static void test_narrow_photo(void **state)
{
    (void)state;
    uvk_preprocess p;
    assert_int_equal(load_config("{\"image_processor_type\": \"CLIPImageProcessor\"}", &p), UVK_OK);
    uvk_image photo = {1, 100, calloc(100, 3)};
    float pixels[1];
    uvk_geometry geometry;
    assert_refused(uvk_preprocess_run(&p, &photo, "line.png", pixels, &geometry, &error), "line.png: cannot be resized");
    assert_non_null(strstr(error.message, "224 x 22400"));
    uvk_image_free(&photo);
}

/* ---- Writing --------------------------------------------------------------------------------------------------------------------------- */

static void test_save_png(void **state)
{
    (void)state;
    uvk_image photo = load_data("photo.png"), again = {0};
    assert_int_equal(uvk_image_save_png(in_folder("x.png"), &photo, &error), UVK_OK);
    assert_int_equal(uvk_image_load(in_folder("x.png"), &again, &error), UVK_OK);
    assert_int_equal(again.width, photo.width);
    assert_int_equal(again.height, photo.height);
    assert_memory_equal(again.rgb, photo.rgb, (size_t)photo.width * (size_t)photo.height * 3);
    uvk_image_free(&again);
    assert_int_equal(uvk_image_save_png("/dev/full", &photo, &error), UVK_FAILED);
    assert_non_null(strstr(error.message, "/dev/full: cannot be written"));
    assert_int_equal(uvk_image_save_png(in_folder("no/x.png"), &photo, &error), UVK_FAILED);
    uvk_image_free(&photo);
}

/* More than a stream buffers: the write fails in the middle of a picture. */
static void test_disk_full(void **state)
{
    (void)state;
    uvk_image noise = {200, 200, malloc(200 * 200 * 3)};
    unsigned value = 1;
    for (int i = 0; i < 200 * 200 * 3; i++) {
        value = value * 1664525 + 1013904223;
        noise.rgb[i] = (uint8_t)(value >> 24);
    }
    assert_int_equal(uvk_image_save_png("/dev/full", &noise, &error), UVK_FAILED);
    assert_non_null(strstr(error.message, "/dev/full: cannot be written"));
    uvk_image_free(&noise);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_decode),     TEST(test_resize),     TEST(test_preprocess), TEST(test_not_images),     TEST(test_animated),
        TEST(test_truncated),  TEST(test_damaged),    TEST(test_checksum),   TEST(test_large_jpeg),     TEST(test_large_png),
        TEST(test_large_webp), TEST(test_one_pixel),  TEST(test_many_scans), TEST(test_resize_limits),  TEST(test_bad_configs),
        TEST(test_config_sources), TEST(test_geometry), TEST(test_narrow_photo), TEST(test_save_png), TEST(test_disk_full),
    };
    return cmocka_run_group_tests_name("image", tests, NULL, NULL);
}
