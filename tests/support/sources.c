#define _GNU_SOURCE
#include "tests/support/sources.h"

#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/support/process.h"

enum { PATH_BYTES = 4096 };

static bool is_wanted(const char *name, bool documents) {
    static const char *const endings[] = {".c", ".h", ".cu", ".cuh", ".def"};
    const char *dot = strrchr(name, '.');
    if (!dot || documents) return dot && strcmp(dot, ".md") == 0;
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; ++i) {
        if (strcmp(dot, endings[i]) == 0) return true;
    }
    return false;
}

static bool is_word(char c) { return isalnum((unsigned char)c) || c == '_'; }

/* What the character at `at` belongs to, decided from left to right. */
typedef enum zone { CODE = 0, LINE_COMMENT, BLOCK_COMMENT, STRING, CHARACTER } zone;

static zone next_zone(zone now, const char *text, size_t at) {
    const char c = text[at];
    switch (now) {
    case LINE_COMMENT: return c == '\n' ? CODE : now;
    case BLOCK_COMMENT: return c == '/' && text[at - 1] == '*' ? CODE : now;
    case STRING:
    case CHARACTER: return c == (now == STRING ? '"' : '\'') ? CODE : now;
    default: break;
    }
    if (c == '/' && text[at + 1] == '/') return LINE_COMMENT;
    if (c == '/' && text[at + 1] == '*') return BLOCK_COMMENT;
    if (c == '"') return STRING;
    /* A quote between digits separates them in C++ */
    return c == '\'' && !(at > 0 && isxdigit((unsigned char)text[at - 1])) ? CHARACTER : now;
}

/* Splits the text into code and directives. A directive runs to the end of its last continued line. */
static void split(test_source *s) {
    zone now = CODE;
    size_t comment_start = 0;
    bool directive = false, line_is_empty = true;
    for (size_t i = 0; i < s->length; ++i) {
        const char c = s->text[i];
        if (c == '\n') {
            if (directive && s->text[i - 1] != '\\' && now != BLOCK_COMMENT) directive = false;
            if (now == LINE_COMMENT) now = CODE;
            s->code[i] = s->directives[i] = '\n';
            line_is_empty = true;
            continue;
        }
        const zone before = now;
        if (now == CODE && c == '#' && line_is_empty) directive = true;
        if (!isspace((unsigned char)c)) line_is_empty = false;
        if ((now == STRING || now == CHARACTER) && c == '\\') {
            i += 1;
            if (s->text[i] == '\n') s->code[i] = s->directives[i] = '\n';
            continue;
        }
        now = next_zone(now, s->text, i);
        if (before == CODE && (now == BLOCK_COMMENT || now == LINE_COMMENT)) comment_start = i;
        if (before == BLOCK_COMMENT && now == CODE && i < comment_start + 3)
            now = BLOCK_COMMENT; /* the '/' of an opening */
        const bool quote = c == '"' && (before == STRING || now == STRING) && before != now;
        if ((before == CODE && now == CODE) || quote) (directive ? s->directives : s->code)[i] = c;
    }
}

void test_sources_add(test_sources *sources, const char *root, const char *path) {
    sources->item = realloc(sources->item, (size_t)(sources->count + 1) * sizeof *sources->item);
    if (!sources->item) abort();
    test_source *s = &sources->item[sources->count++];
    s->path = strdup(path);
    s->text = test_read(test_path(root, path));
    if (!s->path || !s->text) {
        perror(path);
        abort();
    }
    s->length = strlen(s->text);
    s->code = malloc(s->length + 1);
    s->directives = malloc(s->length + 1);
    if (!s->code || !s->directives) abort();
    memset(s->code, ' ', s->length);
    memset(s->directives, ' ', s->length);
    s->code[s->length] = s->directives[s->length] = '\0';
    split(s);
}

static void add_folder(test_sources *sources, const char *root, const char *folder, bool documents) {
    struct dirent **entries = NULL;
    const int count = scandir(test_path(root, folder), &entries, NULL, alphasort);
    for (int i = 0; i < count; ++i) {
        char path[PATH_BYTES];
        struct stat info;
        const char *name = entries[i]->d_name;
        snprintf(path, sizeof path, "%s/%s", folder, name);
        if (name[0] != '.' && stat(test_path(root, path), &info) == 0) {
            if (S_ISDIR(info.st_mode)) add_folder(sources, root, path, documents);
            else if (is_wanted(name, documents)) test_sources_add(sources, root, path);
        }
        free(entries[i]);
    }
    free(entries);
}

static int by_path(const void *a, const void *b) {
    return strcmp(((const test_source *)a)->path, ((const test_source *)b)->path);
}

test_sources test_sources_read(const char *root, int folder_count, const char *const *folders, bool documents) {
    test_sources sources = {0};
    for (int i = 0; i < folder_count; ++i) add_folder(&sources, root, folders[i], documents);
    if (sources.count > 0) qsort(sources.item, (size_t)sources.count, sizeof *sources.item, by_path);
    return sources;
}

void test_sources_free(test_sources *sources) {
    for (int i = 0; i < sources->count; ++i) {
        free(sources->item[i].path);
        free(sources->item[i].text);
        free(sources->item[i].code);
        free(sources->item[i].directives);
    }
    free(sources->item);
    *sources = (test_sources){0};
}

int test_source_line(const test_source *source, size_t offset) {
    int line = 1;
    for (size_t i = 0; i < offset; ++i) line += source->text[i] == '\n';
    return line;
}

const char *test_find_word(const char *text, const char *from, const char *word) {
    const size_t length = strlen(word);
    while ((from = strstr(from, word)) != NULL) {
        if ((from == text || !is_word(from[-1])) && !is_word(from[length])) return from;
        from += length;
    }
    return NULL;
}

/* The declaration that ends before code[brace]: from behind the last ';', '{' or '}' on. */
static size_t declaration_start(const char *code, size_t brace) {
    size_t start = brace;
    while (start > 0 && !strchr(";{}", code[start - 1])) start -= 1;
    return start;
}

/* Comments in the declaration are blanks here. PU__INLINE stands for static inline. */
static bool says_static(const char *from, const char *to) {
    static const char *const words[] = {"static", "PU__INLINE"};
    for (int i = 0; i < 2; ++i) {
        const char *found = test_find_word(from, from, words[i]);
        if (found && found < to) return true;
    }
    return false;
}

/* Fills in name and linkage if the declaration code[start..brace) is a function's: its parameter list is the first
 * bracket that follows a word which is not an attribute's, and no '=' stands before it. */
static bool read_declaration(const test_source *source, size_t start, size_t brace, test_function *out) {
    const char *code = source->code;
    for (size_t i = start; i < brace; ++i) {
        if (code[i] == '=') return false;
        if (code[i] != '(') continue;
        size_t end = i;
        while (end > start && isspace((unsigned char)code[end - 1])) end -= 1;
        size_t word = end;
        while (word > start && is_word(code[word - 1])) word -= 1;
        const size_t length = end - word;
        if (length == 0 || length >= sizeof out->name) return false;
        memcpy(out->name, code + word, length);
        out->name[length] = '\0';
        const bool is_macro = strpbrk(out->name, "abcdefghijklmnopqrstuvwxyz") == NULL;
        const bool attribute = is_macro || strncmp(out->name, "__", 2) == 0 || strcmp(out->name, "_Alignas") == 0;
        if (attribute) { /* behind its brackets the search goes on */
            int depth = 0;
            do {
                depth += code[i] == '(';
                depth -= code[i] == ')';
                i += 1;
            } while (i < brace && depth > 0);
            i -= 1;
            continue;
        }
        out->source = source;
        out->is_static = says_static(code + start, code + word);
        out->line = test_source_line(source, word);
        return true;
    }
    return false;
}

int test_source_functions(const test_source *source, test_function *out, int capacity) {
    const char *code = source->code;
    int depth = 0, linkage_depth = 0, count = 0;
    bool open = false; /* inside the function that is being measured */
    test_function now = {0};
    for (size_t i = 0; i < source->length; ++i) {
        if (code[i] == '{') {
            const size_t start = declaration_start(code, i);
            size_t last = i;
            while (last > start && isspace((unsigned char)code[last - 1])) last -= 1;
            const bool linkage =
                depth == 0 && last > start &&
                (code[last - 1] == '"' || (last - start >= 9 && strncmp(code + last - 9, "namespace", 9) == 0));
            if (linkage) {
                linkage_depth += 1;
                continue;
            }
            if (depth == 0) open = read_declaration(source, start, i, &now);
            depth += 1;
        } else if (code[i] == '}') {
            if (depth == 0 && linkage_depth > 0) {
                linkage_depth -= 1;
                continue;
            }
            depth -= 1;
            if (depth < 0) return -1;
            if (depth > 0 || !open) continue;
            now.lines = test_source_line(source, i) - now.line + 1;
            if (count < capacity) out[count] = now;
            count += 1;
            open = false;
        }
    }
    return depth == 0 && linkage_depth == 0 ? count : -1;
}
