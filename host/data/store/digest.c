#include "host/data/store/digest.h"

void pu__digest_end(crypto_hash_sha256_state *state, char out[65]) {
    unsigned char hash[crypto_hash_sha256_BYTES];
    crypto_hash_sha256_final(state, hash);
    sodium_bin2hex(out, 65, hash, sizeof hash);
}

void pu__digest(const void *data, size_t bytes, char out[65]) {
    crypto_hash_sha256_state state;
    crypto_hash_sha256_init(&state);
    crypto_hash_sha256_update(&state, data, bytes);
    pu__digest_end(&state, out);
}
