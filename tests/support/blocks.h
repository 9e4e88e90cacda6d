/* Feature and label rows read back from a store. */
#ifndef TESTS_SUPPORT_BLOCKS_H
#define TESTS_SUPPORT_BLOCKS_H

#include "host/data/features/build.h"

/* The rows of one asset of the plan, block by block as stored, every block checked. Fails the test where they are not
 * current. Free the rows with pu_free, *out with pu__blocks_free. */
float *test_blocks_read(const pu_config *config, int asset, pu__block_kind kind, pu__blocks *out);

#endif
