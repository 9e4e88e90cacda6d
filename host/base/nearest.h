/* "Did you mean": the nearest of some names to a misspelt one. */
#ifndef PU_HOST_BASE_NEAREST_H
#define PU_HOST_BASE_NEAREST_H

/* Insertions, deletions, substitutions and swaps of neighbours that turn a into b (optimal string alignment),
 * ASCII case ignored; words are compared up to 63 bytes. */
int pu__edit_distance(const char *a, const char *b);

/* The candidate with the smallest distance, the first among equals; null when none is near enough to be a likely
 * misspelling: at most a third of the word's length, but 2 are always allowed for words of 4 letters or more. */
const char *pu__nearest(const char *word, int count, const char *const *candidates);

#endif
