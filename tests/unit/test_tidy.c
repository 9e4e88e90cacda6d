/* The house rules, over every source: who may include whom, how long files and functions are, layout, words that
 * stand for unfinished or unsafe code, and functions that nothing uses. Offenders are printed as file:line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/sources.h"

enum {
    FILE_LINES_MAX = 600,
    FUNCTION_LINES_MAX = 100,
    FUNCTION_LINES_LISTED = 70,
    COLUMNS_MAX = 120,
    FUNCTIONS_MAX = 8192,
    NAME_BYTES = 128
};

static test_sources all;
static test_function functions[FUNCTIONS_MAX];
static int function_count;
static int offences;
static bool silent; /* while the scanner itself is tested */

static void offend(const test_source *source, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void offend(const test_source *source, int line, const char *format, ...) {
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (!silent) print_error("%s:%d: %s\n", source->path, line, text);
    offences += 1;
}

static bool starts(const char *text, const char *prefix) { return strncmp(text, prefix, strlen(prefix)) == 0; }

static bool is_product(const test_source *s) {
    return starts(s->path, "host/") || starts(s->path, "kernels/") || starts(s->path, "include/");
}

/* ---- include directions ---- */

/* A module and the modules it may include, its own aside. `common` is the kernels' ground floor: Philox, the
 * calling convention, the op list. */
static const struct {
    const char *prefix, *module, *allowed;
} modules[] = {
    /* the first prefix that fits decides */
    {"include/plusultra/ops.h", "common", "base"},
    {"include/plusultra/device.h", "device", "base common"},
    {"include/plusultra/graph.h", "graph", "base common device"},
    {"include/plusultra/config", "config", "base"},
    {"include/plusultra/store.h", "data", "base"},
    {"include/plusultra/import.h", "data", "base"},
    {"include/plusultra/prices.h", "data", "base"},
    {"include/plusultra/resample.h", "data", "base"},
    {"include/plusultra/alternative.h", "data", "base"},
    {"include/plusultra/synth.h", "data", "base config"},
    {"include/plusultra/validate.h", "data", "base config"},
    {"include/plusultra/features.h", "data", "base config"},
    {"include/plusultra/windows.h", "data", "base config device"},
    {"include/plusultra/train.h", "train-api", "base config device graph data"},
    {"include/plusultra/sim.h", "sim", "base"},
    {"include/plusultra/eval.h", "eval", "base config data"},
    {"include/plusultra/stress.h", "stress", "base config"},
    {"include/plusultra/", "base", "common"},
    {"kernels/common/", "common", "base"},
    {"kernels/physics/", "physics", "base common"},
    {"kernels/paths/", "paths", "base common physics"},
    {"kernels/pnl/", "kernel", "base common physics"},
    {"kernels/", "kernel", "base common"},
    {"host/base/", "base", "common"},
    {"host/config/", "config", "base"},
    {"host/page/", "page", "base"},
    {"host/device/cuda/", "cuda", "base common kernel paths device"},
    {"host/device/", "device", "base common kernel paths"},
    {"host/graph/", "graph", "base common device"},
    {"host/data/", "data", "base common config page device physics"},
    {"host/model/", "model", "base common config device graph train-api"},
    {"host/train/", "train", "base common config device graph data model train-api"},
    {"host/sim/", "sim", "base common config device graph data model train-api physics paths"},
    {"host/eval/", "eval", "base common config page device graph data model physics"},
    {"host/stress/", "stress",
     "base common config page device graph data model train-api train sim eval physics paths"},
    {"host/serve/", "serve", "base common config device graph data model train-api train sim eval"},
    {"host/cli/", "cli", "base common config device graph data model train-api train sim eval stress serve"},
};
enum { MODULES = sizeof modules / sizeof modules[0] };

static int module_of(const char *path) {
    for (int i = 0; i < MODULES; ++i) {
        if (starts(path, modules[i].prefix)) return i;
    }
    return -1;
}

/* The first two parts of a path, such as "kernels/gemm". */
static bool same_folder(const char *a, const char *b) {
    const char *slash = strchr(strchr(a, '/') + 1, '/');
    return slash && strncmp(a, b, (size_t)(slash - a) + 1) == 0;
}

static void check_include(const test_source *source, int line, const char *name) {
    char target[NAME_BYTES + 16];
    snprintf(target, sizeof target, "%s%s", starts(name, "plusultra/") ? "include/" : "", name);
    if (starts(target, "tests/") || starts(target, "bench/")) {
        offend(source, line, "the product includes %s: nothing depends on tests or benchmarks", name);
        return;
    }
    if (!strchr(target, '/')) return; /* generated */
    const int from = module_of(source->path), to = module_of(target);
    if (from < 0 || to < 0) {
        offend(source, line, "%s: belongs to no module: include by the path from the source folder", name);
        return;
    }
    const char *module = modules[to].module;
    const bool own = strcmp(modules[from].module, module) == 0;
    const bool allowed = own ? strcmp(module, "kernel") != 0 || same_folder(source->path, target)
                             : test_find_word(modules[from].allowed, modules[from].allowed, module) != NULL;
    if (!allowed)
        offend(source, line, "%s (%s) includes %s (%s): not a direction of docs/architecture.md", source->path,
               modules[from].module, name, module);
}

static void includes_point_downwards(void **state) {
    (void)state;
    offences = 0;
    for (int i = 0; i < all.count; ++i) {
        const test_source *s = &all.item[i];
        if (!is_product(s)) continue;
        for (const char *at = s->directives; (at = test_find_word(s->directives, at, "include")) != NULL; ++at) {
            const size_t offset = (size_t)(at - s->directives);
            char name[NAME_BYTES] = "";
            if (sscanf(s->text + offset, "include \"%127[^\"]\"", name) == 1)
                check_include(s, test_source_line(s, offset), name);
        }
    }
    assert_int_equal(offences, 0);
}

/* ---- lengths and layout ---- */

static void files_and_functions_fit_in_the_head(void **state) {
    (void)state;
    offences = 0;
    for (int i = 0; i < all.count; ++i) {
        const int lines = test_source_line(&all.item[i], all.item[i].length) - 1;
        if (lines > FILE_LINES_MAX)
            offend(&all.item[i], lines, "%d lines; at most %d: split it", lines, FILE_LINES_MAX);
    }
    for (int i = 0; i < function_count; ++i) {
        const test_function *f = &functions[i];
        if (f->lines > FUNCTION_LINES_MAX)
            offend(f->source, f->line, "%s has %d lines; at most %d: split it", f->name, f->lines,
                   FUNCTION_LINES_MAX);
        else if (f->lines > FUNCTION_LINES_LISTED)
            print_message("%s:%d: note: %s has %d lines\n", f->source->path, f->line, f->name, f->lines);
    }
    assert_int_equal(offences, 0);
}

/* A row of a table in a comment: columns of text, three or more blanks apart. Its width is that of the table. */
static bool is_table_row(const char *text, size_t length) {
    size_t i = 0;
    while (i < length && text[i] == ' ') ++i;
    if (i >= length || (text[i] != '*' && text[i] != '/')) return false;
    for (size_t blanks = 0; i < length; ++i) {
        blanks = text[i] == ' ' ? blanks + 1 : 0;
        if (blanks >= 3) return true;
    }
    return false;
}

static void check_line(const test_source *s, int line, const char *text, size_t length) {
    size_t columns = 0;
    for (size_t i = 0; i < length; ++i) columns += ((unsigned char)text[i] & 0xc0) != 0x80; /* whole characters */
    const bool is_rows = strcmp(strrchr(s->path, '.'), ".def") == 0; /* one row a line, whatever its length */
    if (columns > COLUMNS_MAX && !is_rows && !is_table_row(text, length))
        offend(s, line, "%zu columns; at most %d (make format)", columns, COLUMNS_MAX);
    if (memchr(text, '\t', length)) offend(s, line, "a tab");
    if (memchr(text, '\r', length)) offend(s, line, "a carriage return");
    if (length > 0 && text[length - 1] == ' ') offend(s, line, "a space at the end of the line");
}

static void layout_is_plain(void **state) {
    (void)state;
    offences = 0;
    for (int i = 0; i < all.count; ++i) {
        const test_source *s = &all.item[i];
        int line = 1;
        for (const char *at = s->text; *at; ++line) {
            const size_t length = strcspn(at, "\n");
            check_line(s, line, at, length);
            at += length + (at[length] == '\n');
        }
        if (s->length > 0 && s->text[s->length - 1] != '\n')
            offend(s, line, "no line break at the end of the file");
    }
    assert_int_equal(offences, 0);
}

/* ---- words ---- */

/* Words of unfinished work, spelt in two parts so that this file does not find itself. */
static void nothing_is_left_for_later(void **state) {
    (void)state;
    static const char *const words[] = {"TO"
                                        "DO",
                                        "FIX"
                                        "ME",
                                        "X"
                                        "XX",
                                        "HA"
                                        "CK"};
    static const char *const phrases[] = {"not imple"
                                          "mented",
                                          "for n"
                                          "ow",
                                          "stu"
                                          "bbed"};
    offences = 0;
    for (int i = 0; i < all.count; ++i) {
        const test_source *s = &all.item[i];
        for (size_t w = 0; w < sizeof words / sizeof words[0]; ++w) {
            const char *at = test_find_word(s->text, s->text, words[w]);
            if (at) offend(s, test_source_line(s, (size_t)(at - s->text)), "'%s'", words[w]);
        }
        for (size_t p = 0; p < sizeof phrases / sizeof phrases[0]; ++p) {
            const char *at = strstr(s->text, phrases[p]);
            if (at) offend(s, test_source_line(s, (size_t)(at - s->text)), "'%s'", phrases[p]);
        }
    }
    assert_int_equal(offences, 0);
}

/* Offends at every call of `name` in code. */
static void forbid_call(const test_source *s, const char *name, const char *instead) {
    for (const char *at = s->code; (at = test_find_word(s->code, at, name)) != NULL; ++at) {
        const char *behind = at + strlen(name);
        behind += strspn(behind, " ");
        if (*behind == '(') offend(s, test_source_line(s, (size_t)(at - s->code)), "%s: %s", name, instead);
    }
}

static void no_unsafe_calls(void **state) {
    (void)state;
    static const char *const everywhere[][2] = {
        {"strcpy", "use snprintf or memcpy with a bound"},
        {"strcat", "use snprintf with a bound"},
        {"sprintf", "use snprintf"},
        {"vsprintf", "use vsnprintf"},
        {"gets", "use fgets"},
        {"rand", "use plusultra/random.h"},
        {"srand", "use plusultra/random.h"},
        {"drand48", "use plusultra/random.h"},
        {"random", "use plusultra/random.h"},
        {"strtok", "use strcspn or strtok_r"},
        {"alloca", "use an arena"},
        {"tmpnam", "use mkstemp"},
    };
    static const char *const in_library[][2] = {
        {"malloc", "use pu_calloc"},
        {"calloc", "use pu_calloc"},
        {"realloc", "use pu_regrow"},
        {"strdup", "use pu_strdup"},
        {"exit", "return a status"},
        {"abort", "return a status"},
        {"_exit", "return a status"},
        {"perror", "use pu_fail"},
        {"system", "call what is needed directly"},
        {"popen", "call what is needed directly"},
    };
    offences = 0;
    for (int i = 0; i < all.count; ++i) {
        const test_source *s = &all.item[i];
        for (size_t c = 0; c < sizeof everywhere / sizeof everywhere[0]; ++c)
            forbid_call(s, everywhere[c][0], everywhere[c][1]);
        if (!is_product(s) || strcmp(s->path, "host/base/memory.c") == 0) continue;
        for (size_t c = 0; c < sizeof in_library / sizeof in_library[0]; ++c)
            forbid_call(s, in_library[c][0], in_library[c][1]);
    }
    assert_int_equal(offences, 0);
}

/* An assertion that is compiled out must change nothing: no assignment, no increment inside. */
static void assertions_have_no_effects(void **state) {
    (void)state;
    offences = 0;
    for (int i = 0; i < all.count; ++i) {
        const test_source *s = &all.item[i];
        for (const char *at = s->code; (at = test_find_word(s->code, at, "assert")) != NULL; ++at) {
            const char *end = at + strcspn(at, ";");
            for (const char *c = at; c < end; ++c) {
                const bool step = (c[0] == '+' && c[1] == '+') || (c[0] == '-' && c[1] == '-');
                const bool assigns = c[0] == '=' && c[1] != '=' && !strchr("=<>!", c[-1]);
                if (step || assigns) {
                    offend(s, test_source_line(s, (size_t)(at - s->code)), "an assertion with a side effect");
                    break;
                }
            }
        }
    }
    assert_int_equal(offences, 0);
}

/* ---- dead code ---- */

/* True if `name` is used in this file's code, that is elsewhere than in a prototype (which stands outside of
 * braces) or in a directive that is not a macro's body. */
static bool uses(const test_source *s, const char *name) {
    if (test_find_word(s->directives, s->directives, name)) return true;
    const size_t length = strlen(s->path);
    const bool header = length > 2 && strcmp(s->path + length - 2, ".h") == 0;
    for (const char *at = s->code; (at = test_find_word(s->code, at, name)) != NULL; ++at) {
        if (!header) return true;
        int depth = 0;
        for (const char *c = s->code; c < at; ++c) depth += (*c == '{') - (*c == '}');
        if (depth > 0) return true;
    }
    return false;
}

/* Names that a macro builds by pasting: the longest word before "##" that the name starts with. */
static bool is_pasted(const char *name) {
    for (int i = 0; i < all.count; ++i) {
        const test_source *s = &all.item[i];
        for (const char *at = s->directives; (at = strstr(at, "##")) != NULL; at += 2) {
            const char *word = at;
            while (word > s->directives && (isalnum((unsigned char)word[-1]) || word[-1] == '_')) word -= 1;
            const size_t length = (size_t)(at - word);
            if (length > 4 && strncmp(name, word, length) == 0) return true;
        }
    }
    return false;
}

static bool is_public(const char *name) {
    for (int i = 0; i < all.count; ++i) {
        if (starts(all.item[i].path, "include/") && test_find_word(all.item[i].code, all.item[i].code, name))
            return true;
    }
    return false;
}

static int uses_in_own_file(const test_function *f) {
    int count = 0;
    for (const char *at = f->source->code; (at = test_find_word(f->source->code, at, f->name)) != NULL; ++at)
        count += 1;
    return count - 1; /* without the definition */
}

/* Used by another file of the product. A test's use counts for what is public, and for what its own file uses too.
 */
static bool is_alive(const test_function *f) {
    const bool tests_count = uses_in_own_file(f) > 0 || is_public(f->name);
    for (int i = 0; i < all.count; ++i) {
        const test_source *s = &all.item[i];
        if (s == f->source || (!tests_count && !is_product(s))) continue;
        if (uses(s, f->name)) return true;
    }
    return is_pasted(f->name);
}

/* A static inline function of a header, used anywhere but in its own definition. */
static bool is_inline_alive(const test_function *f) {
    int own = 0;
    for (const char *at = f->source->code; (at = test_find_word(f->source->code, at, f->name)) != NULL; ++at)
        own += 1;
    if (own > 1 || test_find_word(f->source->directives, f->source->directives, f->name)) return true;
    for (int i = 0; i < all.count; ++i) {
        if (&all.item[i] != f->source && uses(&all.item[i], f->name)) return true;
    }
    return is_pasted(f->name);
}

static void nothing_is_dead(void **state) {
    (void)state;
    offences = 0;
    for (int i = 0; i < function_count; ++i) {
        const test_function *f = &functions[i];
        if (!is_product(f->source) || strcmp(f->name, "main") == 0) continue;
        const char *dot = strrchr(f->source->path, '.');
        const bool header = strcmp(dot, ".h") == 0 || strcmp(dot, ".cuh") == 0;
        if (f->is_static && !header) continue; /* the compiler warns */
        const bool alive = header ? is_inline_alive(f) : is_alive(f);
        if (!alive)
            offend(f->source, f->line, "%s is not used by another file: make it static, or remove it", f->name);
    }
    assert_int_equal(offences, 0);
}

/* A promise without the thing: a public prototype that no source defines. */
static void every_public_function_exists(void **state) {
    (void)state;
    offences = 0;
    for (int i = 0; i < all.count; ++i) {
        const test_source *s = &all.item[i];
        if (!starts(s->path, "include/")) continue;
        for (const char *at = s->code; (at = strstr(at, "pu_")) != NULL; at += 3) {
            char name[NAME_BYTES] = "", after = 0;
            if (at > s->code && (isalnum((unsigned char)at[-1]) || at[-1] == '_')) continue;
            if (sscanf(at, "%127[a-z0-9_]%c", name, &after) != 2 || after != '(') continue;
            bool found = false;
            for (int f = 0; f < function_count && !found; ++f) found = strcmp(functions[f].name, name) == 0;
            if (!found)
                offend(s, test_source_line(s, (size_t)(at - s->code)), "%s is declared but not defined", name);
        }
    }
    assert_int_equal(offences, 0);
}

/* ---- documents ---- */

/* Where a relative link of a document leads; false for links to the network and within the page. */
static bool link_target(const test_source *s, const char *target, char *path, size_t capacity) {
    const size_t length = strcspn(target, ")# ");
    if (length == 0 || starts(target, "http") || starts(target, "mailto:")) return false;
    const char *slash = strrchr(s->path, '/');
    const char *root = getenv("PU_SOURCE");
    snprintf(path, capacity, "%s/%.*s%.*s", root ? root : ".", slash ? (int)(slash - s->path) + 1 : 0, s->path,
             (int)length, target);
    return true;
}

static void documents_link_to_files(void **state) {
    (void)state;
    static const char *const folders[] = {"bench", "docs", "tests"};
    const char *root = getenv("PU_SOURCE") ? getenv("PU_SOURCE") : ".";
    test_sources documents = test_sources_read(root, sizeof folders / sizeof folders[0], folders, true);
    test_sources_add(&documents, root, "README.md");
    test_sources_add(&documents, root, "CHANGELOG.md");
    offences = 0;
    for (int i = 0; i < documents.count; ++i) {
        const test_source *s = &documents.item[i];
        char path[4096];
        for (const char *at = s->text; (at = strstr(at, "](")) != NULL; ++at) {
            if (link_target(s, at + 2, path, sizeof path) && access(path, F_OK) != 0) {
                offend(s, test_source_line(s, (size_t)(at - s->text)), "a link to %s, which does not exist", path);
            }
        }
    }
    assert_true(documents.count > 5);
    test_sources_free(&documents);
    assert_int_equal(offences, 0);
}

/* ---- the scanner itself ---- */

static void the_scanner_sees_what_it_should(void **state) {
    (void)state;
    int found = 0;
    for (int i = 0; i < function_count; ++i) {
        if (strcmp(functions[i].source->path, "tests/unit/test_tidy.c") != 0) continue;
        found += strcmp(functions[i].name, "the_scanner_sees_what_it_should") == 0 && functions[i].is_static;
        found += strcmp(functions[i].name, "main") == 0 && !functions[i].is_static;
    }
    assert_int_equal(found, 2);
    assert_true(all.count > 50);
    offences = 0;
    silent = true;
    const test_source sample = {.path = "host/graph/sample.c"};
    check_include(&sample, 1, "plusultra/store.h");
    check_include(&sample, 1, "kernels/gemm/gemm.h");
    check_include(&sample, 1, "tests/support/process.h");
    check_include(&sample, 1, "host/device/cuda/cuda.h");
    assert_int_equal(offences, 4);
    check_include(&sample, 1, "plusultra/device.h");
    check_include(&sample, 1, "host/graph/internal.h");
    assert_int_equal(offences, 4);
    const test_source kernel = {.path = "kernels/gemm/gemm_cpu.c"};
    check_include(&kernel, 1, "kernels/softmax/softmax.h");
    assert_int_equal(offences, 5);
    check_include(&kernel, 1, "kernels/gemm/gemm.h");
    check_include(&kernel, 1, "kernels/common/call.h");
    silent = false;
    assert_int_equal(offences, 5);
}

static int read_sources(void **state) {
    (void)state;
    static const char *const folders[] = {"host", "kernels", "include", "tests", "bench"};
    const char *root = getenv("PU_SOURCE");
    all = test_sources_read(root ? root : ".", sizeof folders / sizeof folders[0], folders, false);
    for (int i = 0; i < all.count; ++i) {
        const int room = FUNCTIONS_MAX - function_count;
        const int found = test_source_functions(&all.item[i], functions + function_count, room);
        if (found < 0)
            print_message("%s: note: braces do not balance, functions not measured\n", all.item[i].path);
        if (found > room) return 1;
        if (found > 0) function_count += found;
    }
    return 0;
}

static int free_sources(void **state) {
    (void)state;
    test_sources_free(&all);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_scanner_sees_what_it_should),     cmocka_unit_test(includes_point_downwards),
        cmocka_unit_test(files_and_functions_fit_in_the_head), cmocka_unit_test(layout_is_plain),
        cmocka_unit_test(nothing_is_left_for_later),           cmocka_unit_test(no_unsafe_calls),
        cmocka_unit_test(assertions_have_no_effects),          cmocka_unit_test(nothing_is_dead),
        cmocka_unit_test(every_public_function_exists),        cmocka_unit_test(documents_link_to_files),
    };
    return cmocka_run_group_tests(tests, read_sources, free_sources);
}
