/* SHA-256 as hexadecimal text, over libsodium. */
#ifndef PU_HOST_DATA_STORE_DIGEST_H
#define PU_HOST_DATA_STORE_DIGEST_H

#include <sodium.h>

/* Goes on with a hash that crypto_hash_sha256_init began: with the processor's instructions for it where it has them,
 * which take a quarter of the time. */
void pu__digest_add(crypto_hash_sha256_state *state, const void *data, size_t bytes);

/* Ends a running hash: 64 lower-case digits and a zero byte. */
void pu__digest_end(crypto_hash_sha256_state *state, char out[65]);

/* Hash of one block. */
void pu__digest(const void *data, size_t bytes, char out[65]);

#endif
