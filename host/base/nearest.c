#include "host/base/nearest.h"

#include <ctype.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

enum { WORD_BYTES = 64 };

static int least(int a, int b) { return a < b ? a : b; }

static int lower(char c) { return tolower((unsigned char)c); }

int pu__edit_distance(const char *a, const char *b) {
    const int a_length = (int)strnlen(a, WORD_BYTES - 1), b_length = (int)strnlen(b, WORD_BYTES - 1);
    int rows[3][WORD_BYTES]; /* distances of a[0..i) to every prefix of b, for the last three i */
    for (int j = 0; j <= b_length; ++j) rows[0][j] = j;
    for (int i = 1; i <= a_length; ++i) {
        int *row = rows[i % 3];
        const int *above = rows[(i + 2) % 3], *above2 = rows[(i + 1) % 3];
        row[0] = i;
        for (int j = 1; j <= b_length; ++j) {
            const int substitution = above[j - 1] + (lower(a[i - 1]) != lower(b[j - 1]));
            row[j] = least(substitution, 1 + least(above[j], row[j - 1]));
            const bool swapped =
                i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) && lower(a[i - 2]) == lower(b[j - 1]);
            if (swapped) row[j] = least(row[j], above2[j - 2] + 1);
        }
    }
    return rows[a_length % 3][b_length];
}

const char *pu__nearest(const char *word, int count, const char *const *candidates) {
    const int length = (int)strlen(word);
    const int third = length / 3;
    const int limit = length >= 4 && third < 2 ? 2 : third;
    const char *best = NULL;
    int best_distance = limit + 1;
    for (int i = 0; i < count; ++i) {
        const int distance = pu__edit_distance(word, candidates[i]);
        if (distance < best_distance) {
            best = candidates[i];
            best_distance = distance;
        }
    }
    return best;
}
